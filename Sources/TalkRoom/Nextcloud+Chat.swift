internal import TalkProtocol

extension Nextcloud {
  private static let longestMessage = 32_000
  private static let mostMessages = 10_000

  /// What Talk itself says in the chat: the name of the message, and its English text.
  enum Announcement: String {
    case callStarted = "call_started"
    case callJoined = "call_joined"
    case callLeft = "call_left"
    case callEnded = "call_ended"
    case renamed = "conversation_renamed"
    case lobbyOpened = "lobby_none"
    case lobbyClosed = "lobby_non_moderators"
    case madeReadOnly = "read_only"
    case madeWritable = "read_only_off"
    case guestsAllowed = "guests_allowed"
    case guestsDisallowed = "guests_disallowed"

    var text: JSONValue {
      switch self {
      case .callStarted: "{actor} started a call"
      case .callJoined: "{actor} joined the call"
      case .callLeft: "{actor} left the call"
      case .callEnded: "Call ended"
      case .renamed: "An administrator renamed the conversation"
      case .lobbyOpened: "An administrator opened the conversation to everyone"
      case .lobbyClosed: "An administrator restricted the conversation to moderators"
      case .madeReadOnly: "An administrator locked the conversation"
      case .madeWritable: "An administrator unlocked the conversation"
      case .guestsAllowed: "An administrator allowed guests"
      case .guestsDisallowed: "An administrator disallowed guests"
      }
    }
  }

  /// What Talk says when a conversation's rules change.
  func announcements(_ old: HostedConversation, _ new: HostedConversation) -> [Announcement] {
    var announcements: [Announcement] = []
    if old.name != new.name { announcements.append(.renamed) }
    if old.hasLobby != new.hasLobby { announcements.append(new.hasLobby ? .lobbyClosed : .lobbyOpened) }
    if old.isReadOnly != new.isReadOnly { announcements.append(new.isReadOnly ? .madeReadOnly : .madeWritable) }
    if old.isPublic != new.isPublic { announcements.append(new.isPublic ? .guestsAllowed : .guestsDisallowed) }
    return announcements
  }

  /// The hint by which clients learn that there is something new in the chat.
  private static let chatHint: JSONValue = ["type": "chat", "chat": ["refresh": true]]

  mutating func say(
    _ announcement: Announcement, _ actor: Participant, time: Int
  ) -> RoomNotification {
    say(announcement, actor, in: actor.token, time: time)
  }

  /// Puts an announcement into the chat; without an actor it is the installation's own.
  mutating func say(
    _ announcement: Announcement, _ actor: Participant?, in token: String, time: Int
  ) -> RoomNotification {
    let id: JSONValue = .string("guest/" + (actor?.actorID ?? "cli"))
    let name = actor?.displayName ?? ""
    post(
      [
        "token": .string(token), "actorType": "guests", "actorId": .string(actor?.actorID ?? "cli"),
        "actorDisplayName": .string(name), "timestamp": .int(time), "message": announcement.text,
        "messageParameters": [
          "actor": ["type": "guest", "id": id, "name": .string(name + " (guest)"), "mention-id": id]
        ],
        "systemMessage": .string(announcement.rawValue), "messageType": "system", "isReplyable": false,
        "referenceId": "", "reactions": [:], "expirationTimestamp": 0, "markdown": false,
      ], to: token)
    return .message(room: token, data: Self.chatHint)
  }

  @discardableResult
  private mutating func post(_ message: JSONValue, to token: String) -> JSONValue {
    let numbered = message.merging(["id": .int(nextMessage)])
    nextMessage += 1
    chat[token, default: []].append(numbered)
    if chat[token]!.count > Self.mostMessages { chat[token]!.removeFirst() }
    return numbered
  }

  mutating func chat(
    _ token: String, _ request: Request, _ phpSession: String, time: Int
  ) -> (reply: Reply, notifications: [RoomNotification]) {
    guard let conversation = conversations[token], let participant = participant(phpSession, token) else {
      return (failure(404), [])
    }
    guard !conversation.hasLobby || participant.permissions.contains(.ignoreLobby) else { return (failure(412), []) }
    switch request.method {
    case "POST":
      guard !conversation.isReadOnly, participant.permissions.contains(.chat) else { return (failure(403), []) }
      let text = request.body["message"].string ?? ""
      guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
        return (failure(400, data: ["error": "message"]), [])
      }
      guard text.unicodeScalars.count <= Self.longestMessage else {
        return (failure(413, data: ["error": "message"]), [])
      }
      let name = request.body["actorDisplayName"].string ?? participant.displayName
      let message = post(
        [
          "token": .string(token), "actorType": "guests",
          "actorId": .string(participant.actorID), "actorDisplayName": .string(name), "timestamp": .int(time),
          "message": .string(text), "messageParameters": [], "systemMessage": "", "messageType": "comment",
          "isReplyable": true, "referenceId": .string(request.body["referenceId"].string ?? ""), "reactions": [:],
          "expirationTimestamp": 0, "markdown": true,
        ], to: token)
      return (
        ok(message, status: 201, headers: ["X-Chat-Last-Common-Read": "0"]),
        [.message(room: token, data: Self.chatHint)]
      )
    case "GET":
      let last = Int(request.query["lastKnownMessageId"] ?? "") ?? 0
      let limit = min(max(Int(request.query["limit"] ?? "") ?? 100, 1), 200)
      let messages = chat[token] ?? []
      let isPoll = request.query["lookIntoFuture"] == "1"
      let found =
        isPoll
        ? messages.filter { ($0["id"].int ?? 0) > last }.prefix(limit).map { $0 }
        : messages.reversed().filter { last == 0 || ($0["id"].int ?? 0) < last }.prefix(limit).map { $0 }
      guard !found.isEmpty else {
        let wait = min(max(Int(request.query["timeout"] ?? "") ?? 30, 0), 30)
        var reply = Reply(status: 304, body: nil)
        if isPoll, wait > 0 { reply.waitsForChat = .seconds(wait) }
        return (reply, [])
      }
      let given = found.last?["id"].int ?? 0
      return (
        ok(
          .array(found),
          headers: ["X-Chat-Last-Given": String(given), "X-Chat-Last-Common-Read": "0"]), []
      )
    default: return (failure(405), [])
    }
  }
}
