internal import TalkProtocol

extension Nextcloud {
  private static let longestMessage = 32_000
  private static let mostMessages = 10_000

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
      let message: JSONValue = [
        "id": .int(nextMessage), "token": .string(token), "actorType": "guests",
        "actorId": .string(participant.actorID), "actorDisplayName": .string(name), "timestamp": .int(time),
        "message": .string(text), "messageParameters": [], "systemMessage": "", "messageType": "comment",
        "isReplyable": true, "referenceId": .string(request.body["referenceId"].string ?? ""), "reactions": [:],
        "expirationTimestamp": 0, "markdown": true,
      ]
      nextMessage += 1
      chat[token, default: []].append(message)
      if chat[token]!.count > Self.mostMessages { chat[token]!.removeFirst() }
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
