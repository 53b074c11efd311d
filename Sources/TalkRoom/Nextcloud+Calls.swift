internal import TalkProtocol

/// Who is in a call, and what the others are told of it.
extension Nextcloud {
  mutating func call(
    _ token: String, _ request: Request, _ phpSession: String, time: Int
  ) -> (reply: Reply, notifications: [RoomNotification]) {
    guard let conversation = conversations[token], let participant = participant(phpSession, token) else {
      return (failure(404), [])
    }
    if request.method == "GET" {
      let peers = participants.filter { $0.token == token && $0.isInCall }
      return (
        ok(
          .array(
            peers.map { peer in
              [
                "actorType": .string(peer.actorType), "actorId": .string(peer.actorID),
                "displayName": .string(peer.displayName),
                "token": .string(token), "lastPing": .int(time), "sessionId": .string(peer.talkSession),
              ]
            })), []
      )
    }
    if request.method == "DELETE" {
      if request.query["all"] == "true", participant.isModerator { return (ok(.null), endCall(token, time: time)) }
      // Also where it is in no call: then the others are told once more that it is not.
      return (ok(.null), setFlags(0, of: participant, time: time))
    }
    guard ["POST", "PUT"].contains(request.method) else { return (failure(405), []) }
    guard !conversation.isReadOnly, conversation.allowsCalls else { return (failure(403), []) }
    guard !conversation.hasLobby || participant.permissions.contains(.ignoreLobby) else { return (failure(412), []) }
    var flags = request.body["flags"].int ?? 7
    if !participant.permissions.contains(.publishAudio) { flags &= ~2 }
    if !participant.permissions.contains(.publishVideo) { flags &= ~4 }
    if request.method == "PUT" {
      guard flags & 1 != 0, participant.isInCall else { return (failure(400), []) }
    } else {
      if conversation.requiresRecordingConsent, request.body["recordingConsent"].bool != true {
        return (failure(400, data: ["error": "consent"]), [])
      }
      if calls[token] == nil, !participant.permissions.contains(.startCall) { return (failure(403), []) }
    }
    return (ok(.null), setFlags(flags, of: participant, time: time))
  }

  mutating func setFlags(_ flags: Int, of participant: Participant, time: Int) -> [RoomNotification] {
    let token = participant.token
    guard let index = participants.firstIndex(where: { $0.talkSession == participant.talkSession }) else { return [] }
    participants[index].flags = flags
    let inCall = participants.filter { $0.token == token && $0.isInCall }
    var notifications: [RoomNotification] = []
    if flags & 1 != 0, calls[token] == nil {
      calls[token] = Call(startedAt: time)
      notifications.append(say(.callStarted, participant, time: time))
    } else if flags & 1 != 0, !participant.isInCall {
      notifications.append(say(.callJoined, participant, time: time))
    } else if flags & 1 == 0, participant.isInCall {
      notifications.append(say(.callLeft, participant, time: time))
    }
    notifications.append(
      .inCall(
        room: token, changed: [entry(participants[index], time: time)],
        users: inCall.map { entry($0, time: time) }))
    if inCall.isEmpty, calls.removeValue(forKey: token) != nil {
      notifications.append(say(.callEnded, participant, time: time))
    }
    return notifications
  }

  private func entry(_ participant: Participant, time: Int) -> JSONValue {
    [
      "inCall": .int(participant.flags), "lastPing": .int(time), "sessionId": .string(participant.talkSession),
      "nextcloudSessionId": .string(participant.talkSession),
      "participantPermissions": .int(participant.permissions.rawValue), "participantType": participant.type,
      "actorType": .string(participant.actorType), "actorId": .string(participant.actorID),
    ]
  }

  func participantsNotification(_ token: String, changed: [Participant]) -> RoomNotification {
    func named(_ participant: Participant) -> JSONValue {
      var members = entry(participant, time: 0).object ?? [:]
      members["nextcloudSessionId"] = nil
      members["displayName"] = .string(participant.displayName)
      members["permissions"] = .array(participant.signalingPermissions.map { .string($0) })
      return .object(members)
    }
    return .participants(
      room: token, changed: changed.map(named), users: participants.filter { $0.token == token }.map(named))
  }
}
