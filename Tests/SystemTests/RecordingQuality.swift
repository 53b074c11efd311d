import Foundation
import OpusCodec
import TestSupport

/// How good a recording of a call is, beside what libopus alone does to the same speech; see
/// Tests/Benchmarks/recording-quality.
struct RecordingQuality: Decodable {
  let seconds: Double
  let segments: Int
  let pesqLibopus: Double
  let pesqRecording: Double
  let pesqWorstLoss: Double
  let driftMilliseconds: Double
  let speechBlocks: Int
  let gapBlocks: Int
  let correlation: Double

  /// How long the recordings are that the tests make, in seconds: RECORDING_SECONDS, or 60.
  static var recordingSeconds: Int {
    ProcessInfo.processInfo.environment["RECORDING_SECONDS"].flatMap { Int($0) } ?? 60
  }

  /// What became of a recording made by `record`.
  struct Recording {
    let path: String
    /// What the recorder told on its standard output (`--json`).
    let events: String
    /// How long it was recorded, by the wall clock.
    var wallTime: Duration? {
      guard let start = time(of: "started"), let end = time(of: "leaving") else { return nil }
      return .seconds(end.timeIntervalSince(start))
    }

    private func time(of event: String) -> Date? {
      events.split(separator: "\n").lazy.compactMap { line in
        try? JSONDecoder().decode(LoggedEvent.self, from: Data(line.utf8))
      }.first { $0.event == event }?.date
    }

    /// The last of the numbers with this name in the events, wherever it stands; nil if there is none.
    func number(_ name: String) -> Double? {
      events.split(separator: "\n").reversed().lazy.compactMap { line in
        Self.number(name, in: (try? JSONSerialization.jsonObject(with: Data(line.utf8))) ?? 0)
      }.first
    }

    private static func number(_ name: String, in value: Any) -> Double? {
      if let object = value as? [String: Any] {
        return (object[name] as? NSNumber)?.doubleValue ?? object.values.lazy.compactMap { number(name, in: $0) }.first
      }
      return (value as? [Any])?.lazy.compactMap { number(name, in: $0) }.first
    }
  }

  /// Records this many seconds of a conversation in which a second talkbridge plays the speech file. Both run at the far
  /// end of the rig's cable; the recorder is there first.
  static func record(
    _ url: String, seconds: Int, playing speech: String, in run: RunDirectory
  ) async throws -> Recording {
    let path = run.file("recording.wav")
    let recorder = try Rig.client(
      "talkbridge", ["record", url, "--output", path, "--duration", "\(seconds)", "--name", "Recorder", "--json"])
    let speaker = try Rig.client(
      "talkbridge", ["join", url, "--input", speech, "--output", "none", "--name", "Speaker"])
    let exit = try await recorder.exit(within: .seconds(seconds + 30))
    guard exit == .code(0) else { throw RigError("\(recorder.story)\n\(speaker.transcript)") }
    guard try await speaker.terminate() == .code(0) else { throw RigError(speaker.transcript) }
    return Recording(path: path, events: recorder.output)
  }

  /// Makes speech of this length at this path.
  static func makeSpeech(seconds: Int, at path: String) async throws {
    _ = try await python("speech.py", ["\(seconds)", path])
  }

  /// Compares a recording with the speech that was sent.
  static func measure(recording: String, of speech: String, in run: RunDirectory) async throws -> RecordingQuality {
    let libopus = run.file("libopus.wav")
    try WaveFile.write(try encodedAndDecoded(try WaveFile.read(speech)), to: libopus)
    let scores = try await python("score.py", [speech, libopus, recording])
    return try JSONDecoder().decode(RecordingQuality.self, from: Data(scores.utf8))
  }

  /// What is left of samples after our encoder, as it is set for a call, and libopus's decoder.
  static func encodedAndDecoded(_ samples: [Float]) throws -> [Float] {
    var encoder = try OpusEncoder()
    var decoder = try OpusDecoder()
    var packet = [UInt8](repeating: 0, count: OpusEncoder.maximumPacketSize)
    var block = [Float](repeating: 0, count: 5_760)
    var result: [Float] = []
    for start in stride(from: 0, through: samples.count - 960, by: 960) {
      var packetSpan = packet.mutableSpan
      let size = try encoder.encode(samples.span.extracting(start..<start + 960), into: &packetSpan)
      var blockSpan = block.mutableSpan
      guard let count = decoder.decode(packet.span.extracting(0..<size), into: &blockSpan) else {
        throw RigError("libopus refuses its own packet")
      }
      result += block[..<count]
    }
    return result
  }

  private static func python(_ script: String, _ arguments: [String]) async throws -> String {
    let python = try ChildProcess(
      "\(Repository.root)/.build-venv/bin/python",
      ["\(Repository.root)/Tests/Benchmarks/recording-quality/\(script)"] + arguments)
    guard try await python.exit(within: .seconds(600)) == .code(0) else { throw RigError(python.transcript) }
    return python.output
  }
}
