import Foundation
import TestSupport
import Testing

/// Measured, not demanded: see Tests/Benchmarks/mouth-to-ear, which uses the name.
@Suite(.serialized) struct MouthToEar {
  private struct Figures: Decodable {
    let pieces: Int
    let median: Double?
    let p95: Double?
    let correlation: Double
  }

  @Test func `is told for two talkbridges and two browsers, one after the other`() async throws {
    let seconds = ProcessInfo.processInfo.environment["MOUTH_TO_EAR_SECONDS"].flatMap { Int($0) } ?? 10
    try await RealInstallation.with { installation in
      let pulse = try await PulseDaemon.headset()
      let speech = installation.run.file("speech.wav")
      let maker = try ChildProcess(
        Repository.root + "/.build-venv/bin/python",
        [Repository.root + "/Tests/Benchmarks/recording-quality/speech.py", "\(seconds + 5)", speech])
      #expect(try await maker.exit(within: .seconds(seconds + 60)) == .code(0), "\(maker.transcript)")

      let speaker = try installation.talkbridge(
        "join", ["--name", "Bruno", "--output", "none"], environment: pulse.environment)
      let listener = try installation.talkbridge(
        "join", ["--name", "Clara", "--input", "none"], environment: pulse.environment)
      try await listener.event("heard")
      let ours = try await Self.listen(to: speech, for: seconds, pulse)
      try await speaker.leave()
      try await listener.leave()

      let microphone = try await ChromiumParticipant(
        base: installation.base, token: RealInstallation.token, name: "Bruno", devices: pulse, in: installation.run)
      try await microphone.event("entry") { $0.event == "entered" }
      let loudspeaker = try await ChromiumParticipant(
        base: installation.base, token: RealInstallation.token, name: "Clara", devices: pulse, speaks: false,
        in: installation.run)
      try await loudspeaker.event("sound") { $0.event == "listening" }
      let theirs = try await Self.listen(to: speech, for: seconds, pulse)
      microphone.stop()
      loudspeaker.stop()

      for (name, figures) in [("talkbridge", ours), ("chromium", theirs)] {
        print(
          "\(name): mouth to ear \(figures.median ?? .nan) ms (median), \(figures.p95 ?? .nan) ms (95th percentile) of",
          "\(figures.pieces) seconds, correlation at least \(figures.correlation)")
      }
      #expect(ours.pieces > 0)
    }
  }

  private static func listen(to speech: String, for seconds: Int, _ pulse: PulseDaemon) async throws -> Figures {
    let listener = try ChildProcess(
      Repository.root + "/.build-venv/bin/python",
      [Repository.root + "/Tests/Benchmarks/mouth-to-ear/listen.py", speech, "\(seconds)"],
      environment: pulse.environment)
    #expect(try await listener.exit(within: .seconds(seconds + 60)) == .code(0), "\(listener.transcript)")
    return try JSONDecoder().decode(Figures.self, from: Data(listener.outputBytes))
  }
}
