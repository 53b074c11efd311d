/// What a chat asks of the server. Holds no secret: the conversation's password is added on the way out.
public enum ChatRequest: Hashable, Sendable {
  case readCapabilities
  /// Become a participant; a session in the cookies is renewed.
  case join
  case setName(String)
  case send(ChatDraft)
  /// The newest messages with ids below `before` (0: the newest of all), newest first.
  case history(before: Int, limit: Int)
  /// The oldest messages with ids above `after`, oldest first; where there is none, wait for one, at most 30 s.
  case messages(after: Int, wait: Duration, limit: Int = ChatRequest.largestPage)
  case edit(id: Int, text: String)
  case delete(id: Int)
  case react(id: Int, emoji: String)
  case leave

  /// As many messages as a server gives at a time.
  public static let largestPage = 200
  /// As long as a server holds back an answer.
  public static let longestWait: Duration = .seconds(30)

  /// The request over HTTP. `number` names it; `password` is the conversation's.
  public func httpRequest(
    at address: ConversationAddress, number: Int, password: String? = nil
  ) -> HTTPRequest {
    let chat = address.talkURL("v1/chat/\(address.token)")
    let membership = address.talkURL("v4/room/\(address.token)/participants/active")
    func request(
      _ purpose: HTTPRequest.Purpose, _ method: HTTPRequest.Method, _ url: String, _ body: JSONValue? = nil,
      timeout: Duration = .seconds(60)
    ) -> HTTPRequest {
      HTTPRequest(
        id: RequestID(number: number), purpose: purpose, method: method, url: url,
        body: body.map { JSONCoding.encode($0) }, timeout: timeout)
    }
    switch self {
    case .readCapabilities:
      return request(.readCapabilities, .get, address.ocsURL("cloud/capabilities"), timeout: .seconds(20))
    case .join:
      var body: [String: JSONValue] = ["force": true]
      if let password { body["password"] = .string(password) }
      return request(.joinConversation, .post, membership, .object(body))
    case .setName(let name):
      return request(
        .setGuestName, .post, address.talkURL("v1/guest/\(address.token)/name"), ["displayName": .string(name)])
    case .send(let draft): return request(.sendMessage, .post, chat, draft.body, timeout: .seconds(30))
    case .history(let before, let limit):
      return request(
        .readChat, .get,
        chat + "?lookIntoFuture=0&limit=\(limit)&lastKnownMessageId=\(before)&setReadMarker=0&noStatusUpdate=1")
    case .messages(let after, let wait, let limit):
      let seconds = Int(min(wait, Self.longestWait).components.seconds)
      return request(
        seconds == 0 ? .readChat : .awaitChat, .get,
        chat + "?lookIntoFuture=1&limit=\(limit)&lastKnownMessageId=\(after)&timeout=\(seconds)"
          + "&setReadMarker=0&noStatusUpdate=1",
        // A connection that died in silence is noticed this much later than the server's own patience.
        timeout: .seconds(seconds + 15))
    case .edit(let id, let text): return request(.editMessage, .put, chat + "/\(id)", ["message": .string(text)])
    case .delete(let id): return request(.deleteMessage, .delete, chat + "/\(id)")
    case .react(let id, let emoji):
      return request(
        .reactToMessage, .post, address.talkURL("v1/reaction/\(address.token)/\(id)"), ["reaction": .string(emoji)])
    case .leave: return request(.leaveConversation, .delete, membership, timeout: .seconds(5))
    }
  }
}

/// A message that is to be sent.
public struct ChatDraft: Hashable, Sendable {
  public var text: String
  /// The message that it answers.
  public var replyTo: Int?
  /// Without notifications.
  public var isSilent: Bool
  /// Unique and random (64 hexadecimal digits), for the server does not keep a message from being stored twice: it is how
  /// the message is found again after its answer was lost.
  public var referenceID: String
  /// The guest's name.
  public var displayName: String?

  public init(
    text: String, replyTo: Int? = nil, isSilent: Bool = false, referenceID: String, displayName: String? = nil
  ) {
    self.text = text
    self.replyTo = replyTo
    self.isSilent = isSilent
    self.referenceID = referenceID
    self.displayName = displayName
  }

  /// How long a message is for the server: in Unicode scalars, without the blanks at its ends, which it does not keep.
  public static func length(of text: String) -> Int {
    func isBlank(_ scalar: Unicode.Scalar) -> Bool { [" ", "\t", "\n", "\r", "\0", "\u{0B}"].contains(scalar) }
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isBlank($0) }), let last = scalars.lastIndex(where: { !isBlank($0) })
    else { return 0 }
    return scalars[first...last].count
  }

  /// 64 hexadecimal digits.
  public static func referenceID(using random: inout some RandomNumberGenerator) -> String {
    let digits = Array("0123456789abcdef")
    return String((0..<64).map { _ in digits[Int.random(in: 0..<16, using: &random)] })
  }

  fileprivate var body: JSONValue {
    var body: [String: JSONValue] = ["message": .string(text), "referenceId": .string(referenceID)]
    if let replyTo { body["replyTo"] = .number(Double(replyTo)) }
    if isSilent { body["silent"] = true }
    if let displayName { body["actorDisplayName"] = .string(displayName) }
    return .object(body)
  }
}

/// A page of messages, as the server gave it.
public struct ChatPage: Hashable, Sendable {
  /// In the server's order.
  public var messages: [ChatMessage]
  /// Where the next page begins: at or beyond the last message, for there may be some that we are not shown.
  public var lastGiven: Int?

  /// Nothing at all: the server answered 304.
  public static let end = ChatPage(messages: [], lastGiven: nil)

  public init(messages: [ChatMessage], lastGiven: Int?) {
    self.messages = messages
    self.lastGiven = lastGiven
  }

  /// Understands an answer; nil where it is no page.
  public init?(_ reply: HTTPReply) {
    if reply.status == 304 {
      self = .end
    } else if reply.status == 200, let messages = try? OCSEnvelope<[ChatMessage]>(body: reply.body).data {
      self.init(messages: messages.filter { ($0.id ?? 0) > 0 }, lastGiven: reply.lastGiven)
    } else {
      return nil
    }
  }
}
