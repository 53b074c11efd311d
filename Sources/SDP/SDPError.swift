/// Why text is not a session description (RFC 8866). Lines are told by number only: they may hold ICE passwords.
public enum SDPError: Error, Equatable, CustomStringConvertible {
  /// Longer than ``SessionDescription/maximumSize`` bytes.
  case tooLarge(bytes: Int)
  /// The first line is not `v=0`.
  case unsupportedVersion
  case missingOrigin
  case malformedLine(number: Int)

  public var description: String {
    switch self {
    case .tooLarge(let bytes):
      "Session description of \(bytes) bytes, more than \(SessionDescription.maximumSize): refused."
    case .unsupportedVersion: "Session description does not begin with v=0: refused."
    case .missingOrigin: "Session description has no origin (o=): refused."
    case .malformedLine(let number): "Line \(number) of a session description cannot be read: refused."
    }
  }
}

/// Why a well-formed session description of the peer cannot be used (RFC 8829).
public enum NegotiationError: Error, Equatable, CustomStringConvertible {
  /// Neither Opus audio over DTLS-SRTP nor a data channel is in it, or both were refused.
  case nothingUsable
  /// An answer's media lines are not those of the offer.
  case mediaLinesDiffer
  case noICECredentials
  /// There is no SHA-256 fingerprint; `offered` names the other hash functions.
  case noFingerprint(offered: [String])
  /// The DTLS roles do not go together, e.g. `actpass` in an answer.
  case unusableSetup(String)

  public var description: String {
    switch self {
    case .nothingUsable:
      "The peer's session description has neither Opus audio nor a data channel that we could use: no connection."
    case .mediaLinesDiffer: "The peer's answer has other media lines than our offer: no connection."
    case .noICECredentials:
      "The peer's session description has no usable ice-ufrag and ice-pwd: no connection can be checked."
    case .noFingerprint(let offered):
      offered.isEmpty
        ? "The peer's session description has no certificate fingerprint: its identity could not be checked."
        : "The peer's session description has fingerprints by \(offered.joined(separator: ", ")), but none by sha-256."
    case .unusableSetup(let setup):
      "The peer's session description says setup:\(setup), with which no DTLS handshake can begin."
    }
  }
}
