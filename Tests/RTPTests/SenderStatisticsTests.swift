import RTP
import Testing

struct SenderStatisticsTests {
  private let start = ContinuousClock.now
  private let wallClock = NTPTimestamp(sinceUnixEpoch: .seconds(1_790_000_000))

  /// The macros cannot call what mutates.
  private func senderInfo(_ statistics: inout SenderStatistics, at now: ContinuousClock.Instant) -> SenderInfo? {
    statistics.takeSenderInfo(at: now, wallClock: wallClock)
  }

  @Test func `a report carries the media clock on to its own time`() throws {
    var statistics = SenderStatistics(source: 7)
    #expect(senderInfo(&statistics, at: start) == nil)
    for number in 0..<50 {
      statistics.packetSent(
        timestamp: UInt32.max &- 960 &+ UInt32(number * 960), payloadSize: 80, at: start + .milliseconds(20 * number))
    }
    let info = try #require(senderInfo(&statistics, at: start + .milliseconds(1000)))
    #expect(info.packetCount == 50)
    #expect(info.octetCount == 4000)
    #expect(info.rtpTimestamp == UInt32.max &- 960 &+ 48_000)
    #expect(info.ntpTime == wallClock)
  }

  @Test func `the round trip leaves out what the receiver kept the report`() throws {
    var statistics = SenderStatistics(source: 7)
    statistics.packetSent(timestamp: 0, payloadSize: 80, at: start)
    let info = try #require(senderInfo(&statistics, at: start))
    statistics.receive(
      ReportBlock(
        source: 7, fractionLost: 26, jitter: 480, lastSenderReport: info.ntpTime.compact,
        delaySinceLastSenderReport: 0x8000),
      arrival: start + .milliseconds(540))
    #expect(statistics.roundTripTime == .milliseconds(40))
    #expect(statistics.remoteReport?.fractionLost == 26)
    #expect(statistics.remoteJitter == .milliseconds(10))
  }

  @Test func `reports about others, about nothing sent, or with an impossible delay are no measurement`() throws {
    var statistics = SenderStatistics(source: 7)
    statistics.packetSent(timestamp: 0, payloadSize: 80, at: start)
    statistics.receive(ReportBlock(source: 8), arrival: start)
    #expect(statistics.remoteReport == nil)
    statistics.receive(ReportBlock(source: 7), arrival: start)
    statistics.receive(ReportBlock(source: 7, lastSenderReport: 12345), arrival: start)
    #expect(statistics.remoteReport != nil)
    #expect(statistics.roundTripTime == nil)

    let info = try #require(senderInfo(&statistics, at: start))
    statistics.receive(
      ReportBlock(source: 7, lastSenderReport: info.ntpTime.compact, delaySinceLastSenderReport: .max), arrival: start)
    #expect(statistics.roundTripTime == .zero)
  }

  @Test func `only the last sixteen reports are remembered`() throws {
    var statistics = SenderStatistics(source: 7)
    statistics.packetSent(timestamp: 0, payloadSize: 80, at: start)
    let times = (0..<17).map { NTPTimestamp(sinceUnixEpoch: .seconds(1_790_000_000 + $0)) }
    for (second, time) in times.enumerated() {
      _ = statistics.takeSenderInfo(at: start + .seconds(second), wallClock: time)
    }
    statistics.receive(ReportBlock(source: 7, lastSenderReport: times[0].compact), arrival: start + .seconds(20))
    #expect(statistics.roundTripTime == nil)
    statistics.receive(ReportBlock(source: 7, lastSenderReport: times[1].compact), arrival: start + .seconds(20))
    #expect(statistics.roundTripTime == .seconds(19))
  }
}

struct NTPTimestampTests {
  @Test(arguments: [
    (Duration.zero, UInt64(2_208_988_800) << 32),
    (.milliseconds(1500), UInt64(2_208_988_801) << 32 | 0x8000_0000),
    (.milliseconds(-500), UInt64(2_208_988_799) << 32 | 0x8000_0000),
    // 2036-02-07T06:28:16Z: the era ends and the count begins anew.
    (.seconds(2_085_978_496), 0),
  ])
  func `a wall clock's time counts from 1900`(time: Duration, raw: UInt64) {
    #expect(NTPTimestamp(sinceUnixEpoch: time).rawValue == raw)
  }

  @Test func `differences are right over the end of the era`() {
    let before = NTPTimestamp(sinceUnixEpoch: .seconds(2_085_978_495))
    let after = NTPTimestamp(sinceUnixEpoch: .milliseconds(2_085_978_497_250))
    #expect(after.since(before) == .milliseconds(2250))
    #expect(before.since(after) == .milliseconds(-2250))
  }
}

struct RTCPSchedulerTests {
  private let start = ContinuousClock.now

  private func isDue(_ scheduler: inout RTCPScheduler, at now: ContinuousClock.Instant, random: Double) -> Bool {
    scheduler.takeDue(at: now, random: random)
  }

  @Test func `reports are spaced between half and one and a half intervals`() {
    var scheduler = RTCPScheduler(at: start, random: 0.5)
    #expect(scheduler.deadline == start + .milliseconds(500))
    #expect(!isDue(&scheduler, at: start + .milliseconds(499), random: 0))
    #expect(isDue(&scheduler, at: start + .milliseconds(500), random: 0))
    #expect(scheduler.deadline == start + .milliseconds(1000))
    #expect(isDue(&scheduler, at: start + .milliseconds(1100), random: 0.999))
    #expect(scheduler.deadline > start + .milliseconds(2500))
    #expect(scheduler.deadline < start + .milliseconds(2600))
  }

  @Test func `after a pause there is one report, not all that were missed`() {
    var scheduler = RTCPScheduler(interval: .seconds(2), at: start, random: 0.5)
    #expect(isDue(&scheduler, at: start + .seconds(60), random: 0.5))
    #expect(!isDue(&scheduler, at: start + .seconds(60), random: 0.5))
    #expect(scheduler.deadline == start + .seconds(62))
  }
}
