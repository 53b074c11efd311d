/// Whether a packet may be given to usrsctp: its chunks, and the parameters within them, have lengths that add up.
///
/// usrsctp checks most of this itself, but 0.9.5 never returns from an INIT that has a parameter of length zero. Chunks that
/// belong to several addresses or to keys (ASCONF, AUTH, packet drop reports) have no use over DTLS, so they are not let
/// in at all.
func isAcceptable(sctpPacket packet: Span<UInt8>) -> Bool {
  let headerLength = 12
  var offset = headerLength
  guard packet.count >= headerLength + 4 else { return false }
  while offset < packet.count {
    guard let length = lengthOfBlock(in: packet, at: offset, before: packet.count) else { return false }
    guard let type = ChunkType(rawValue: packet[offset]) else { return false }
    guard length >= type.parametersStart ?? 4 else { return false }
    if let start = type.parametersStart {
      var parameter = offset + start
      while parameter < offset + length {
        guard let size = lengthOfBlock(in: packet, at: parameter, before: offset + length) else { return false }
        parameter += padded(size)
      }
    }
    offset += padded(length)
  }
  return true
}

/// The chunks that data channels use (RFC 9260 §3.2, RFC 3758, RFC 4820, RFC 6525, RFC 8260).
private enum ChunkType: UInt8 {
  case data = 0
  case initiation, initiationAcknowledgement, selectiveAcknowledgement
  case heartbeat, heartbeatAcknowledgement
  case abort, shutdown, shutdownAcknowledgement, error
  case cookieEcho, cookieAcknowledgement
  case congestionEcho, congestionWindowReduced
  case shutdownComplete
  case interleavedData = 0x40
  case reconfiguration = 0x82
  case padding = 0x84
  case forwardCumulative = 0xC0
  case interleavedForwardCumulative = 0xC2

  /// Where a chunk's list of parameters, or of causes, begins; nil when it has none.
  var parametersStart: Int? {
    switch self {
    case .initiation, .initiationAcknowledgement: 20
    case .heartbeat, .heartbeatAcknowledgement, .abort, .error, .reconfiguration: 4
    default: nil
    }
  }
}

/// The length of a chunk or parameter (both have it in their third and fourth byte); nil when it does not fit.
private func lengthOfBlock(in packet: Span<UInt8>, at offset: Int, before end: Int) -> Int? {
  guard end - offset >= 4 else { return nil }
  let length = Int(packet[offset + 2]) << 8 | Int(packet[offset + 3])
  return length >= 4 && length <= end - offset ? length : nil
}

private func padded(_ length: Int) -> Int { (length + 3) & ~3 }
