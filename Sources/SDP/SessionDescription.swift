/// A session description (RFC 8866): the part that WebRTC uses, read from text and written as text.
///
/// Attributes that are not known are kept in their place. Lines WebRTC has no use for (`i= u= e= p= b= r= z= k=`) are
/// checked and dropped.
public struct SessionDescription: Equatable, Sendable {
  /// The longest text that is read, in UTF-8 bytes: what the signaling server takes in one message.
  public static let maximumSize = 65_536

  public var origin: Origin
  public var name: String
  /// What stands behind `c=`, e.g. `IN IP4 0.0.0.0`.
  public var connection: String?
  public var attributes: [Attribute]
  public var media: [MediaDescription]

  /// The `o=` line.
  public struct Origin: Equatable, Sendable {
    public var username: String
    public var sessionID: UInt64
    /// Grows with each change of the description in one session.
    public var sessionVersion: UInt64
    /// Network type, address type and address.
    public var address: String

    public init(
      username: String = "-", sessionID: UInt64, sessionVersion: UInt64, address: String = "IN IP4 127.0.0.1"
    ) {
      self.username = username
      self.sessionID = sessionID
      self.sessionVersion = sessionVersion
      self.address = address
    }
  }

  public init(
    origin: Origin, name: String = "-", connection: String? = nil, attributes: [Attribute] = [],
    media: [MediaDescription] = []
  ) {
    self.origin = origin
    self.name = name
    self.connection = connection
    self.attributes = attributes
    self.media = media
  }

  /// The description as text, with CRLF behind each line. Holds the ICE password: not for logs.
  public var text: String {
    var text = "v=0\r\n"
    func put(_ type: Character, _ value: String) { text += "\(type)=\(value)\r\n" }
    put("o", "\(origin.username) \(origin.sessionID) \(origin.sessionVersion) \(origin.address)")
    put("s", name)
    if let connection { put("c", connection) }
    put("t", "0 0")
    for attribute in attributes { put("a", attribute.line) }
    for section in media {
      put(
        "m", ([section.kind.rawValue, "\(section.port)", section.transport] + section.formats).joined(separator: " "))
      if let connection = section.connection { put("c", connection) }
      for attribute in section.attributes { put("a", attribute.line) }
    }
    return text
  }

  /// Mids of the first BUNDLE group, nil without one (RFC 9143).
  public var bundledMids: [String]? {
    attributes.first { attribute in
      if case .group("BUNDLE", let mids) = attribute { mids } else { nil }
    }
  }

  /// The peer does ICE in its lite form (RFC 8445 §2.5): it answers checks and sends none.
  public var isICELite: Bool { attributes.contains(.iceLite) }
}

/// An `m=` line with what belongs to it.
public struct MediaDescription: Equatable, Sendable {
  public struct Kind: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    public static let audio = Kind(rawValue: "audio")
    public static let video = Kind(rawValue: "video")
    public static let application = Kind(rawValue: "application")
  }

  public var kind: Kind
  /// 0 refuses the line, or, in an offer, may leave it to the bundle.
  public var port: UInt16
  /// E.g. `UDP/TLS/RTP/SAVPF`.
  public var transport: String
  /// Payload types, or `webrtc-datachannel`.
  public var formats: [String]
  /// What stands behind `c=`.
  public var connection: String?
  public var attributes: [Attribute]

  public init(
    kind: Kind, port: UInt16, transport: String, formats: [String], connection: String? = nil,
    attributes: [Attribute] = []
  ) {
    self.kind = kind
    self.port = port
    self.transport = transport
    self.formats = formats
    self.connection = connection
    self.attributes = attributes
  }

  public var mid: String? {
    attributes.first { if case .mid(let mid) = $0 { mid } else { nil } }
  }

  /// The direction the line itself says; without one it is `sendrecv`.
  public var direction: Direction? {
    attributes.first { if case .direction(let direction) = $0 { direction } else { nil } }
  }

  public var setup: SetupRole? { attributes.setup }

  /// Candidates in the order they stand, without `candidate:` in front.
  public var candidates: [String] {
    attributes.compactMap { if case .candidate(let text) = $0 { text } else { nil } }
  }

  public var extmaps: [ExtensionMap] {
    attributes.compactMap { if case .extmap(let map) = $0 { map } else { nil } }
  }

  /// Payload type of the first Opus format in the order of the `m=` line.
  public var opusPayloadType: UInt8? {
    let opus = attributes.compactMap { attribute -> UInt8? in
      if case .rtpmap(let map) = attribute, map.isOpus { map.payloadType } else { nil }
    }
    return formats.lazy.compactMap { UInt8($0) }.first(where: opus.contains)
  }

  public func formatParameters(of payloadType: UInt8) -> FormatParameters {
    FormatParameters(
      attributes.first { if case .fmtp(payloadType, let parameters) = $0 { parameters } else { nil } } ?? "")
  }
}

extension [Attribute] {
  /// The first value that `read` finds.
  func first<Value>(_ read: (Attribute) -> Value?) -> Value? {
    for attribute in self {
      if let value = read(attribute) { return value }
    }
    return nil
  }

  var setup: SetupRole? {
    first { if case .setup(let role) = $0 { role } else { nil } }
  }

  var fingerprints: [Fingerprint] {
    compactMap { if case .fingerprint(let fingerprint) = $0 { fingerprint } else { nil } }
  }
}
