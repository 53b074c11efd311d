import RTP
import TestSupport
import Testing

@Suite struct SpeechRateControlTests {
  var control = SpeechRateControl()

  mutating func report(_ count: Int, loss: Double = 0, roundTrip: Double? = 0.05) {
    for _ in 0..<count { control.receive(fractionLost: loss, roundTripTime: roundTrip) }
  }

  @Test mutating func `a clean network changes nothing`() {
    report(600)
    #expect(control.bitrate == SpeechRateControl.cleanBitrate)
    #expect(control.expectedLoss == 5)
  }

  @Test mutating func `loss is prepared for within three reports, and bits for the copies are added`() {
    report(3, loss: 0.08)
    #expect(control.expectedLoss >= 7)
    #expect(control.bitrate > 48_000)
    report(30, loss: 0.08)
    #expect(control.expectedLoss == 8)
    #expect(control.bitrate > 52_000)
  }

  @Test mutating func `one lossy second is forgotten within half a minute, not within one report`() {
    report(1, loss: 0.2)
    #expect(control.expectedLoss == 10)
    report(1)
    #expect(control.expectedLoss > 5)
    report(30)
    #expect(control.expectedLoss == 5)
    #expect(control.bitrate == SpeechRateControl.cleanBitrate)
  }

  @Test mutating func `a queue is answered by fewer bits, down to the least, and slowly tried again`() {
    report(10)
    report(10, loss: 0.05, roundTrip: 0.4)
    #expect(control.bitrate == SpeechRateControl.bitrates.lowerBound)
    report(5)
    #expect(control.bitrate < 25_000)
    report(40)
    #expect(control.bitrate == SpeechRateControl.cleanBitrate)
  }

  @Test mutating func `heavy loss without a queue takes bits too, but not the speech`() {
    report(60, loss: 0.3)
    #expect(control.bitrate == 24_000)
    #expect(control.expectedLoss == 30)
  }

  @Test mutating func `a tenth lost by chance is no full network`() {
    var random = SeededRandom(seed: 4)
    for _ in 0..<600 {
      let lost = (0..<50).count { _ in Double.random(in: 0..<1, using: &random) < 0.1 }
      report(1, loss: Double(lost) / 50)
    }
    #expect(control.bitrate > 48_000)
    #expect((10...20).contains(control.expectedLoss))
  }

  @Test mutating func `a route that is longer for good is no queue for ever`() {
    report(10, roundTrip: 0.02)
    report(1_000, roundTrip: 0.3)
    #expect(control.bitrate == SpeechRateControl.cleanBitrate)
  }

  @Test mutating func `whatever reports say, rates stay within their bounds`() {
    var random = SeededRandom(seed: 8)
    for _ in 0..<100_000 {
      let loss = Double.random(in: -0.5...1.5, using: &random)
      let trip = [nil, .nan, .infinity, -1, 0, 0.05, 3][Int.random(in: 0..<7, using: &random)]
      control.receive(fractionLost: random.next() % 3 == 0 ? 0 : loss, roundTripTime: trip)
      #expect(SpeechRateControl.bitrates.contains(control.bitrate))
      #expect(SpeechRateControl.expectedLosses.contains(control.expectedLoss))
    }
  }
}
