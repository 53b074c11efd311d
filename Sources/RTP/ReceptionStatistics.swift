/// What is known of one received RTP stream: loss, jitter, and the report block that tells its sender (RFC 3550 A.1, A.3,
/// A.8). One value per synchronisation source; allocates nothing.
///
/// There is no probation: a packet that SRTP let through comes from the peer, so the first one counts. A jump in sequence
/// numbers beyond ``maximumDropout`` or ``maximumMisorder`` is held to be a restart once a second packet follows in order;
/// until then it counts for nothing. Duplicates count neither as received nor against the loss.
public struct ReceptionStatistics: Sendable {
  /// The largest step forward that is taken for loss, in packets: a minute at 20 ms.
  public static let maximumDropout = 3000
  /// The largest step back that is taken for reordering, in packets.
  public static let maximumMisorder = 100

  /// What became of a packet.
  public enum Verdict: Equatable, Sendable {
    /// The newest so far; `skipped` packets between it and the newest before have not come (yet).
    case newest(skipped: Int)
    /// Older than the newest, seen for the first time.
    case late
    /// Seen before.
    case duplicate
    /// Far from all others; will be believed if the next one follows it.
    case stray
    /// The second in order after a jump: the sender has started anew.
    case restarted
  }

  /// A sender report, and when it came: maps the sender's media clock to its wall clock.
  public struct SenderClock: Equatable, Sendable {
    public let info: SenderInfo
    public let arrival: ContinuousClock.Instant
  }

  public let source: UInt32
  /// Of the payload, in Hz.
  public let clockRate: Int
  /// Different packets received.
  public private(set) var packetsReceived = 0
  /// Payload bytes of these.
  public private(set) var bytesReceived = 0
  public private(set) var packetsDuplicated = 0
  public private(set) var lastArrival: ContinuousClock.Instant?
  /// The last sender report about this stream.
  public private(set) var senderClock: SenderClock?

  private var base: Int64 = 0
  private var highest: Int64 = 0
  /// Bit i: the packet `highest − i` has come.
  private var history: UInt128 = 0
  private var expectedBeforeRestart = 0
  private var restartCandidate: UInt16?

  private var lastTimestamp: UInt32 = 0
  private var lastInOrderArrival: ContinuousClock.Instant?
  /// Jitter in 1/16 of a clock unit.
  private var scaledJitter: Int64 = 0

  private var expectedAtReport = 0
  private var receivedAtReport = 0

  public init(source: UInt32, clockRate: Int = 48_000) {
    self.source = source
    self.clockRate = clockRate
  }

  /// Packets that should have come and have not; late ones are taken off again.
  public var packetsLost: Int { packetsExpected - packetsReceived }

  public var packetsExpected: Int {
    hasBegun ? expectedBeforeRestart + Int(highest - base) + 1 : 0
  }

  /// Interarrival jitter (RFC 3550 §6.4.1) as a duration.
  public var jitter: Duration { .seconds(1) * (Double(scaledJitter) / 16 / Double(clockRate)) }

  /// Sequence number of the newest packet, with the count of wraps in the upper half.
  public var extendedHighestSequenceNumber: UInt32 { UInt32(truncatingIfNeeded: highest) }

  private var hasBegun: Bool { history != 0 }

  /// Counts a packet of this stream. `payloadSize` in bytes; `timestamp` in clock units.
  @discardableResult
  public mutating func receive(
    sequenceNumber: UInt16, timestamp: UInt32, payloadSize: Int, arrival: ContinuousClock.Instant
  ) -> Verdict {
    let verdict = place(sequenceNumber)
    switch verdict {
    case .duplicate: packetsDuplicated += 1
    case .stray: break
    case .late: packetsReceived += 1
    case .newest:
      packetsReceived += 1
      updateJitter(timestamp: timestamp, arrival: arrival)
    case .restarted:
      packetsReceived += 2  // this one and the one that announced the restart
      lastTimestamp = timestamp
      lastInOrderArrival = arrival
    }
    if verdict != .duplicate, verdict != .stray { bytesReceived += payloadSize }
    lastArrival = arrival
    return verdict
  }

  /// Finds the packet's place among those before and marks it as come.
  private mutating func place(_ sequenceNumber: UInt16) -> Verdict {
    guard hasBegun else {
      base = Int64(sequenceNumber)
      highest = base
      history = 1
      return .newest(skipped: 0)
    }
    let step = Int(Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: highest)))
    switch step {
    case 1...Self.maximumDropout:
      highest += Int64(step)
      history = history << step | 1
      restartCandidate = nil
      return .newest(skipped: step - 1)
    case -Self.maximumMisorder...0:
      let bit = UInt128(1) << -step
      if history & bit != 0 { return .duplicate }
      history |= bit
      base = min(base, highest + Int64(step))
      return .late
    default:
      guard restartCandidate == sequenceNumber else {
        restartCandidate = sequenceNumber &+ 1
        return .stray
      }
      expectedBeforeRestart += Int(highest - base) + 1
      highest = Int64(sequenceNumber)
      base = highest - 1
      history = 0b11
      restartCandidate = nil
      return .restarted
    }
  }

  /// RFC 3550 A.8, over packets in order and of different frames only, as all browsers do.
  private mutating func updateJitter(timestamp: UInt32, arrival: ContinuousClock.Instant) {
    defer {
      lastTimestamp = timestamp
      lastInOrderArrival = arrival
    }
    guard let lastInOrderArrival, timestamp != lastTimestamp else { return }
    let sent = Int64(Int32(bitPattern: timestamp &- lastTimestamp))
    let received = (arrival - lastInOrderArrival).ticks(per: Int64(clockRate))
    let deviation = (received &- sent).magnitude
    // A step of the sender's clock by seconds says nothing about the network.
    guard deviation < 5 * UInt64(clockRate) else { return }
    scaledJitter += Int64(deviation) - (scaledJitter + 8) >> 4
  }

  /// Keeps a sender report about this stream, for the round trip time and for the mapping of clocks.
  public mutating func receive(_ info: SenderInfo, arrival: ContinuousClock.Instant) {
    senderClock = SenderClock(info: info, arrival: arrival)
  }

  /// The block for the next report, nil if no packet has come since the block before (RFC 3550 §6.4).
  ///
  /// Closes an interval: the fraction lost is counted from here on anew.
  public mutating func takeReportBlock(at now: ContinuousClock.Instant) -> ReportBlock? {
    let expected = packetsExpected - expectedAtReport
    let received = packetsReceived - receivedAtReport
    guard received > 0 else { return nil }
    expectedAtReport = packetsExpected
    receivedAtReport = packetsReceived
    let lost = expected - received

    var delay: UInt32 = 0
    if let senderClock {
      let ticks = (now - senderClock.arrival).ticks(per: 65_536)
      delay = UInt32(clamping: ticks)
    }
    return ReportBlock(
      source: source,
      fractionLost: lost > 0 ? UInt8(clamping: lost * 256 / expected) : 0,
      cumulativeLost: Int32(clamping: min(max(packetsLost, -0x80_0000), 0x7F_FFFF)),
      extendedHighestSequenceNumber: extendedHighestSequenceNumber,
      jitter: UInt32(clamping: scaledJitter >> 4),
      lastSenderReport: senderClock?.info.ntpTime.compact ?? 0,
      delaySinceLastSenderReport: delay)
  }
}
