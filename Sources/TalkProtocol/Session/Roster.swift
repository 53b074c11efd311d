/// Who is in the room, merged from what the server tells in pieces.
struct Roster: Sendable {
  /// The signaling server vouches for its sessions, so this is a bound against a broken one.
  private static let limit = 10_000

  private(set) var participants: [ParticipantID: Participant] = [:]
  /// Left over from before a reconnect, not yet seen again.
  private var stale: Set<ParticipantID> = []

  /// Those in the call, in no order.
  var inCall: [Participant] { participants.values.filter(\.isInCall) }

  /// Whether we have not heard of somebody since the last reconnect.
  func isStale(_ id: ParticipantID) -> Bool { stale.contains(id) }

  subscript(id: ParticipantID) -> Participant? { participants[id] }

  mutating func join(_ sessions: [JoinedSession]) {
    for session in sessions {
      modify(ParticipantID(session: session.sessionid)) {
        $0.nextcloudSession = session.roomsessionid ?? $0.nextcloudSession
        if let name = session.user?.displayname, !name.isEmpty { $0.name = name }
      }
    }
  }

  mutating func leave(_ sessions: [String]) -> [CallEvent] {
    sessions.compactMap { remove(ParticipantID(session: $0)) }
  }

  mutating func merge(_ user: ParticipantsUpdate.User) -> [CallEvent] {
    let id = ParticipantID(session: user.sessionId)
    let before = participants[id]
    stale.remove(id)
    modify(id) {
      $0.flags = user.inCall ?? $0.flags
      $0.actorType = user.actorType ?? $0.actorType
      $0.actorId = user.actorId ?? $0.actorId
      $0.nextcloudSession = user.nextcloudSessionId ?? $0.nextcloudSession
      $0.isInternal = user.internal ?? $0.isInternal
      $0.isPhone = user.virtual ?? $0.isPhone
      if let name = user.displayName, !name.isEmpty { $0.name = name }
      if let before, before.isInCall, before.flags.contains(.audio) != $0.flags.contains(.audio) {
        $0.isMuted = !$0.flags.contains(.audio)
      }
      if !$0.isInCall { ($0.isMuted, $0.isSpeaking, $0.hasRaisedHand) = (nil, false, false) }
    }
    guard let after = participants[id] else { return [] }
    switch (before?.isInCall ?? false, after.isInCall) {
    case (false, true): return [.participantJoined(after)]
    case (true, false): return [.participantLeft(after)]
    case (false, false): return []
    case (true, true):
      var events: [CallEvent] = []
      if let name = after.name, name != before?.name { events.append(.participantRenamed(id, name: name)) }
      if let isMuted = after.isMuted, isMuted != before?.isMuted { events.append(.participantMuted(id, isMuted)) }
      return events
    }
  }

  /// The call ended for everybody.
  mutating func endCall() -> [CallEvent] {
    var events: [CallEvent] = []
    for participant in inCall {
      participants[participant.id]?.flags = []
      events.append(.participantLeft(participant))
    }
    return events
  }

  /// Names from the list of the call, which knows sessions of Nextcloud only.
  mutating func name(from peers: [CallPeer]) -> [CallEvent] {
    let names = Dictionary(
      peers.compactMap { peer in peer.sessionId.map { ($0, peer.displayName ?? "") } },
      uniquingKeysWith: { first, _ in first })
    return participants.values.compactMap { participant in
      guard participant.name == nil, let session = participant.nextcloudSession, let name = names[session] else {
        return nil
      }
      return rename(participant.id, to: name)
    }
  }

  /// The people in the call whose name is not known.
  var hasUnnamed: Bool {
    participants.values.contains { $0.isInCall && $0.name == nil && $0.nextcloudSession != nil && !$0.isInternal }
  }

  mutating func rename(_ id: ParticipantID, to name: String) -> CallEvent? {
    let name = String(name.trimmed.prefix(255))
    guard let before = participants[id], !name.isEmpty, before.name != name else { return nil }
    participants[id]?.name = name
    return before.isInCall ? .participantRenamed(id, name: name) : nil
  }

  mutating func setMuted(_ id: ParticipantID, _ isMuted: Bool) -> [CallEvent] {
    guard let before = participants[id], before.isInCall, before.isMuted != isMuted else { return [] }
    participants[id]?.isMuted = isMuted
    return [.participantMuted(id, isMuted)] + (isMuted ? setSpeaking(id, false) : [])
  }

  mutating func setSpeaking(_ id: ParticipantID, _ isSpeaking: Bool) -> [CallEvent] {
    guard let before = participants[id], before.isInCall, before.isSpeaking != isSpeaking else { return [] }
    participants[id]?.isSpeaking = isSpeaking
    return [.participantSpeaking(id, isSpeaking)]
  }

  mutating func setHand(_ id: ParticipantID, raised: Bool) -> [CallEvent] {
    guard let before = participants[id], before.isInCall, before.hasRaisedHand != raised else { return [] }
    participants[id]?.hasRaisedHand = raised
    return [.participantRaisedHand(id, raised)]
  }

  /// The signaling session is lost: whoever is not seen again in the next one has left meanwhile.
  mutating func markStale() { stale = Set(participants.keys) }

  mutating func dropStale() -> [CallEvent] {
    let gone = stale
    stale = []
    return gone.compactMap { remove($0) }
  }

  private mutating func modify(_ id: ParticipantID, _ change: (inout Participant) -> Void) {
    guard participants[id] != nil || participants.count < Self.limit else { return }
    change(&participants[id, default: Participant(id: id)])
  }

  private mutating func remove(_ id: ParticipantID) -> CallEvent? {
    stale.remove(id)
    guard let participant = participants.removeValue(forKey: id), participant.isInCall else { return nil }
    return .participantLeft(participant)
  }
}
