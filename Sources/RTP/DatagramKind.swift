/// What a datagram on a bundled WebRTC path carries, told from its first bytes (RFC 7983 §7, RFC 5761 §4).
///
///     first byte   0…3     STUN
///                 20…63    DTLS
///                128…191   RTP or RTCP: RTCP when the payload type field holds 64…95
public enum DatagramKind: Equatable, Sendable {
  case stun
  case dtls
  case rtp
  case rtcp
  /// None of these, or too short to be what its first byte says: to be dropped and counted.
  case unknown

  /// Sorts a datagram; looks at two bytes and the length, checks nothing else.
  public init(of datagram: Span<UInt8>) {
    guard let first = datagram.isEmpty ? nil : datagram[0] else {
      self = .unknown
      return
    }
    switch first {
    case 0...3 where datagram.count >= Self.stunHeaderSize: self = .stun
    case 20...63 where datagram.count >= Self.dtlsRecordHeaderSize: self = .dtls
    case 128...191 where datagram.count >= 2:
      if 64...95 ~= datagram[1] & 0x7F {
        self = datagram.count >= RTCP.minimumSize ? .rtcp : .unknown
      } else {
        self = datagram.count >= RTPHeader.minimumSize ? .rtp : .unknown
      }
    default: self = .unknown
    }
  }

  private static let stunHeaderSize = 20
  private static let dtlsRecordHeaderSize = 13
}
