import Playout
import PlayoutSimulator
import Testing

/// Less than a minute of real speech; `bench-playout hour` runs the same for an hour.
@Suite struct LongTalkTests {
  static let talk = Result { try LongTalk(seconds: 45) }

  @Test(arguments: [150.0, -1_000])
  func `a clock that differs is followed without a click`(drift: Double) throws {
    let report = try Self.talk.get().run(drift: drift)
    #expect(report.clicksBefore == 0)
    #expect(report.plantedFound == 100)
    #expect(report.clicks == 0)
    #expect(report.statistics.concealedSamples == 0)
    #expect(report.mostDelay - report.leastDelay < 25)
    // 1000 ppm of 45 s are 45 ms.
    let cut =
      report.statistics.removedSamplesForAcceleration - report.statistics.insertedSamplesForDeceleration
    #expect(abs(Double(cut) / 48 + drift * 0.045) < 25)
  }
}
