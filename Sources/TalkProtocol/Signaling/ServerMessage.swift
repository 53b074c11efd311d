/// What the signaling server says to a client.
public struct ServerMessage: Hashable, Sendable {
  public enum Content: Hashable, Sendable {
    case welcome(ServerDescription)
    case hello(HelloReply)
    case bye(reason: String?)
    /// The answer to entering a room; without an id, the room's properties changed, or we were moved out (empty id).
    case room(RoomState)
    case event(SignalingEvent)
    case message(Relayed<PeerMessage>)
    case control(Relayed<ControlMessage>)
    case error(SignalingError)
    case transient(JSONValue)
    /// A type we do not know, or a known one without what it needs.
    case unknown(type: String, JSONValue)
  }

  /// The id of the message this answers.
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

/// Version and features of a signaling server.
public struct ServerDescription: Codable, Hashable, Sendable {
  @Tolerant public var version: String?
  @Tolerant public var features: [String]?
  @Tolerant public var country: String?

  public init(version: String? = nil, features: [String]? = nil) {
    self.version = version
    self.features = features
    country = nil
  }

  public func has(_ feature: String) -> Bool { features?.contains(feature) ?? false }
}

/// A session is open.
public struct HelloReply: Codable, Hashable, Sendable {
  @Tolerant public var version: String?
  /// Our address in signaling, known to everybody.
  public var sessionid: String
  /// Takes the session up again within 30 s of a lost socket. A secret.
  @Tolerant public var resumeid: String?
  /// Empty for guests.
  @Tolerant public var userid: String?
  @Tolerant public var server: ServerDescription?

  public init(
    version: String, sessionid: String, resumeid: String?, userid: String = "", server: ServerDescription? = nil
  ) {
    self.version = version
    self.sessionid = sessionid
    self.resumeid = resumeid
    self.userid = userid
    self.server = server
  }
}

/// A room and what is said of it.
public struct RoomState: Codable, Hashable, Sendable {
  @Tolerant public var roomid: String?
  @Tolerant public var properties: [String: JSONValue]?

  public init(roomid: String, properties: [String: JSONValue]? = nil) {
    self.roomid = roomid
    self.properties = properties
  }

  /// 0 open, 1 closed to all but moderators; `nil` when not told.
  public var lobbyState: Int? { properties?["lobby-state"]?.int }
}

/// Who sent a message.
public struct Sender: Codable, Hashable, Sendable {
  /// How it was addressed: `session`, `room`, `call` or `user`.
  @Tolerant public var type: String?
  /// Take the peer from here and from nowhere else: the server vouches for it.
  @Tolerant public var sessionid: String?
  @Tolerant public var userid: String?

  public init(session: String, type: String = "session", userid: String? = nil) {
    self.type = type
    sessionid = session
    self.userid = userid
  }
}

/// A message and who sent it.
public struct Relayed<Data: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
  public var sender: Sender
  public var recipient: Recipient?
  public var data: Data

  public init(from sender: Sender, to recipient: Recipient? = nil, _ data: Data) {
    self.sender = sender
    self.recipient = recipient
    self.data = data
  }
}

/// Why the server did not do what was asked.
public struct SignalingError: Codable, Hashable, Sendable {
  public var code: String
  @Tolerant public var message: String?
  @Tolerant public var details: JSONValue?

  public init(code: String, message: String, details: JSONValue? = nil) {
    self.code = code
    self.message = message
    self.details = details
  }
}

extension ServerMessage: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    id = container.tolerant(String.self, forKey: "id")
    let type = try container.decode(String.self, forKey: "type")
    let key = AnyKey(stringValue: type)
    let known: Content? =
      switch type {
      case "welcome": .welcome(container.tolerant(ServerDescription.self, forKey: key) ?? ServerDescription())
      case "hello": container.tolerant(HelloReply.self, forKey: key).map(Content.hello)
      case "bye": .bye(reason: container.tolerant([String: JSONValue].self, forKey: key)?["reason"]?.string)
      case "room": container.tolerant(RoomState.self, forKey: key).map(Content.room)
      case "event": container.tolerant(SignalingEvent.self, forKey: key).map(Content.event)
      case "message": container.tolerant(Relayed<PeerMessage>.self, forKey: key).map(Content.message)
      case "control": container.tolerant(Relayed<ControlMessage>.self, forKey: key).map(Content.control)
      case "error": container.tolerant(SignalingError.self, forKey: key).map(Content.error)
      case "transient": container.tolerant(JSONValue.self, forKey: key).map(Content.transient)
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
    case .welcome(let description): try put("welcome", description)
    case .hello(let hello): try put("hello", hello)
    case .bye(nil): try container.encode("bye", forKey: "type")
    case .bye(let reason?): try put("bye", ["reason": reason])
    case .room(let room): try put("room", room)
    case .event(let event): try put("event", event)
    case .message(let message): try put("message", message)
    case .control(let control): try put("control", control)
    case .error(let error): try put("error", error)
    case .transient(let value): try put("transient", value)
    case .unknown(let type, let value): try put(type, value)
    }
  }
}
