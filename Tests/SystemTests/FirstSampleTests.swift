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

/// Measured, and demanded by Tests/Benchmarks/failure-times only.
@Suite(.serialized) struct LateJoiner {
  @Test func `is in the file soon after publishing`() async throws {
    let environment = ProcessInfo.processInfo.environment
    let runs = environment["FIRST_SAMPLE_RUNS"].flatMap { Int($0) } ?? 1
    try await RealInstallation.with { installation in
      let tone = installation.run.file("tone.wav")
      try WaveFile.write((0..<PCM.sampleRate).map { 0.1 * sin(2 * .pi * 440 * Float($0) / 48_000) }, to: tone)
      let path = installation.run.file("call.wav")
      let recorder = try installation.recorder(path)
      let bruno = try installation.talkbridge("join", ["--name", "Bruno", "--input", "none", "--output", "none"])
      try await recorder.event("heard")
      var times: [Double] = []
      for _ in 1...runs {
        let before = try WaveFile.read(path, isGrowing: true).count
        let clara = try installation.talkbridge(
          "join", ["--name", "Clara", "--input", tone, "--loop", "--output", "none"])
        try await eventually(every: .milliseconds(2), "a sample in the file") {
          try WaveFile.read(path, isGrowing: true).dropFirst(before).contains { abs($0) > 0.001 }
        }
        let end = Date.now
        let start = try #require(try await clara.event("publishing").date)
        times.append((end.timeIntervalSince(start) * 1000).rounded())
        try await clara.leave()
        // What is still played of this one is not the next one's.
        let silent = 2 * PCM.sampleRate
        try await eventually("silence") {
          let samples = try WaveFile.read(path, isGrowing: true)
          return samples.count >= before + silent && samples.suffix(silent).allSatisfy { abs($0) < 0.001 }
        }
      }
      times.sort()
      print(
        "a late joiner in the file after \(times[times.count / 2]) ms (median), \(times.last!) ms (worst of \(runs))")
      if environment["FAILURE_TIMES"] != nil { #expect(times.last! <= 2000) }
      for child in [recorder, bruno] { try await child.leave() }
    }
  }
}
