import Audio
import Foundation
import TestSupport
import Testing

/// Measured, not demanded: see Tests/Benchmarks/first-sample, which uses the name.
@Suite(.serialized) struct FirstSample {
  @Test func `is in the file soon after the start`() async throws {
    let runs = ProcessInfo.processInfo.environment["FIRST_SAMPLE_RUNS"].flatMap { Int($0) } ?? 1
    try await RealInstallation.with { installation in
      let tone = installation.run.file("tone.wav")
      try WaveFile.write((0..<PCM.sampleRate).map { 0.1 * sin(2 * .pi * 440 * Float($0) / 48_000) }, to: tone)
      let speakers = try ["Bruno", "Clara"].map { name in
        try installation.talkbridge("join", ["--name", name, "--input", tone, "--loop", "--output", "none"])
      }
      for speaker in speakers { try await speaker.event("publishing") }
      var times: [Double] = []
      for run in 1...runs {
        let path = installation.run.file("call \(run).wav")
        let start = Date.now
        let recorder = try installation.recorder(path)
        try await eventually(every: .milliseconds(2), "a sample in the file") {
          (try? WaveFile.read(path, isGrowing: true))?.contains { abs($0) > 0.001 } ?? false
        }
        let end = Date.now
        let marks = [
          ("in-call", recorder.events("started").first), ("receiving", recorder.events("receiving").first),
          ("heard", recorder.events("heard").first),
        ].map { name, event in "\(name) \(Self.milliseconds(from: start, to: event?.date ?? start))" }
        times.append(Self.milliseconds(from: start, to: end))
        print("\(marks.joined(separator: ", ")), sample \(times.last!)")
        try await recorder.leave()
      }
      times.sort()
      print("first sample after \(times[times.count / 2]) ms (median), \(times.last!) ms (worst of \(runs))")
      for speaker in speakers { try await speaker.leave() }
    }
  }

  private static func milliseconds(from start: Date, to end: Date) -> Double {
    (end.timeIntervalSince(start) * 1000).rounded()
  }
}
