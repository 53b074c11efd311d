import RTP
import TestSupport
import Testing

struct ReceptionStatisticsTests {
  private let start = ContinuousClock.now

  /// Feeds packets of 20 ms, each with its number's timestamp, arriving on time.
  private func feed(_ numbers: some Sequence<Int>, to statistics: inout ReceptionStatistics) -> [ReceptionStatistics
    .Verdict]
  {
    numbers.map { number in
      statistics.receive(
        sequenceNumber: UInt16(truncatingIfNeeded: number), timestamp: UInt32(truncatingIfNeeded: number &* 960),
        payloadSize: 80, arrival: start + .milliseconds(20 * number))
    }
  }

  /// The macros cannot call what mutates.
  private func report(_ statistics: inout ReceptionStatistics, at now: ContinuousClock.Instant? = nil) -> ReportBlock? {
    statistics.takeReportBlock(at: now ?? start)
  }

  @Test func `a stream without loss reports none`() throws {
    var statistics = ReceptionStatistics(source: 7)
    #expect(statistics.packetsExpected == 0)
    #expect(report(&statistics) == nil)
    _ = feed(100..<150, to: &statistics)
    #expect(statistics.packetsReceived == 50)
    #expect(statistics.bytesReceived == 4000)
    #expect(statistics.packetsLost == 0)
    #expect(statistics.jitter == .zero)
    let block = try #require(report(&statistics))
    #expect(block == ReportBlock(source: 7, extendedHighestSequenceNumber: 149))
    #expect(report(&statistics) == nil)
  }

  @Test func `loss is told per interval and in total`() throws {
    var statistics = ReceptionStatistics(source: 7)
    _ = feed((0..<100).filter { $0 % 4 != 1 }, to: &statistics)
    let first = try #require(report(&statistics))
    #expect(first.fractionLost == 64)
    #expect(first.cumulativeLost == 25)
    _ = feed(100..<200, to: &statistics)
    let second = try #require(report(&statistics))
    #expect(second.fractionLost == 0)
    #expect(second.cumulativeLost == 25)
    #expect(feed([298], to: &statistics) == [.newest(skipped: 98)])
    #expect(try #require(report(&statistics)).fractionLost == 253)
  }

  @Test func `late packets take their loss back, duplicates do not`() {
    var statistics = ReceptionStatistics(source: 7)
    #expect(
      feed([0, 1, 4, 2, 4, 2, 5, 3], to: &statistics) == [
        .newest(skipped: 0), .newest(skipped: 0), .newest(skipped: 2), .late, .duplicate, .duplicate,
        .newest(skipped: 0), .late,
      ])
    #expect(statistics.packetsReceived == 6)
    #expect(statistics.packetsDuplicated == 2)
    #expect(statistics.packetsLost == 0)
  }

  @Test func `a packet older than the first one was expected too`() {
    var statistics = ReceptionStatistics(source: 7)
    #expect(feed([1, 0, -2, 0], to: &statistics) == [.newest(skipped: 0), .late, .late, .duplicate])
    #expect(statistics.packetsExpected == 4)
    #expect(statistics.packetsLost == 1)
  }

  @Test func `the highest sequence number counts wraps`() {
    var statistics = ReceptionStatistics(source: 7)
    _ = feed(65_530..<65_540, to: &statistics)
    #expect(statistics.extendedHighestSequenceNumber == 0x1_0003)
    #expect(statistics.packetsExpected == 10)
    _ = feed([65_535 + 10], to: &statistics)
    #expect(statistics.packetsLost == 5)
  }

  @Test func `an outage of half a minute is loss`() {
    var statistics = ReceptionStatistics(source: 7)
    _ = feed(0..<10, to: &statistics)
    #expect(feed([1510], to: &statistics) == [.newest(skipped: 1500)])
    #expect(statistics.packetsLost == 1500)
  }

  @Test(arguments: [10_000, -5000])
  func `two packets in order after a jump are a restart, one is a stray`(jump: Int) throws {
    var statistics = ReceptionStatistics(source: 7)
    _ = feed((0..<100).filter { $0 != 50 }, to: &statistics)
    #expect(feed([jump], to: &statistics) == [.stray])
    #expect(feed([100], to: &statistics) == [.newest(skipped: 0)])
    #expect(statistics.packetsLost == 1)
    #expect(feed([jump, jump + 2], to: &statistics) == [.stray, .stray])
    #expect(feed([jump + 3, jump + 4], to: &statistics) == [.restarted, .newest(skipped: 0)])
    #expect(statistics.packetsReceived == 103)
    #expect(statistics.packetsExpected == 104)
    #expect(statistics.extendedHighestSequenceNumber == UInt32(UInt16(truncatingIfNeeded: jump + 4)))
    #expect(try #require(report(&statistics)).cumulativeLost == 1)
  }

  @Test func `jitter follows the estimator of the RFC`() {
    var statistics = ReceptionStatistics(source: 7)
    var expected = 0.0
    for number in 0..<200 {
      // Every other packet is 5 ms late: transit times differ by 240 units each time.
      let delay = number % 2 * 5
      statistics.receive(
        sequenceNumber: UInt16(number), timestamp: UInt32(number * 960), payloadSize: 80,
        arrival: start + .milliseconds(20 * number + delay))
      if number > 0 { expected += (240 - expected) / 16 }
    }
    #expect(abs(statistics.jitter / .seconds(1) * 48_000 - expected) < 1)
    #expect(abs(statistics.jitter / .milliseconds(1) - 5) < 0.05)
  }

  @Test func `a step of the sender's clock is no jitter`() {
    var statistics = ReceptionStatistics(source: 7)
    _ = feed(0..<10, to: &statistics)
    statistics.receive(
      sequenceNumber: 10, timestamp: 0x8000_0000, payloadSize: 80, arrival: start + .milliseconds(200))
    #expect(statistics.jitter == .zero)
  }

  @Test func `the time of the sender's report comes back with its delay`() throws {
    var statistics = ReceptionStatistics(source: 7)
    let info = SenderInfo(
      ntpTime: NTPTimestamp(rawValue: 0x1111_2222_3333_4444), rtpTimestamp: 960, packetCount: 1, octetCount: 80)
    statistics.receive(info, arrival: start)
    _ = feed(0..<10, to: &statistics)
    let block = try #require(report(&statistics, at: start + .milliseconds(500)))
    #expect(block.lastSenderReport == 0x2222_3333)
    #expect(block.delaySinceLastSenderReport == 0x8000)
    #expect(statistics.senderClock?.info == info)
  }

  @Test func `any packets keep the figures consistent`() {
    var random = SeededRandom(seed: 4)
    for _ in 0..<50 {
      var statistics = ReceptionStatistics(source: 7)
      var position = Int.random(in: 0...65_535, using: &random)
      for _ in 0..<1000 {
        let isWild = Int.random(in: 0..<20, using: &random) == 0
        position += isWild ? Int.random(in: -40_000...40_000, using: &random) : Int.random(in: -2...4, using: &random)
        statistics.receive(
          sequenceNumber: UInt16(truncatingIfNeeded: position), timestamp: UInt32(truncatingIfNeeded: random.next()),
          payloadSize: 80, arrival: start + .milliseconds(Int.random(in: -1000...1_000_000, using: &random)))
        #expect(statistics.packetsReceived <= statistics.packetsExpected)
        _ = statistics.takeReportBlock(at: start)
      }
    }
  }
}
