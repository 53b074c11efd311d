/// The compound packet of one sender: a sender or receiver report, the canonical name, a goodbye if asked for
/// (RFC 3550 §6.1).
public struct OutgoingRTCPPacket: Equatable, Sendable {
  /// Our own synchronisation source.
  public var source: UInt32
  /// Makes the report a sender report; nil, from one who has not sent lately, a receiver report.
  public var senderInfo: SenderInfo?
  /// CNAME, UTF-8; cut to 255 bytes.
  public var canonicalName: String
  /// Says that the source leaves.
  public var goodbye: Bool

  public init(source: UInt32, senderInfo: SenderInfo? = nil, canonicalName: String, goodbye: Bool = false) {
    self.source = source
    self.senderInfo = senderInfo
    self.canonicalName = canonicalName
    self.goodbye = goodbye
  }

  /// Writes the packet to the start of `buffer` and returns its size in bytes, a multiple of four.
  ///
  /// At most 31 `reports` fit a packet (RFC 3550 §6.4); further ones are left out. Allocates nothing.
  public func write(reports: Span<ReportBlock>, into buffer: inout MutableSpan<UInt8>) throws(RTCPError) -> Int {
    let reportCount = min(reports.count, RTCP.maximumReportCount)
    let reportSize =
      RTCP.headerSize + 4 + (senderInfo == nil ? 0 : RTCP.senderInfoSize) + reportCount * RTCP.reportBlockSize
    let nameSize = min(canonicalName.utf8.count, 255)
    // Source, item type, item length, text, and one to four zeros up to a multiple of four.
    let chunkSize = 4 + (2 + nameSize) / 4 * 4 + 4
    let size = reportSize + RTCP.headerSize + chunkSize + (goodbye ? RTCP.headerSize + 4 : 0)
    guard size <= buffer.count else { throw .bufferTooSmall(needed: size) }

    var cursor = PacketCursor()
    let reportType = senderInfo == nil ? RTCP.PacketType.receiverReport : RTCP.PacketType.senderReport
    putHeader(reportType, count: reportCount, size: reportSize, at: &cursor, into: &buffer)
    cursor.put(source, into: &buffer)
    if let senderInfo { put(senderInfo, at: &cursor, into: &buffer) }
    for index in 0..<reportCount { put(reports[index], at: &cursor, into: &buffer) }

    putHeader(
      RTCP.PacketType.sourceDescription, count: 1, size: RTCP.headerSize + chunkSize, at: &cursor, into: &buffer)
    cursor.put(source, into: &buffer)
    cursor.put(UInt8(1), into: &buffer)
    cursor.put(UInt8(nameSize), into: &buffer)
    for byte in canonicalName.utf8.prefix(nameSize) { cursor.put(byte, into: &buffer) }
    cursor.put(UInt8(0), into: &buffer)
    cursor.align(in: &buffer)

    if goodbye {
      putHeader(RTCP.PacketType.goodbye, count: 1, size: RTCP.headerSize + 4, at: &cursor, into: &buffer)
      cursor.put(source, into: &buffer)
    }
    return size
  }

  private func putHeader(
    _ packetType: UInt8, count: Int, size: Int, at cursor: inout PacketCursor, into buffer: inout MutableSpan<UInt8>
  ) {
    cursor.put(0x80 | UInt8(count), into: &buffer)
    cursor.put(packetType, into: &buffer)
    cursor.put(UInt16(size / 4 - 1), into: &buffer)
  }

  private func put(_ info: SenderInfo, at cursor: inout PacketCursor, into buffer: inout MutableSpan<UInt8>) {
    cursor.put(UInt32(truncatingIfNeeded: info.ntpTime.rawValue >> 32), into: &buffer)
    cursor.put(UInt32(truncatingIfNeeded: info.ntpTime.rawValue), into: &buffer)
    cursor.put(info.rtpTimestamp, into: &buffer)
    cursor.put(info.packetCount, into: &buffer)
    cursor.put(info.octetCount, into: &buffer)
  }

  private func put(_ block: ReportBlock, at cursor: inout PacketCursor, into buffer: inout MutableSpan<UInt8>) {
    cursor.put(block.source, into: &buffer)
    let lost = UInt32(bitPattern: min(max(block.cumulativeLost, -0x80_0000), 0x7F_FFFF))
    cursor.put(UInt32(block.fractionLost) << 24 | lost & 0xFF_FFFF, into: &buffer)
    cursor.put(block.extendedHighestSequenceNumber, into: &buffer)
    cursor.put(block.jitter, into: &buffer)
    cursor.put(block.lastSenderReport, into: &buffer)
    cursor.put(block.delaySinceLastSenderReport, into: &buffer)
  }
}
