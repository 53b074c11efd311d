package import Playout
internal import TestSupport

/// Speech played by a clock that differs from the sender's, with a click detector that is tried on the same speech first.
package struct LongTalk {
  /// How it went.
  package struct Report: Sendable {
    /// Clicks found in the speech as it was sent: none, or the detector is none.
    package var clicksBefore = 0
    /// Of a hundred clicks of −30 dBFS planted in the speech, how many were found where they are.
    package var plantedFound = 0
    /// Clicks found in what was played.
    package var clicks = 0
    /// The shortest and longest delay by which packets waited, on a mean over a second, in milliseconds.
    package var leastDelay = Double.infinity
    package var mostDelay = 0.0
    package var statistics = PlayoutStatistics()
  }

  private let sound: [Float]
  private var seconds: Double { Double(sound.count) / 48_000 }

  package init(seconds: Double, seed: UInt64 = 1) throws {
    var text = SpokenText(seed: seed)
    sound = try text.speak(seconds)
  }

  /// Plays it, with the consumer's clock so many parts per million fast, over a network with 10 ms of jitter.
  package func run(drift: Double, configuration: PlayoutConfiguration = .lowDelay) -> Report {
    var report = Report()
    var detector = ClickDetector()
    detector.process(sound.span)
    report.clicksBefore = detector.clicks.count
    report.plantedFound = plantedFound()

    var simulation = Simulation(
      PCMDecoder.payloads(sound), through: .jitter(10), configuration: configuration)
    simulation.drift = drift
    // A slow consumer asks for longer than the sender sends.
    simulation.length -= 1 + seconds / 500
    var heard = ClickDetector()
    var second = (delay: Duration.zero, count: 0)
    var pulls = 0
    report.statistics = simulation.run(PCMDecoder(sound)) { samples, _, statistics in
      heard.process(samples)
      pulls += 1
      guard pulls % 100 == 0 else { return }
      let count = statistics.jitterBufferEmittedCount - second.count
      if count > 0, pulls >= 500 {
        let delay = (statistics.jitterBufferDelay - second.delay) / .milliseconds(1) / Double(count)
        report.leastDelay = min(report.leastDelay, delay)
        report.mostDelay = max(report.mostDelay, delay)
      }
      second = (statistics.jitterBufferDelay, statistics.jitterBufferEmittedCount)
    }
    report.clicks = heard.clicks.count
    return report
  }

  /// Plants a hundred clicks of −30 dBFS, half of them single samples, half jumps that decay, and looks for them.
  private func plantedFound() -> Int {
    var damaged = sound
    var noise = SeededRandom(seed: 7)
    let interval = sound.count / 101
    let places = (1...100).map { $0 * interval + noise.below(interval / 2) }
    for (index, place) in places.enumerated() {
      var height: Float = index % 4 < 2 ? 0.031_6 : -0.031_6
      for offset in 0..<(index % 2 == 0 ? 1 : 480) where place + offset < damaged.count {
        damaged[place + offset] += height
        height *= 0.99
      }
    }
    var detector = ClickDetector()
    detector.process(damaged.span)
    return places.count { place in detector.clicks.contains { abs($0 - place) <= 24 } }
  }
}
