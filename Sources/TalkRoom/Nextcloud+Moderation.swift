internal import TalkProtocol

/// A moderator's doings, and an admin's.
extension Nextcloud {
  /// Changes a conversation's rules; those in it learn what the signaling server would tell them.
  mutating func change(
    _ token: String, time: Int, _ change: (inout HostedConversation) -> Void
  ) -> [RoomNotification] {
    guard var conversation = conversations[token] else { return [] }
    let old = conversation
    change(&conversation)
    conversations[token] = conversation
    var notifications = announcements(old, conversation).map { say($0, nil, in: token, time: time) }
    // Those who know these properties already are not told again.
    notifications.append(.properties(room: token, signalingProperties(conversation)))
    if old.isPublic, !conversation.isPublic {
      // Talk forgets its guests but does not tell the signaling server: they go on until they ask for something.
      participants.removeAll { $0.token == token && !$0.isModerator }
    }
    if conversation.hasLobby, !old.hasLobby {
      for participant in participants
      where participant.token == token && participant.isInCall && !participant.permissions.contains(.ignoreLobby) {
        notifications += setFlags(0, of: participant, time: time)
      }
    }
    if old.guestPermissions != conversation.guestPermissions {
      for index in participants.indices where participants[index].token == token {
        participants[index].givenPermissions = conversation.guestPermissions
      }
      notifications.append(participantsNotification(token, changed: participants.filter { $0.token == token }))
    }
    return notifications
  }

  /// Throws participants out. As Talk, it does not say that they left the call: the signaling server sees that they left.
  mutating func evict(_ token: String, where isMeant: (Participant) -> Bool) -> [RoomNotification] {
    let evicted = participants.filter { $0.token == token && isMeant($0) }
    participants.removeAll { participant in evicted.contains { $0.talkSession == participant.talkSession } }
    if !participants.contains(where: { $0.token == token && $0.isInCall }) { calls[token] = nil }
    return evicted.isEmpty ? [] : [.disinvited(room: token, talkSessions: evicted.map(\.talkSession))]
  }

  mutating func endCall(_ token: String, time: Int) -> [RoomNotification] {
    for index in participants.indices where participants[index].token == token { participants[index].flags = 0 }
    guard calls.removeValue(forKey: token) != nil else { return [] }
    return [say(.callEndedForEveryone, nil, in: token, time: time), .inCallForAll(room: token, flags: 0)]
  }

  /// Makes participants moderators: they may do everything.
  mutating func promote(
    _ token: String, where isMeant: (Participant) -> Bool
  ) -> [RoomNotification] {
    var promoted: [Participant] = []
    for index in participants.indices where participants[index].token == token && isMeant(participants[index]) {
      participants[index].isModerator = true
      promoted.append(participants[index])
    }
    return promoted.isEmpty ? [] : [participantsNotification(token, changed: promoted)]
  }

  /// Tells participants to go on in another conversation. It is up to them to do it.
  func send(_ token: String, to target: String, where isMeant: (Participant) -> Bool) -> [RoomNotification] {
    let sent = participants.filter { $0.token == token && isMeant($0) }
    return sent.isEmpty ? [] : [.switchTo(room: token, target: target, talkSessions: sent.map(\.talkSession))]
  }

  /// Takes everybody out of the call and the conversation, and tells nobody.
  mutating func forget(_ token: String, time: Int) -> [RoomNotification] {
    for participant in participants where participant.token == token && participant.isInCall {
      _ = setFlags(0, of: participant, time: time)
    }
    participants.removeAll { $0.token == token }
    return []
  }

  mutating func delete(_ token: String) -> [RoomNotification] {
    guard conversations.removeValue(forKey: token) != nil else { return [] }
    participants.removeAll { $0.token == token }
    (calls[token], chat[token]) = (nil, nil)
    return [.deleted(room: token)]
  }
}
