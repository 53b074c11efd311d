internal import FoundationEssentials
internal import TalkProtocol

extension Nextcloud {
  /// The conversation as Talk shows it to a participant, with every key that Talk 21 sends.
  func room(_ conversation: HostedConversation, _ participant: Participant?, time: Int) -> JSONValue {
    let call = calls[conversation.token]
    let flags = participants.filter { $0.token == conversation.token }.reduce(0) { $0 | $1.flags }
    let permissions = participant?.permissions ?? conversation.guestPermissions
    let name = JSONValue.string(conversation.name)
    let lastMessage = chat[conversation.token]?.last
    let room: [String: JSONValue] = [
      "id": 3, "token": .string(conversation.token), "type": 3, "name": name, "displayName": name, "objectType": "",
      "objectId": "", "participantType": participant?.type ?? 4, "participantFlags": .int(participant?.flags ?? 0),
      "readOnly": conversation.isReadOnly ? 1 : 0, "hasPassword": .bool(conversation.password != nil),
      "hasCall": .bool(call != nil), "callStartTime": .int(call?.startedAt ?? 0), "callRecording": 0,
      "canStartCall": .bool(permissions.contains(.startCall)), "lastActivity": .int(time), "lastReadMessage": 0,
      "unreadMessages": 0, "unreadMention": false, "unreadMentionDirect": false, "isFavorite": false,
      "canLeaveConversation": false, "canDeleteConversation": false, "notificationLevel": 3, "notificationCalls": 0,
      "lobbyState": conversation.hasLobby ? 1 : 0, "lobbyTimer": .int(conversation.lobbyOpensAt ?? 0),
      "lastPing": .int(time),
      "sessionId": .string(participant?.talkSession ?? "0"), "sipEnabled": 0,
      "actorType": .string(participant?.actorType ?? "guests"),
      "actorId": .string(participant?.actorID ?? ""), "attendeeId": .int(participant?.attendeeID ?? 0),
      "permissions": .int(permissions.rawValue), "attendeePermissions": 0, "callPermissions": 0,
      "defaultPermissions": 0, "canEnableSIP": false, "attendeePin": "", "description": "", "lastCommonReadMessage": 0,
      "listable": 0, "callFlag": .int(flags), "messageExpiration": 0, "avatarVersion": "f25120e8",
      "isCustomAvatar": false, "breakoutRoomMode": 0, "breakoutRoomStatus": 0,
      "recordingConsent": conversation.requiresRecordingConsent ? 1 : 0, "mentionPermissions": 0, "isArchived": false,
      "isImportant": false, "isSensitive": false, "lastMessage": lastMessage ?? [],
    ]
    guard let remote = conversation.remoteServer else { return .object(room) }
    return JSONValue.object(room).merging(["remoteServer": .string(remote), "remoteToken": "elsewhere1"])
  }

  /// The conversations that a user belongs to.
  func rooms(of user: String, time: Int) -> JSONValue {
    let own = conversations.values.filter { $0.has(user) }.sorted { $0.token < $1.token }
    return .array(
      own.map { conversation in
        let isModerator = conversation.moderators.contains(user)
        return room(conversation, nil, time: time).merging([
          "participantType": isModerator ? 2 : 3, "actorType": "users", "actorId": .string(user),
          "permissions": .int((isModerator ? .moderator : conversation.guestPermissions).rawValue),
        ])
      })
  }

  /// What the signaling server tells those in the room about it.
  func signalingProperties(_ conversation: HostedConversation) -> JSONValue {
    [
      "name": "Private conversation", "type": conversation.isPublic ? 3 : 2,
      "lobby-state": conversation.hasLobby ? 1 : 0, "lobby-timer": nil,
      "read-only": conversation.isReadOnly ? 1 : 0, "listable": 0,
      "active-since": calls[conversation.token].map { Self.date($0.startedAt) } ?? nil, "sip-enabled": 0,
      "description": "",
    ]
  }

  /// What the signaling server asks before it lets a session into a room.
  func admission(_ token: String, talkSession: String) -> Result<SignalingHub.RoomAdmission, SignalingHub.Refusal> {
    guard let conversation = conversations[token], let participant = participant(talkSession: talkSession, in: token)
    else {
      return .failure(.init(code: "no_such_room", message: "The user is not invited to this room."))
    }
    return .success(
      .init(
        properties: signalingProperties(conversation), permissions: Set(participant.signalingPermissions)))
  }

  /// A time as PHP writes it.
  static func date(_ time: Int) -> JSONValue {
    let style = Date.ISO8601FormatStyle().year().month().day().dateTimeSeparator(.space)
      .time(includingFractionalSeconds: false)
    let text = Date(timeIntervalSince1970: Double(time)).formatted(style)
    return ["date": .string(text + ".000000"), "timezone_type": 3, "timezone": "UTC"]
  }
}
