internal import TalkProtocol

extension Nextcloud {
  private static let longestMessage = 32_000
  private static let mostMessages = 50_000

  /// What Talk itself says in the chat: the name of the message, and its English text.
  enum Announcement: String {
    case callStarted = "call_started"
    case callJoined = "call_joined"
    case callLeft = "call_left"
    case callEnded = "call_ended"
    case callEndedForEveryone = "call_ended_everyone"
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
      case .callEnded, .callEndedForEveryone: "Call ended"
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

  /// Puts a message into the chat under the next id.
  @discardableResult
  private mutating func post(_ message: JSONValue, to token: String, about parent: Int? = nil) -> JSONValue {
    let id = nextMessage
    nextMessage += 1
    chat[token, default: []].append(message.merging(["id": .int(id)]))
    parents[id] = parent
    if chat[token]!.count > Self.mostMessages {
      let oldest = chat[token]!.removeFirst()["id"].int ?? 0
      (parents[oldest], reactors[oldest]) = (nil, nil)
    }
    return shown(chat[token]!.last!, in: token)
  }

  /// A message as a client sees it: with the one that it is about, as that is now.
  private func shown(_ message: JSONValue, in token: String) -> JSONValue {
    guard let parent = message["id"].int.flatMap({ parents[$0] }) else { return message }
    guard let index = index(of: parent, in: token) else {
      return message.merging(["parent": ["id": .int(parent), "deleted": true]])
    }
    return message.merging(["parent": chat[token]![index]])
  }

  private func index(of id: Int, in token: String) -> Int? {
    let messages = chat[token] ?? []
    let place = Self.place(of: id, in: messages)
    return place < messages.count && messages[place]["id"].int == id ? place : nil
  }

  /// Where the first message is whose id is not below `id`.
  private static func place(of id: Int, in messages: [JSONValue]) -> Int {
    var (low, high) = (0, messages.count)
    while low < high {
      let middle = (low + high) / 2
      if messages[middle]["id"].int ?? 0 < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func comment(
    _ text: String, by actor: Participant, name: String, time: Int, reference: String = ""
  ) -> [String: JSONValue] {
    [
      "token": .string(actor.token), "actorType": .string(actor.actorType), "actorId": .string(actor.actorID),
      "actorDisplayName": .string(name), "timestamp": .int(time), "message": .string(text), "messageParameters": [],
      "systemMessage": "", "messageType": "comment", "isReplyable": true, "referenceId": .string(reference),
      "reactions": [:], "expirationTimestamp": 0, "markdown": true,
    ]
  }

  /// What Talk says when something was done to a message.
  private func notice(_ kind: String, _ text: String, by actor: Participant, time: Int) -> JSONValue {
    let id = JSONValue.string("guest/" + actor.actorID)
    return .object(comment(text, by: actor, name: actor.displayName, time: time)).merging([
      "messageParameters": [
        "actor": [
          "type": "guest", "id": id, "name": .string(actor.displayName + " (guest)"), "mention-id": id,
        ]
      ],
      "systemMessage": .string(kind), "messageType": "system", "isReplyable": false, "markdown": false,
    ])
  }

  // MARK: Requests

  /// `chat/TOKEN`, `chat/TOKEN/ID` and `reaction/TOKEN/ID`; `message` is the id.
  mutating func chat(
    _ token: String, _ request: Request, _ phpSession: String, time: Int, message: Int? = nil,
    isReaction: Bool = false
  ) -> (reply: Reply, notifications: [RoomNotification]) {
    guard let conversation = conversations[token], let participant = participant(phpSession, token) else {
      return (failure(404), [])
    }
    guard !conversation.hasLobby || participant.permissions.contains(.ignoreLobby) else { return (failure(412), []) }
    if request.method == "GET", message == nil { return (read(token, request), []) }
    guard !conversation.isReadOnly, participant.permissions.contains(.chat) else { return (failure(403), []) }
    let reply: Reply
    switch (request.method, message) {
    case ("POST", nil): reply = send(request, by: participant, time: time)
    case ("POST", .some(let id)) where isReaction:
      reply = react(to: id, with: request.body["reaction"].string ?? "", by: participant, time: time)
    case ("PUT", .some(let id)):
      reply = edit(id, to: request.body["message"].string ?? "", by: participant, time: time)
    case ("DELETE", .some(let id)) where !isReaction: reply = delete(id, by: participant, time: time)
    default: return (failure(405), [])
    }
    let isDone = (200..<300).contains(reply.status)
    return (reply, isDone ? [.message(room: token, data: Self.chatHint)] : [])
  }

  /// Why Talk refuses a text; nil where it takes it.
  private func refusal(of text: String) -> Reply? {
    guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
      return failure(400, data: ["error": "message"])
    }
    return text.unicodeScalars.count > Self.longestMessage ? failure(413, data: ["error": "message"]) : nil
  }

  private mutating func send(_ request: Request, by actor: Participant, time: Int) -> Reply {
    let text = request.body["message"].string ?? ""
    if let refusal = refusal(of: text) { return refusal }
    let parent = request.body["replyTo"].int.flatMap { $0 > 0 ? $0 : nil }
    if let parent {
      guard let index = index(of: parent, in: actor.token), chat[actor.token]![index]["isReplyable"] == true else {
        return failure(400, data: ["error": "reply-to"])
      }
    }
    var message = comment(
      text, by: actor,
      name: actor.userID == nil ? request.body["actorDisplayName"].string ?? actor.displayName : actor.displayName,
      time: time, reference: request.body["referenceId"].string ?? "")
    if request.body["silent"].bool == true { message["silent"] = true }
    return ok(
      post(.object(message), to: actor.token, about: parent), status: 201,
      headers: ["X-Chat-Last-Common-Read": "0"])
  }

  private func read(_ token: String, _ request: Request) -> Reply {
    let last = Int(request.query["lastKnownMessageId"] ?? "") ?? 0
    let limit = min(max(Int(request.query["limit"] ?? "") ?? 100, 1), 200)
    let messages = chat[token] ?? []
    let isPoll = request.query["lookIntoFuture"] == "1"
    let found: [JSONValue]
    if isPoll {
      found = Array(messages[Self.place(of: last &+ 1, in: messages)...].prefix(limit))
    } else {
      let end = last == 0 ? messages.count : Self.place(of: last, in: messages)
      found = messages[..<end].suffix(limit).reversed()
    }
    guard !found.isEmpty else {
      let wait = min(max(Int(request.query["timeout"] ?? "") ?? 30, 0), 30)
      var reply = Reply(status: 304, body: nil)
      if isPoll, wait > 0 { reply.waitsForChat = .seconds(wait) }
      return reply
    }
    return ok(
      .array(found.map { shown($0, in: token) }),
      headers: ["X-Chat-Last-Given": String(found.last?["id"].int ?? 0), "X-Chat-Last-Common-Read": "0"])
  }

  /// The place of a person's message that `actor` may change.
  private func changeable(_ id: Int, by actor: Participant) -> Result<Int, Refusal> {
    guard let index = index(of: id, in: actor.token) else { return .failure(.init(status: 404)) }
    let message = chat[actor.token]![index]
    guard message["messageType"] == "comment" else { return .failure(.init(status: 405)) }
    guard actor.isModerator || message["actorId"].string == actor.actorID else { return .failure(.init(status: 403)) }
    return .success(index)
  }

  private struct Refusal: Error { let status: Int }

  private mutating func edit(_ id: Int, to text: String, by actor: Participant, time: Int) -> Reply {
    if let refusal = refusal(of: text) { return refusal }
    switch changeable(id, by: actor) {
    case .failure(let refusal): return failure(refusal.status)
    case .success(let index):
      chat[actor.token]![index] = chat[actor.token]![index].merging([
        "message": .string(text), "lastEditActorType": .string(actor.actorType),
        "lastEditActorId": .string(actor.actorID),
        "lastEditActorDisplayName": .string(actor.displayName), "lastEditTimestamp": .int(time),
      ])
      let notice = notice("message_edited", "{actor} edited a message", by: actor, time: time)
      return ok(post(notice, to: actor.token, about: id))
    }
  }

  private mutating func delete(_ id: Int, by actor: Participant, time: Int) -> Reply {
    switch changeable(id, by: actor) {
    case .failure(let refusal): return failure(refusal.status)
    case .success(let index):
      chat[actor.token]![index] = chat[actor.token]![index].merging([
        "message": "Message deleted by author", "messageType": "comment_deleted", "isReplyable": false,
      ])
      let notice = notice("message_deleted", "{actor} deleted a message", by: actor, time: time)
      return ok(post(notice, to: actor.token, about: id))
    }
  }

  private mutating func react(to id: Int, with emoji: String, by actor: Participant, time: Int) -> Reply {
    guard let index = index(of: id, in: actor.token), chat[actor.token]![index]["messageType"] == "comment" else {
      return failure(404)
    }
    guard !emoji.isEmpty, emoji.count == 1, emoji.unicodeScalars.contains(where: \.properties.isEmoji) else {
      return failure(400)
    }
    let isNew = reactors[id, default: [:]][emoji, default: []].insert(actor.actorID).inserted
    chat[actor.token]![index] = chat[actor.token]![index].merging([
      "reactions": .object(reactors[id]!.mapValues { .int($0.count) })
    ])
    if isNew { post(notice("reaction", emoji, by: actor, time: time), to: actor.token, about: id) }
    let who: JSONValue = [
      "actorType": .string(actor.actorType), "actorId": .string(actor.actorID),
      "actorDisplayName": .string(actor.displayName), "timestamp": .int(time),
    ]
    return ok(.object([emoji: .array([who])]), status: isNew ? 201 : 200)
  }

  /// Puts messages of a guest that is not there into the chat.
  mutating func write(_ texts: [String], as name: String, in token: String, time: Int) -> [RoomNotification] {
    guard conversations[token] != nil, !texts.isEmpty else { return [] }
    let writer = Participant(
      phpSession: "", token: token, actorID: "writer", attendeeID: 0, displayName: name, talkSession: "",
      givenPermissions: .guestDefault)
    for text in texts { post(.object(comment(text, by: writer, name: name, time: time)), to: token) }
    return [.message(room: token, data: Self.chatHint)]
  }
}
