import Playout
import PlayoutSimulator

/// A long talk between clocks that differ: no click, and the delay stays.
struct Hour {
  var drift: Double
  var seconds: Double

  func run() throws {
    var start = threadTime()
    let report = try LongTalk(seconds: seconds).run(drift: drift)
    tell("\(rounded(seconds)) s of speech, clocks \(drift) ppm apart, in \(rounded(threadTime() - start, 1)) s")
    start = threadTime()
    tell(
      "clicks in the speech itself \(report.clicksBefore), of 100 planted found \(report.plantedFound),",
      "in what was played \(report.clicks)")
    tell(
      "delay \(rounded(report.leastDelay, 1)) … \(rounded(report.mostDelay, 1)) ms,",
      "inserted \(report.statistics.insertedSamplesForDeceleration), removed \(report.statistics.removedSamplesForAcceleration)",
      "samples, concealed \(report.statistics.concealedSamples)")
  }
}
