import Foundation
import TestSupport
import Testing

/// The name is used by Tests/Benchmarks/recording-quality.
@Suite(.serialized) struct RecordingThroughJanus {
  @Test func `is as good as libopus alone, and as long as it took`() async throws {
    try await RealInstallation.with { installation in
      let seconds = RecordingQuality.recordingSeconds
      let speech = installation.run.file("speech.wav")
      try await RecordingQuality.makeSpeech(seconds: seconds + 10, at: speech)
      let recording = try await RecordingQuality.record(
        installation.url, seconds: seconds, playing: speech, in: installation.run)
      let quality = try await RecordingQuality.measure(recording: recording.path, of: speech, in: installation.run)
      let wallTime = try #require(recording.wallTime) / .seconds(1)
      print("\(quality), wall time \(wallTime)")
      #expect(quality.pesqLibopus - quality.pesqRecording <= 0.05)
      #expect(quality.gapBlocks == 0)
      #expect(quality.driftMilliseconds <= 20)
      #expect(abs(quality.seconds - wallTime) <= 0.02)
      #expect(wallTime >= Double(seconds))
      #expect(recording.number("concealedSamples") == 0)
    }
  }
}
