internal import Foundation
internal import Resampling
internal import TestSupport

/// Speech that nobody has tuned anything to: espeak-ng says sentences put together at random, each in another voice, at
/// another pitch and speed. 48 kHz, about −26 dBFS.
package struct SpokenText {
  package struct Language: Sendable {
    package var name: String
    /// espeak-ng's voices of it.
    package var voices: [String]
    /// What sentences are made of: one of each list, in this order.
    package var parts: [[String]]
  }

  package struct NoSpeech: Error, CustomStringConvertible {
    package let description: String
  }

  package static let english = Language(
    name: "English",
    voices: ["en-us+m1", "en-gb+f2", "en-us+m3", "en-gb-scotland+f4", "en-us+f1", "en-gb+m2", "en-us+m7"],
    parts: [
      ["The old captain", "A young doctor", "Every second child", "Our neighbour", "The tired driver", "A small dog"],
      ["carried", "forgot", "painted", "described", "repaired", "opened", "followed"],
      ["the yellow boat", "seven heavy boxes", "a letter from home", "the garden gate", "the evening train"],
      ["before breakfast", "in the pouring rain", "without a word", "near the harbour", "for the third time"],
    ])
  package static let german = Language(
    name: "German", voices: ["de+m1", "de+f3"],
    parts: [
      ["Der alte Kapitän", "Eine junge Ärztin", "Jedes zweite Kind", "Unsere Nachbarin", "Der müde Fahrer"],
      ["trug", "vergaß", "beschrieb", "öffnete", "suchte"],
      ["das gelbe Boot", "sieben schwere Kisten", "einen Brief von zu Hause", "das Gartentor"],
      ["vor dem Frühstück", "im strömenden Regen", "ohne ein Wort", "zum dritten Mal"],
    ])
  package static let french = Language(
    name: "French", voices: ["fr+m2", "fr+f2"],
    parts: [
      ["Le vieux capitaine", "Une jeune femme", "Notre voisin", "Le chauffeur fatigué"],
      ["portait", "oubliait", "ouvrait", "cherchait"],
      ["le bateau jaune", "sept lourdes caisses", "une lettre de chez nous", "la porte du jardin"],
      ["avant le petit déjeuner", "sous la pluie", "sans un mot", "pour la troisième fois"],
    ])
  package static let mandarin = Language(
    name: "Mandarin", voices: ["cmn+f1", "cmn+m4"],
    parts: [
      ["老船长", "年轻的医生", "我们的邻居", "疲倦的司机"], ["忘记了", "打开了", "修好了", "看见了"],
      ["黄色的小船", "七个重箱子", "花园的门", "家里来的信"], ["在早饭以前", "在大雨中", "没说一句话"],
    ])
  package static let languages = [english, german, french, mandarin]

  private var noise: SeededRandom
  private let language: Language

  package init(_ language: Language = english, seed: UInt64 = 1) {
    self.language = language
    noise = SeededRandom(seed: seed)
  }

  /// The next `seconds` of speech.
  package mutating func speak(_ seconds: Double) throws -> [Float] {
    let count = Int(seconds * 48_000)
    var samples: [Float] = []
    samples.reserveCapacity(count + 48_000 * 20)
    while samples.count < count {
      var text = ""
      for _ in 0..<6 {
        for part in language.parts { text += part[noise.below(part.count)] + " " }
        text += ". "
      }
      samples += try say(
        text, voice: language.voices[noise.below(language.voices.count)], speed: 135 + noise.below(60),
        pitch: 35 + noise.below(40))
    }
    samples.removeLast(samples.count - count)
    let power = samples.reduce(0 as Double) { $0 + Double($1 * $1) } / Double(count)
    let gain = Float(0.05 / power.squareRoot())
    for index in samples.indices { samples[index] *= gain }
    return samples
  }

  private func say(_ text: String, voice: String, speed: Int, pitch: Int) throws -> [Float] {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["espeak-ng", "-v", voice, "-s", "\(speed)", "-p", "\(pitch)", "--stdout", text]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let bytes = [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    // A WAV header of 44 bytes, which knows the rate but, being written to a pipe, no length.
    guard process.terminationStatus == 0, bytes.count > 44 + 2 else {
      throw NoSpeech(description: "espeak-ng says nothing as \(voice)")
    }
    let rate = Int(bytes[24]) | Int(bytes[25]) << 8
    var spoken = stride(from: 44, to: bytes.count - 1, by: 2).map {
      Float(Int16(truncatingIfNeeded: Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8)) / 32_768
    }
    // Its first and last sample are not always silent, which would be a click.
    for index in 0..<min(100, spoken.count) {
      spoken[index] *= Float(index) / 100
      spoken[spoken.count - 1 - index] *= Float(index) / 100
    }
    return try resampled(spoken, from: rate)
  }

  private func resampled(_ samples: [Float], from rate: Int) throws -> [Float] {
    var resampler = try Resampler(from: rate, to: 48_000)
    var output = [Float](repeating: 0, count: samples.count * 48_000 / rate + 1)
    var room = output.mutableSpan
    let produced = resampler.process(samples.span, into: &room).produced
    var rest = room._mutatingExtracting(produced..<room.count)
    _ = resampler.flush(into: &rest)
    return output
  }
}
