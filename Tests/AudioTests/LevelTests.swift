import Audio
import Glibc
import Testing

@Suite struct LevelTests {
  @Test func `a square wave of full scale reads zero`() {
    let level = LevelMeter.level(of: [Float](repeating: -1, count: 960).span)
    #expect(level.peak == 0)
    #expect(abs(level.rms) < 1e-4)
    #expect(level.negativeDecibelsOverload == 0)
  }

  @Test func `a tenth of full scale reads minus twenty`() {
    let level = LevelMeter.level(of: [Float](repeating: 0.1, count: 960).span)
    #expect(abs(level.peak + 20) < 1e-3)
    #expect(abs(level.rms + 20) < 1e-3)
    #expect(level.negativeDecibelsOverload == 20)
  }

  @Test func `silence and nothing at all read 127`() {
    var meter = LevelMeter()
    #expect(meter.take() == .silence)
    meter.process([Float](repeating: 0, count: 960).span)
    #expect(meter.take().negativeDecibelsOverload == 127)
    #expect(LevelMeter.level(of: [1e-9].span).negativeDecibelsOverload == 127)
  }

  @Test func `a block's level is that of a meter that heard nothing else, whatever its length`() {
    var generator = SystemRandomNumberGenerator()
    var meter = LevelMeter()
    for count in [1, 7, 8, 9, 480, 961] {
      let samples = (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
      let level = meter.process(samples.span)
      let energy = samples.reduce(0) { $0 + Double($1 * $1) } / Double(count)
      #expect(level.peak == 20 * log10(samples.map(abs).max()!))
      #expect(abs(Double(level.rms) - 10 * log10(energy)) < 1e-3)
    }
  }

  @Test func `a reading starts anew`() {
    var meter = LevelMeter()
    meter.process([1, 1].span)
    _ = meter.take()
    meter.process([0.1, -0.1].span)
    #expect(abs(meter.take().peak + 20) < 1e-3)
  }

  @Test func `garbage gives a finite level`() {
    let level = LevelMeter.level(of: [Float.nan, .infinity, 1e30].span)
    #expect(level.rms.isFinite)
    #expect(level.negativeDecibelsOverload == 0)
  }
}
