/// Why bytes are not an RTCP packet, or one cannot be written.
public enum RTCPError: Error, Equatable, CustomStringConvertible {
  case truncated
  case unsupportedVersion(UInt8)
  case invalidPadding
  case bufferTooSmall(needed: Int)

  public var description: String {
    switch self {
    case .truncated: "RTCP packet is shorter than its length fields say: dropped."
    case .unsupportedVersion(let version): "RTCP version \(version) instead of 2: not an RTCP packet, dropped."
    case .invalidPadding: "RTCP padding is longer than its packet, zero, or not at the end: dropped."
    case .bufferTooSmall(let needed): "An RTCP packet of \(needed) bytes does not fit its buffer: give it more room."
    }
  }
}

/// What a sender tells of its stream (RFC 3550 §6.4.1).
public struct SenderInfo: Equatable, Sendable {
  /// Wall clock of the sender when the report was sent.
  public var ntpTime: NTPTimestamp
  /// The same moment on the stream's media clock.
  public var rtpTimestamp: UInt32
  public var packetCount: UInt32
  /// Payload bytes, without headers and padding.
  public var octetCount: UInt32

  public init(ntpTime: NTPTimestamp, rtpTimestamp: UInt32, packetCount: UInt32, octetCount: UInt32) {
    self.ntpTime = ntpTime
    self.rtpTimestamp = rtpTimestamp
    self.packetCount = packetCount
    self.octetCount = octetCount
  }
}

/// What a receiver tells of a stream it receives (RFC 3550 §6.4.1).
public struct ReportBlock: Equatable, Sendable {
  /// The stream that is reported on.
  public var source: UInt32
  /// Share of packets lost since the report before, in 1/256.
  public var fractionLost: UInt8
  /// Packets lost since the beginning, 24 bits signed.
  public var cumulativeLost: Int32
  public var extendedHighestSequenceNumber: UInt32
  /// Interarrival jitter in units of the stream's clock rate.
  public var jitter: UInt32
  /// Middle 32 bits of the last sender report's NTP time, 0 if there was none.
  public var lastSenderReport: UInt32
  /// Time from that report's arrival to this one, in 2⁻¹⁶ seconds.
  public var delaySinceLastSenderReport: UInt32

  public init(
    source: UInt32, fractionLost: UInt8 = 0, cumulativeLost: Int32 = 0, extendedHighestSequenceNumber: UInt32 = 0,
    jitter: UInt32 = 0, lastSenderReport: UInt32 = 0, delaySinceLastSenderReport: UInt32 = 0
  ) {
    self.source = source
    self.fractionLost = fractionLost
    self.cumulativeLost = cumulativeLost
    self.extendedHighestSequenceNumber = extendedHighestSequenceNumber
    self.jitter = jitter
    self.lastSenderReport = lastSenderReport
    self.delaySinceLastSenderReport = delaySinceLastSenderReport
  }
}

/// One statement out of an RTCP datagram. Ranges count bytes from the datagram's start.
public enum RTCPStatement: Equatable, Sendable {
  case senderInfo(source: UInt32, SenderInfo)
  /// `reporter` receives the stream `block.source`.
  case report(reporter: UInt32, ReportBlock)
  case canonicalName(source: UInt32, text: Range<Int>)
  /// The source has left (RFC 3550 §6.6).
  case goodbye(source: UInt32)
  /// A well-formed packet of a kind we do not read (feedback, extended reports, application), or of a known kind that is
  /// too short for what it claims to hold.
  case skipped(packetType: UInt8)
}

/// RTCP datagrams (RFC 3550 §6): compound packets, and single ones of reduced size (RFC 5506).
public enum RTCP {
  /// Header and the sender's SSRC.
  public static let minimumSize = 8

  static let headerSize = 4
  static let senderInfoSize = 20
  static let reportBlockSize = 24
  static let maximumReportCount = 31

  enum PacketType {
    static let senderReport: UInt8 = 200
    static let receiverReport: UInt8 = 201
    static let sourceDescription: UInt8 = 202
    static let goodbye: UInt8 = 203
  }

  /// Reads a datagram and gives its statements to `body`, in order.
  ///
  /// The frame of all packets in it is checked before (RFC 3550 A.2, without the rule that a report comes first, which
  /// reduced-size RTCP lifts): where this throws, `body` was not called. Allocates nothing, never traps.
  public static func read(_ datagram: Span<UInt8>, _ body: (RTCPStatement) -> Void) throws(RTCPError) {
    try checkFrames(of: datagram)
    var offset = 0
    while offset < datagram.count {
      let end = offset + headerSize + 4 * Int(datagram.uint16(at: offset + 2))
      let padding = datagram[offset] & 0x20 != 0 ? Int(datagram[end - 1]) : 0
      readPacket(in: datagram, offset..<end - padding, body)
      offset = end
    }
  }

  private static func checkFrames(of datagram: Span<UInt8>) throws(RTCPError) {
    guard datagram.count >= headerSize else { throw .truncated }
    var offset = 0
    while offset < datagram.count {
      guard datagram.count - offset >= headerSize else { throw .truncated }
      let version = datagram[offset] >> 6
      guard version == 2 else { throw .unsupportedVersion(version) }
      let size = headerSize + 4 * Int(datagram.uint16(at: offset + 2))
      guard datagram.count - offset >= size else { throw .truncated }
      if datagram[offset] & 0x20 != 0 {
        let padding = Int(datagram[offset + size - 1])
        guard offset + size == datagram.count, padding > 0, padding <= size - headerSize else { throw .invalidPadding }
      }
      offset += size
    }
  }

  private static func readPacket(in datagram: Span<UInt8>, _ packet: Range<Int>, _ body: (RTCPStatement) -> Void) {
    let packetType = datagram[packet.lowerBound + 1]
    let count = Int(datagram[packet.lowerBound] & 0x1F)
    let content = packet.lowerBound + headerSize..<packet.upperBound
    let isRead =
      switch packetType {
      case PacketType.senderReport: readReport(in: datagram, content, count: count, hasSenderInfo: true, body)
      case PacketType.receiverReport: readReport(in: datagram, content, count: count, hasSenderInfo: false, body)
      case PacketType.sourceDescription: readSourceDescription(in: datagram, content, count: count, body)
      case PacketType.goodbye: readGoodbye(in: datagram, content, count: count, body)
      default: false
      }
    if !isRead { body(.skipped(packetType: packetType)) }
  }

  private static func readReport(
    in datagram: Span<UInt8>, _ content: Range<Int>, count: Int, hasSenderInfo: Bool, _ body: (RTCPStatement) -> Void
  ) -> Bool {
    let blocks = 4 + (hasSenderInfo ? senderInfoSize : 0)
    guard content.count >= blocks + count * reportBlockSize else { return false }
    let reporter = datagram.uint32(at: content.lowerBound)
    if hasSenderInfo {
      body(.senderInfo(source: reporter, senderInfo(in: datagram, at: content.lowerBound + 4)))
    }
    for index in 0..<count {
      let offset = content.lowerBound + blocks + index * reportBlockSize
      body(.report(reporter: reporter, reportBlock(in: datagram, at: offset)))
    }
    return true
  }

  private static func senderInfo(in datagram: Span<UInt8>, at offset: Int) -> SenderInfo {
    let seconds = UInt64(datagram.uint32(at: offset))
    return SenderInfo(
      ntpTime: NTPTimestamp(rawValue: seconds << 32 | UInt64(datagram.uint32(at: offset + 4))),
      rtpTimestamp: datagram.uint32(at: offset + 8),
      packetCount: datagram.uint32(at: offset + 12),
      octetCount: datagram.uint32(at: offset + 16))
  }

  private static func reportBlock(in datagram: Span<UInt8>, at offset: Int) -> ReportBlock {
    let loss = datagram.uint32(at: offset + 4)
    return ReportBlock(
      source: datagram.uint32(at: offset),
      fractionLost: UInt8(loss >> 24),
      cumulativeLost: Int32(bitPattern: loss << 8) >> 8,
      extendedHighestSequenceNumber: datagram.uint32(at: offset + 8),
      jitter: datagram.uint32(at: offset + 12),
      lastSenderReport: datagram.uint32(at: offset + 16),
      delaySinceLastSenderReport: datagram.uint32(at: offset + 20))
  }

  private static func readSourceDescription(
    in datagram: Span<UInt8>, _ content: Range<Int>, count: Int, _ body: (RTCPStatement) -> Void
  ) -> Bool {
    let canonicalNameItem: UInt8 = 1
    var offset = content.lowerBound
    for _ in 0..<count {
      guard offset + 4 <= content.upperBound else { return false }
      let source = datagram.uint32(at: offset)
      offset += 4
      while true {
        guard offset < content.upperBound else { return false }
        let item = datagram[offset]
        if item == 0 { break }
        guard offset + 2 <= content.upperBound else { return false }
        let text = offset + 2..<offset + 2 + Int(datagram[offset + 1])
        guard text.upperBound <= content.upperBound else { return false }
        if item == canonicalNameItem { body(.canonicalName(source: source, text: text)) }
        offset = text.upperBound
      }
      // At least one zero ends the chunk, which then is filled up to a multiple of four.
      offset += 4 - (offset - content.lowerBound) % 4
    }
    return true
  }

  private static func readGoodbye(
    in datagram: Span<UInt8>, _ content: Range<Int>, count: Int, _ body: (RTCPStatement) -> Void
  ) -> Bool {
    guard content.count >= 4 * count else { return false }
    for index in 0..<count { body(.goodbye(source: datagram.uint32(at: content.lowerBound + 4 * index))) }
    return true
  }
}
