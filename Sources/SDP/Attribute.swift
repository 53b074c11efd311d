/// Who may send on a media line, seen from the description's author (RFC 8866 §6.7).
public enum Direction: String, Sendable {
  case sendrecv, sendonly, recvonly, inactive
}

/// Which side begins the DTLS handshake (RFC 8842 §5): `active` does, `passive` waits, `actpass` offers the choice.
public enum SetupRole: String, Sendable {
  case active, passive, actpass, holdconn
}

/// The hash of a certificate (RFC 8122 §5).
public struct Fingerprint: Equatable, Hashable, Sendable, CustomStringConvertible {
  /// In lower case, e.g. `sha-256`.
  public let algorithm: String
  public let digest: [UInt8]

  public init(algorithm: String, digest: [UInt8]) {
    self.algorithm = algorithm.lowercased()
    self.digest = digest
  }

  /// From the attribute's value, e.g. `sha-256 9B:8C:E1…`; nil if it is none.
  public init?(_ value: some StringProtocol) {
    let fields = value.split(separator: " ")
    guard fields.count == 2 else { return nil }
    var digest: [UInt8] = []
    for pair in fields[1].split(separator: ":", omittingEmptySubsequences: false) {
      guard pair.utf8.count == 2, pair.allSatisfy(\.isHexDigit), let byte = UInt8(pair, radix: 16) else { return nil }
      digest.append(byte)
    }
    self.init(algorithm: String(fields[0]), digest: digest)
  }

  /// The attribute's value.
  public var description: String {
    let pairs = digest.map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return digits.count == 1 ? "0" + digits : digits
    }
    return "\(algorithm) \(pairs.joined(separator: ":"))"
  }
}

/// What a dynamic payload type stands for (RFC 8866 §6.6).
public struct RTPMap: Equatable, Sendable {
  public var payloadType: UInt8
  public var encoding: String
  public var clockRate: Int
  /// Nil where the line names none, which means one.
  public var channels: Int?

  public init(payloadType: UInt8, encoding: String, clockRate: Int, channels: Int? = nil) {
    self.payloadType = payloadType
    self.encoding = encoding
    self.clockRate = clockRate
    self.channels = channels
  }

  /// Opus over RTP is always announced like this, whatever is sent (RFC 7587 §7).
  public var isOpus: Bool { encoding.lowercased() == "opus" && clockRate == 48_000 && channels == 2 }
}

/// The id of an RTP header extension (RFC 8285 §5).
public struct ExtensionMap: Equatable, Sendable {
  public static let audioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
  public static let mid = "urn:ietf:params:rtp-hdrext:sdes:mid"

  /// 1 to 255 in use; offers may hold provisional ones, 4096 to 4351.
  public var id: UInt16
  public var direction: Direction?
  public var uri: String
  /// What stands behind the URI, as it is.
  public var attributes: String?

  public init(id: UInt16, direction: Direction? = nil, uri: String, attributes: String? = nil) {
    self.id = id
    self.direction = direction
    self.uri = uri
    self.attributes = attributes
  }
}

/// One `a=` line. Known ones whose value cannot be read are kept as `other`, just as unknown ones.
public enum Attribute: Equatable, Sendable {
  /// RFC 5888, BUNDLE of RFC 9143.
  case group(semantics: String, mids: [String])
  case mid(String)
  case direction(Direction)
  case setup(SetupRole)
  case fingerprint(Fingerprint)
  /// RFC 8839 §5.
  case iceUsernameFragment(String)
  case icePassword(String)
  case iceOptions([String])
  case iceLite
  /// The value as it is, without `candidate:` in front.
  case candidate(String)
  case endOfCandidates
  case rtpmap(RTPMap)
  /// Format parameters as they are; see ``FormatParameters``.
  case fmtp(payloadType: UInt8, parameters: String)
  /// `format` is a payload type or `*` (RFC 4585 §4.2).
  case rtcpFeedback(format: String, value: String)
  case extmap(ExtensionMap)
  /// RFC 5576, e.g. `cname`.
  case ssrc(UInt32, name: String, value: String?)
  /// RFC 8830.
  case msid(stream: String, track: String?)
  /// RFC 5761.
  case rtcpMux
  /// RFC 5506.
  case rtcpReducedSize
  /// RFC 8841.
  case sctpPort(UInt16)
  case maxMessageSize(UInt64)
  case other(name: String, value: String?)
}

/// The `name=value` pairs of an `fmtp` line; a name without value counts as present.
public struct FormatParameters: Equatable, Sendable {
  private let values: [String: String]

  public init(_ text: String) {
    var values: [String: String] = [:]
    for field in text.split(separator: ";") {
      let pair = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = pair.first?.trimmingSpaces, !name.isEmpty else { continue }
      values[name.lowercased()] = pair.count > 1 ? String(pair[1].trimmingSpaces) : ""
    }
    self.values = values
  }

  /// The value under a name in lower case.
  public subscript(name: String) -> String? { values[name] }

  /// True for `name=1`.
  public func isOn(_ name: String) -> Bool { values[name] == "1" }
}

extension Substring {
  var trimmingSpaces: Substring {
    var rest = self.drop { $0 == " " || $0 == "\t" }
    while rest.last == " " || rest.last == "\t" { rest.removeLast() }
    return rest
  }
}
