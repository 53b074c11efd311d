/// What is known of one sent RTP stream: the figures of our sender reports, and what the receiver reports say
/// (RFC 3550 §6.4). One value per synchronisation source; allocates nothing.
public struct SenderStatistics: Sendable {
  public let source: UInt32
  /// Of the payload, in Hz.
  public let clockRate: Int
  public private(set) var packetsSent = 0
  /// Payload bytes of these.
  public private(set) var bytesSent = 0

  /// The receiver's last report; nil until one came.
  public private(set) var remoteReport: ReportBlock?
  /// How many reports came.
  public private(set) var reportsReceived = 0
  /// From our last sender report that the receiver has answered; nil until then.
  public private(set) var roundTripTime: Duration?

  private var lastTimestamp: UInt32 = 0
  private var lastSending: ContinuousClock.Instant?

  /// Reports on the way, so that a round trip is measured on one clock and only for reports that we did send.
  private struct SentReport {
    var compactTime: UInt32 = 0
    var moment: ContinuousClock.Instant?
  }
  private static let remembered = 16
  private var sentReports = InlineArray<16, SentReport>(repeating: SentReport())
  private var nextSentReport = 0

  public init(source: UInt32, clockRate: Int = 48_000) {
    self.source = source
    self.clockRate = clockRate
  }

  /// Jitter that the receiver measures; nil until it has reported.
  public var remoteJitter: Duration? {
    remoteReport.map { .seconds(1) * (Double($0.jitter) / Double(clockRate)) }
  }

  /// Counts a packet that was sent. `timestamp` in clock units, `payloadSize` in bytes.
  public mutating func packetSent(timestamp: UInt32, payloadSize: Int, at now: ContinuousClock.Instant) {
    packetsSent += 1
    bytesSent += payloadSize
    lastTimestamp = timestamp
    lastSending = now
  }

  /// The figures for a sender report that goes out now; nil before the first packet.
  ///
  /// `wallClock` is the time of day at `now`; the RTP timestamp is the last packet's, carried on to `now`.
  public mutating func takeSenderInfo(at now: ContinuousClock.Instant, wallClock: NTPTimestamp) -> SenderInfo? {
    guard let lastSending else { return nil }
    sentReports[nextSentReport] = SentReport(compactTime: wallClock.compact, moment: now)
    nextSentReport = (nextSentReport + 1) % Self.remembered
    let elapsed = (now - lastSending).ticks(per: Int64(clockRate))
    return SenderInfo(
      ntpTime: wallClock,
      rtpTimestamp: lastTimestamp &+ UInt32(truncatingIfNeeded: elapsed),
      packetCount: UInt32(truncatingIfNeeded: packetsSent),
      octetCount: UInt32(truncatingIfNeeded: bytesSent))
  }

  /// Takes in a receiver's report about this stream; reports about others are ignored.
  public mutating func receive(_ block: ReportBlock, arrival: ContinuousClock.Instant) {
    guard block.source == source else { return }
    remoteReport = block
    reportsReceived += 1
    guard block.lastSenderReport != 0 else { return }
    for index in sentReports.indices where sentReports[index].compactTime == block.lastSenderReport {
      guard let moment = sentReports[index].moment else { continue }
      let held = Duration.seconds(1) * (Double(block.delaySinceLastSenderReport) / 65_536)
      // The receiver's clock runs on its own, so a short path can come out below nothing.
      roundTripTime = max(.zero, arrival - moment - held)
      return
    }
  }
}
