import OpusCodec
import Playout
import PlayoutSimulator
import TestSupport

/// Languages and voices that nothing was tuned to, on networks as they come: what was sent, what libopus alone makes of it
/// with unlimited patience, and what is played. `score.py` compares them.
struct Voices {
  var directory: String

  private static let networks = [
    "clean", "random loss of 5 %", "bursts of 4, 5 %", "jitter of 30 ms, loss of 5 %",
    "jitter of 80 ms, bursts of 4, 5 %",
  ]

  func run() throws {
    for language in SpokenText.languages {
      var text = SpokenText(language, seed: 99)
      let sound = try text.speak(32)
      let payloads = try EncodedSpeech.packets(of: sound)
      for scenario in Scenario.networks where Self.networks.contains(scenario.name) {
        let name = "\(language.name), \(scenario.name)"
        let simulation = scenario.simulation(payloads)
        try WaveFile.write(sound, to: "\(directory)/\(name).sent.wav")
        try WaveFile.write(try EncodedSpeech.bestOf(simulation.packets), to: "\(directory)/\(name).libopus.wav")
        try WaveFile.write(simulation.run(try OpusDecoder()).samples, to: "\(directory)/\(name).played.wav")
        tell(name)
      }
    }
  }
}

/// Sound with the delay asked for going up and down between 20 and 120 ms every two seconds.
struct Stretch {
  var input: String
  var directory: String

  func run() throws {
    let sound = try WaveFile.read(input)
    let payloads = try EncodedSpeech.packets(of: sound)
    var simulation = Simulation(payloads, through: .clean)
    try WaveFile.write(sound, to: "\(directory)/stretched.sent.wav")
    try WaveFile.write(try EncodedSpeech.bestOf(simulation.packets), to: "\(directory)/stretched.libopus.wav")
    simulation.minimumDelay = { Int($0 / 2) % 2 == 0 ? .milliseconds(20) : .milliseconds(120) }
    let result = simulation.run(try OpusDecoder())
    try WaveFile.write(result.samples, to: "\(directory)/stretched.played.wav")
    let statistics = result.statistics
    tell(
      "inserted \(statistics.insertedSamplesForDeceleration / 48) ms,",
      "removed \(statistics.removedSamplesForAcceleration / 48) ms of \(sound.count / 48) ms")
  }
}
