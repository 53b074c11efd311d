import Foundation
import Playout
import PlayoutSimulator
import TestSupport

/// What cutting sound to length does to music, where no pitch period fits all voices: chords, a bass, hats and a drum.
///
/// Each 20 ms of what is played is laid over what was sent, where it fits best. Where nothing was cut it fits to the bit;
/// where it was, the difference is heard, the more the less it fits.
struct Music {
  var directory: String

  private static let seconds = 60

  func run() throws {
    let sound = Self.sound(seconds: Self.seconds)
    try WaveFile.write(sound, to: "\(directory)/music.sent.wav")
    var simulation = Simulation(PCMDecoder.payloads(sound), through: .jitter(20))
    simulation.drift = 200
    try judge(simulation, sound, "clock 200 ppm fast, jitter of 20 ms")
    simulation = Simulation(PCMDecoder.payloads(sound), through: .clean)
    simulation.minimumDelay = { Int($0 / 10) % 2 == 0 ? .milliseconds(20) : .milliseconds(120) }
    try judge(simulation, sound, "delay stepped 20, 120 ms every 10 s")
    simulation.minimumDelay = { Int($0 / 2) % 2 == 0 ? .milliseconds(20) : .milliseconds(120) }
    try judge(simulation, sound, "delay stepped 20, 120 ms every 2 s")
  }

  private func judge(_ simulation: Simulation, _ sound: [Float], _ name: String) throws {
    let result = simulation.run(PCMDecoder(sound))
    try WaveFile.write(result.samples, to: "\(directory)/music \(name).played.wav")
    var detector = ClickDetector()
    detector.process(result.samples.span)
    var before = ClickDetector()
    before.process(sound.span)
    let fits = Self.fits(result.samples, sound)
    let touched = fits.map(\.ratio).filter { $0 < 60 }.sorted()
    let statistics = result.statistics
    tell(
      "\(name): \((statistics.insertedSamplesForDeceleration + statistics.removedSamplesForAcceleration) / 48) ms cut in",
      "\(Self.seconds) s; \(rounded(Double(touched.count) / Double(fits.count) * 100, 1)) % of it touched, there",
      "\(touched.isEmpty ? "-" : rounded(touched[touched.count / 2], 1)) dB alike in the middle,",
      "\(rounded(touched.first ?? 60, 1)) at worst; clicks \(detector.clicks.count), before \(before.clicks.count)")
    try picture(fits, name).write(toFile: "\(directory)/music \(name).svg", atomically: true, encoding: .utf8)
  }

  /// For each 20 ms played: how late it is, in milliseconds, and how much stronger it is than its difference from what was
  /// sent, in dB, 60 at most.
  static func fits(_ played: [Float], _ sent: [Float]) -> [(delay: Double, ratio: Double)] {
    func ratio(at start: Int, delayedBy lag: Int) -> Double {
      guard start - lag >= 0, start - lag + 960 <= sent.count else { return 0 }
      var (power, difference): (Float, Float) = (1e-9, 1e-9)
      for index in start..<(start + 960) {
        let deviation = played[index] - sent[index - lag]
        power += sent[index - lag] * sent[index - lag]
        difference += deviation * deviation
      }
      return min(60, 10 * log10(Double(power / difference)))
    }
    var result: [(delay: Double, ratio: Double)] = []
    var lag = 1_440
    for start in stride(from: 48_000, to: played.count - 960, by: 960) {
      var best = (lag: lag, ratio: ratio(at: start, delayedBy: lag))
      if best.ratio < 60 {
        for candidate in (lag - 900)...(lag + 900) {
          let ratio = ratio(at: start, delayedBy: candidate)
          if ratio > best.ratio { best = (candidate, ratio) }
        }
      }
      lag = best.lag
      result.append((Double(lag) / 48, best.ratio))
    }
    return result
  }

  /// Chords that change every second, with a bass, a hat four times and a drum once a second.
  static func sound(seconds: Int) -> [Float] {
    let chords: [[Double]] = [[220, 261.6, 329.6], [174.6, 220, 261.6], [130.8, 164.8, 196], [196, 246.9, 293.7]]
    var noise = SeededRandom(seed: 6)
    return (0..<(seconds * 48_000)).map { index in
      let time = Double(index) / 48_000
      let phase = time.truncatingRemainder(dividingBy: 1)
      let chord = chords[Int(time) % chords.count]
      let attack = min(phase / 0.01, 1) * min((1 - phase) / 0.01, 1)
      var value = 1.2 * sine(chord[0] / 2, time)
      for pitch in chord {
        for harmonic in 1...6 {
          let strength = exp(-phase * Double(harmonic) / 2) / Double(harmonic * harmonic)
          value += sine(pitch * Double(harmonic), time) * strength
        }
      }
      value *= attack * 0.06
      let beat = (time * 4).truncatingRemainder(dividingBy: 1)
      value += (noise.uniform() - 0.5) * 0.08 * exp(-beat * 12)
      value += 0.15 * sine(60, phase) * exp(-phase * 15)
      return Float(value)
    }
  }

  private static func sine(_ frequency: Double, _ time: Double) -> Double { sin(2 * Double.pi * frequency * time) }

  private func picture(_ fits: [(delay: Double, ratio: Double)], _ name: String) -> String {
    let width = 1_000.0
    func points(_ values: [Double], _ highest: Double, from top: Double) -> String {
      values.enumerated().map { index, value in
        "\(rounded(40 + Double(index) / Double(values.count) * width, 1)),"
          + "\(rounded(top + 120 * (1 - min(max(value / highest, 0), 1)), 1))"
      }.joined(separator: " ")
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width + 60)" height="330" font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="white"/>
      <text x="40" y="18" font-size="14">music, \(name)</text>
      <text x="40" y="36">each 20 ms: dB by which it is stronger than its difference from what was sent (top: 60, bottom: 0)</text>
      <polyline points="\(points(fits.map(\.ratio), 60, from: 42))" fill="none" stroke="#1f77b4"/>
      <text x="40" y="184">delay (top: 180 ms)</text>
      <polyline points="\(points(fits.map(\.delay), 180, from: 190))" fill="none" stroke="#d62728"/>
      </svg>
      """
  }
}
