import RTP

/// Bytes from hexadecimal digits; white space is skipped.
func bytes(_ hex: String) -> [UInt8] {
  let digits = hex.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Packets as they come from the peers of a call, and variations allowed by the RFCs.
enum Samples {
  /// Opus, payload type 111, marker, one-byte extension: audio level 1 (voice, −30 dBov), mid 4 "0"; one zero of filling.
  static let opus = bytes("90ef 1234 0000 03c0 e15e 47f5 bede 0002 10 9e 40 30 00000000 f8fffe")
  /// No extension, nothing special.
  static let plain = bytes("806f 0001 0000 0000 0000 0001 aabbcc")
  /// Two contributing sources and three bytes of padding.
  static let contributed = bytes("a26f 0002 0000 03c0 0000 0001 1111 1111 2222 2222 aabb 000003")
  /// Padding only, as probes are.
  static let paddingOnly = bytes("a06f 0003 0000 03c0 0000 0001 00000004")
  /// Two-byte extension: padding, audio level 1, mid 200 "audio".
  static let twoByteExtension = bytes(
    "906f 0004 0000 03c0 0000 0001 1000 0003 00 01 01 7f c8 05 617564696f 00 aa")
  /// An extension whose profile is none of RFC 8285's.
  static let foreignExtension = bytes("906f 0005 0000 03c0 0000 0001 1234 0001 10000000 aa")

  static let rtp = [opus, plain, contributed, paddingOnly, twoByteExtension, foreignExtension]

  /// Sender report with one block, then a CNAME.
  static let senderReport = bytes(
    """
    81c8 000c 0000 0001 e8a1 0000 8000 0000 0000 bb80 0000 0032 0000 0fa0
    0000 0002 40ff fffe 0001 000a 0000 0018 1234 5678 0000 8000
    81ca 0003 0000 0001 01 04 6a6f686e 00 00
    """)
  static let receiverReport = bytes("80c9 0001 0000 0002")
  /// What transport-wide congestion control sends, alone in its datagram.
  static let feedback = bytes("8fcd 0005 0000 0001 0000 0002 0001 0001 0000 0100 2001 0400")
  static let goodbye = bytes("80c9 0001 0000 0002 82cb 0004 0000 0002 0000 0003 06 6c656176 6564 00")

  static let rtcp = [senderReport, receiverReport, feedback, goodbye]
}

/// The spans' readers over arrays: the span of a global constant, or one inside an expectation, would escape.
extension RTPHeader {
  init(parsing packet: [UInt8]) throws(RTPError) {
    let span = packet.span
    try self.init(parsing: span)
  }

  func extensionElement(_ id: UInt8, in packet: [UInt8]) -> Range<Int>? {
    let span = packet.span
    return extensionElement(id, in: span)
  }

  func audioLevel(_ ids: HeaderExtensionIDs, in packet: [UInt8]) -> AudioLevel? {
    let span = packet.span
    return audioLevel(ids, in: span)
  }

  func mid(_ ids: HeaderExtensionIDs, in packet: [UInt8]) -> String? {
    let span = packet.span
    return mid(ids, in: span)
  }
}

extension DatagramKind {
  init(of datagram: [UInt8]) {
    let span = datagram.span
    self.init(of: span)
  }
}
