/// What one participant says to another through the signaling server, or to the media server in another's name.
public struct PeerMessage: Hashable, Sendable {
  public enum Content: Hashable, Sendable {
    case offer(SessionDescriptionPayload)
    case answer(SessionDescriptionPayload)
    case candidate(ICECandidatePayload)
    case endOfCandidates
    /// Asks the media server for an offer of the recipient's stream; with a `sid`, for a new offer to a living one.
    case requestOffer
    /// Has the media server offer our stream to the recipient (screens).
    case sendOffer
    case selectStream(JSONValue)
    case mute(Medium)
    case unmute(Medium)
    case nickChanged(name: String)
    /// `timestamp` in milliseconds since 1970.
    case raiseHand(state: Bool, timestamp: Int?)
    case reaction(String)
    case startedTyping
    case stoppedTyping
    case unshareScreen
    case unknown(type: String, JSONValue)
  }

  public enum Medium: String, Hashable, Sendable, Codable {
    case audio, video
  }

  public var to: String?
  /// Not to be trusted: the sender is in the envelope.
  public var from: String?
  /// Names one peer connection. The media server chooses it for subscribers, the client for its publisher.
  public var sid: String?
  /// `video` is camera and microphone, `screen` a shared screen.
  public var roomType: String?
  public var content: Content

  public init(
    _ content: Content, to: String? = nil, from: String? = nil, sid: String? = nil, roomType: String? = "video"
  ) {
    self.content = content
    self.to = to
    self.from = from
    self.sid = sid
    self.roomType = roomType
  }

  /// Whether it is about a shared screen.
  public var isAboutScreen: Bool { roomType == "screen" }
}

/// An offer or answer.
public struct SessionDescriptionPayload: Codable, Hashable, Sendable {
  @Tolerant public var type: String?
  public var sdp: String
  /// The sender's name.
  @Tolerant public var nick: String?

  public init(type: String, sdp: String, nick: String? = nil) {
    self.type = type
    self.sdp = sdp
    self.nick = nick
  }
}

/// A trickled candidate, as browsers write it.
public struct ICECandidatePayload: Codable, Hashable, Sendable {
  /// `candidate:…` (RFC 8839, section 5.1).
  public var candidate: String
  @Tolerant public var sdpMid: String?
  @Tolerant public var sdpMLineIndex: Int?
  @Tolerant public var usernameFragment: String?

  public init(candidate: String, sdpMid: String? = nil, sdpMLineIndex: Int? = nil) {
    self.candidate = candidate
    self.sdpMid = sdpMid
    self.sdpMLineIndex = sdpMLineIndex
    usernameFragment = nil
  }
}

/// What a moderator orders.
public enum ControlMessage: Hashable, Sendable {
  /// Turn the microphone of the session `peer` off.
  case forceMute(peer: String)
  case unknown(JSONValue)
}

extension PeerMessage: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    to = container.tolerant(String.self, forKey: "to")
    from = container.tolerant(String.self, forKey: "from")
    sid = container.tolerant(String.self, forKey: "sid")
    roomType = container.tolerant(String.self, forKey: "roomType")
    let type = container.tolerant(String.self, forKey: "type") ?? ""
    let payload = container.tolerant(JSONValue.self, forKey: "payload") ?? .null
    func description() -> SessionDescriptionPayload? {
      container.tolerant(SessionDescriptionPayload.self, forKey: "payload")
    }
    let medium = payload["name"].string.flatMap(Medium.init)
    let known: Content? =
      switch type {
      case "offer": description().map(Content.offer)
      case "answer": description().map(Content.answer)
      case "candidate":
        container.tolerant([String: ICECandidatePayload].self, forKey: "payload")?["candidate"].map(Content.candidate)
      case "endOfCandidates": .endOfCandidates
      case "requestoffer": .requestOffer
      case "sendoffer": .sendOffer
      case "selectStream": .selectStream(payload)
      case "mute": medium.map(Content.mute)
      case "unmute": medium.map(Content.unmute)
      case "nickChanged": payload["name"].string.map(Content.nickChanged)
      case "raiseHand":
        container.tolerant(HandPayload.self, forKey: "payload").map {
          .raiseHand(state: $0.state ?? false, timestamp: $0.timestamp)
        }
      case "reaction": payload["reaction"].string.map(Content.reaction)
      case "startedTyping": .startedTyping
      case "stoppedTyping": .stoppedTyping
      case "unshareScreen": .unshareScreen
      default: nil
      }
    content = known ?? .unknown(type: type, payload)
  }

  private struct HandPayload: Codable, Hashable, Sendable {
    @Tolerant var state: Bool?
    @Tolerant var timestamp: Int?
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: AnyKey.self)
    try container.encodeIfPresent(to, forKey: "to")
    try container.encodeIfPresent(from, forKey: "from")
    try container.encodeIfPresent(sid, forKey: "sid")
    try container.encodeIfPresent(roomType, forKey: "roomType")
    func put(_ type: String) throws { try container.encode(type, forKey: "type") }
    func put(_ type: String, _ payload: some Encodable) throws {
      try container.encode(type, forKey: "type")
      try container.encode(payload, forKey: "payload")
    }
    switch content {
    case .offer(let description): try put("offer", description)
    case .answer(let description): try put("answer", description)
    case .candidate(let candidate): try put("candidate", ["candidate": candidate])
    case .endOfCandidates: try put("endOfCandidates", [String: String]())
    case .requestOffer: try put("requestoffer")
    case .sendOffer: try put("sendoffer")
    case .selectStream(let payload): try put("selectStream", payload)
    case .mute(let medium): try put("mute", ["name": medium])
    case .unmute(let medium): try put("unmute", ["name": medium])
    case .nickChanged(let name): try put("nickChanged", ["name": name])
    case .raiseHand(let state, let timestamp):
      try put("raiseHand", HandPayload(state: state, timestamp: timestamp))
    case .reaction(let reaction): try put("reaction", ["reaction": reaction])
    case .startedTyping: try put("startedTyping")
    case .stoppedTyping: try put("stoppedTyping")
    case .unshareScreen: try put("unshareScreen")
    case .unknown(let type, let payload): try put(type, payload)
    }
  }
}

extension ControlMessage: Codable {
  public init(from decoder: any Decoder) throws {
    let value = try JSONValue(from: decoder)
    if value["action"].string == "forceMute", let peer = value["peerId"].string {
      self = .forceMute(peer: peer)
    } else {
      self = .unknown(value)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .forceMute(let peer):
      let value: JSONValue = ["action": "forceMute", "peerId": .string(peer)]
      try value.encode(to: encoder)
    case .unknown(let value): try value.encode(to: encoder)
    }
  }
}
