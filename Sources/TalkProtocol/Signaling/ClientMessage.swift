/// What a client says to the signaling server.
public struct ClientMessage: Hashable, Sendable {
  public enum Content: Hashable, Sendable {
    case hello(HelloRequest)
    case bye
    case room(RoomRequest)
    case message(Addressed<PeerMessage>)
    case control(Addressed<ControlMessage>)
    case transient(JSONValue)
    case `internal`(JSONValue)
    /// A type we do not know, or a known one without what it needs.
    case unknown(type: String, JSONValue)
  }

  /// Comes back in the answer, or in an error.
  public var id: String?
  public var content: Content

  public init(id: String? = nil, _ content: Content) {
    self.id = id
    self.content = content
  }

  /// Understands a text frame; throws when it is no JSON object with a type.
  public init(text: String) throws { self = try JSONCoding.decode(Self.self, from: text) }

  /// The text frame to send.
  public var text: String { JSONCoding.text(self) }
}

/// Opens a session, or takes one up again.
public struct HelloRequest: Codable, Hashable, Sendable {
  public struct Authentication: Codable, Hashable, Sendable {
    /// `nil` is an ordinary client.
    @Tolerant public var type: String?
    @Tolerant public var url: String?
    @Tolerant public var params: SignalingSettings.HelloParameters?

    public init(url: String, params: SignalingSettings.HelloParameters) {
      type = nil
      self.url = url
      self.params = params
    }
  }

  @Tolerant public var version: String?
  @Tolerant public var resumeid: String?
  @Tolerant public var features: [String]?
  @Tolerant public var auth: Authentication?

  public init(version: String, auth: Authentication) {
    self.version = version
    self.auth = auth
    (resumeid, features) = (nil, nil)
  }

  public init(version: String, resuming resumeid: String) {
    self.version = version
    self.resumeid = resumeid
    (auth, features) = (nil, nil)
  }
}

/// Enters a room, or leaves it (empty `roomid`).
public struct RoomRequest: Codable, Hashable, Sendable {
  public var roomid: String
  /// The session in Nextcloud. Without it the server cannot tell who is in the call.
  @Tolerant public var sessionid: String?
  @Tolerant public var federation: [String: JSONValue]?

  public init(roomid: String, sessionid: String?) {
    self.roomid = roomid
    self.sessionid = sessionid
    federation = nil
  }
}

/// Whom a message is for.
public enum Recipient: Hashable, Sendable {
  case session(String)
  case user(String)
  case room
  /// Everybody in the call; needs the server's feature `recipient-call`.
  case call
  case unknown(type: String)
}

/// A message and whom it is for.
public struct Addressed<Data: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
  public var recipient: Recipient
  public var data: Data

  public init(to recipient: Recipient, _ data: Data) {
    self.recipient = recipient
    self.data = data
  }
}

extension Recipient: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    let type = container.tolerant(String.self, forKey: "type") ?? ""
    switch type {
    case "session": self = .session(container.tolerant(String.self, forKey: "sessionid") ?? "")
    case "user": self = .user(container.tolerant(String.self, forKey: "userid") ?? "")
    case "room": self = .room
    case "call": self = .call
    default: self = .unknown(type: type)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: AnyKey.self)
    switch self {
    case .session(let id):
      try container.encode("session", forKey: "type")
      try container.encode(id, forKey: "sessionid")
    case .user(let id):
      try container.encode("user", forKey: "type")
      try container.encode(id, forKey: "userid")
    case .room: try container.encode("room", forKey: "type")
    case .call: try container.encode("call", forKey: "type")
    case .unknown(let type): try container.encode(type, forKey: "type")
    }
  }
}

extension ClientMessage: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    id = container.tolerant(String.self, forKey: "id")
    let type = try container.decode(String.self, forKey: "type")
    let key = AnyKey(stringValue: type)
    let known: Content? =
      switch type {
      case "hello": container.tolerant(HelloRequest.self, forKey: key).map(Content.hello)
      case "bye": .bye
      case "room": container.tolerant(RoomRequest.self, forKey: key).map(Content.room)
      case "message": container.tolerant(Addressed<PeerMessage>.self, forKey: key).map(Content.message)
      case "control": container.tolerant(Addressed<ControlMessage>.self, forKey: key).map(Content.control)
      case "transient": container.tolerant(JSONValue.self, forKey: key).map(Content.transient)
      case "internal": container.tolerant(JSONValue.self, forKey: key).map(Content.internal)
      default: nil
      }
    content = known ?? .unknown(type: type, container.tolerant(JSONValue.self, forKey: key) ?? .null)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: AnyKey.self)
    try container.encodeIfPresent(id, forKey: "id")
    func put(_ type: String, _ payload: some Encodable) throws {
      try container.encode(type, forKey: "type")
      try container.encode(payload, forKey: AnyKey(stringValue: type))
    }
    switch content {
    case .hello(let hello): try put("hello", hello)
    case .bye: try put("bye", [String: String]())
    case .room(let room): try put("room", room)
    case .message(let message): try put("message", message)
    case .control(let control): try put("control", control)
    case .transient(let value): try put("transient", value)
    case .internal(let value): try put("internal", value)
    case .unknown(let type, let value): try put(type, value)
    }
  }
}
