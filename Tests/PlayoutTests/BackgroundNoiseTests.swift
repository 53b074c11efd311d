import PlayoutSimulator
import TestSupport
import Testing

@testable import Playout

@Suite struct BackgroundNoiseTests {
  /// Speech of −26 dBFS every other second over a background of so many dBFS, and a gap of two seconds at 10 s.
  func run(background: Float, _ configuration: PlayoutConfiguration = .lowDelay) -> Simulation.Result {
    var noise = SeededRandom(seed: 2)
    var sound: [Float] = []
    for index in 0..<(48_000 * 20) {
      let isSpeaking = index / 48_000 % 2 == 0
      let level = isSpeaking ? 0.087 : background * 1.732
      sound.append(Float(noise.uniform() * 2 - 1) * level)
    }
    let simulation = Simulation(
      PCMDecoder.payloads(sound), through: .outage(from: 10, to: 12, isLost: true), configuration: configuration)
    return simulation.run(PCMDecoder(sound))
  }

  func level(_ samples: some Collection<Float>) -> Float {
    (samples.reduce(0) { $0 + $1 * $1 } / Float(samples.count)).squareRoot()
  }

  @Test(arguments: [0.001, 0.003] as [Float])
  func `a long gap is filled with noise as loud as the background`(background: Float) {
    let result = run(background: background)
    let gap = result.samples[(48_000 * 11)..<(48_000 * 12)]
    #expect(level(gap) > background * 0.7)
    #expect(level(gap) < background * 1.2)
    #expect(result.statistics.silentConcealedSamples > 48_000 * 3 / 2)
  }

  @Test func `there is no noise where there is no background, where it is loud, or in a recording`() {
    for result in [run(background: 0), run(background: 0.03), run(background: 0.003, .recording)] {
      #expect(level(result.samples[(48_000 * 11 + 9_600)..<(48_000 * 12)]) == 0)
    }
  }

  @Test func `gaps begin and end without a click`() {
    var detector = ClickDetector()
    detector.process(run(background: 0.003).samples.span)
    // The speech here is noise switched on and off every second; what is between is looked at.
    #expect(detector.clicks.allSatisfy { !((48_000 * 10 + 6_000)..<(48_000 * 12)).contains($0) })
  }
}
