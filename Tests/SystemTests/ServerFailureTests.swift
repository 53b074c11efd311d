import Audio
import Foundation
import TalkRoom
import TestSupport
import Testing

@Suite(.serialized) struct `A call whose servers fail` {
  @Test func `is not joined when the signaling server is down`() async throws {
    try await RealInstallation.with { installation in
      installation.stopSignaling()
      let bruno = try installation.speaker(.bass, name: "Bruno")
      #expect(try await bruno.exit() == .code(28))
      #expect(bruno.errorOutput.contains("signaling server"), "\(bruno.story)")
      #expect(await installation.room.names(RealInstallation.token).isEmpty)
    }
  }

  @Test func `is recorded on after a restart of Janus`() async throws {
    try await whileRecording { installation, recording in
      try await installation.restartJanus()
      try await RealInstallation.awaitVoices([.bass], in: recording, within: .seconds(60))
    }
  }

  @Test func `is recorded on after a restart of the signaling server`() async throws {
    try await whileRecording { installation, recording in
      try await installation.restartSignaling(after: .seconds(1))
      try await RealInstallation.awaitVoices([.bass], in: recording, within: .seconds(60))
    }
  }

  @Test func `is found again by those who lost it together, after a restart in which Nextcloud forgot them`()
    async throws
  {
    try await RealInstallation.with { installation in
      let (toBruno, toClara) = (installation.run.file("to Bruno.wav"), installation.run.file("to Clara.wav"))
      let bruno = try installation.speaker(.bass, name: "Bruno", output: toBruno)
      let clara = try installation.speaker(.soprano, name: "Clara", output: toClara)
      try await RealInstallation.awaitVoices([.bass], in: toClara)
      try await RealInstallation.awaitVoices([.soprano], in: toBruno)
      installation.stopSignaling()
      await installation.room.forgetSessions(in: RealInstallation.token)
      try await installation.restartSignaling()
      do {
        try await RealInstallation.awaitVoices([.bass], in: toClara)
        try await RealInstallation.awaitVoices([.soprano], in: toBruno)
      } catch { throw RigError("\(error)\n\(bruno.story)\n\(clara.story)") }
      try await bruno.leave()
      try await clara.leave()
    }
  }

  @Test func `is recorded on after the cable was out for five seconds`() async throws {
    try await whileRecording { installation, recording in
      try await Rig.pullCable()
      try await Task.sleep(for: .seconds(5))
      try await Rig.plugCable()
      try await RealInstallation.awaitVoices([.bass], in: recording, within: .seconds(60))
    }
  }

  @Test func `is recorded to its end when a moderator ends it for all`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      await installation.room.endCall(RealInstallation.token)
      #expect(try await recorder.exit() == .code(0), "\(recorder.story)")
      #expect(try await bruno.exit() == .code(0), "\(bruno.story)")
      let finished = try #require(recorder.events.last)
      #expect(finished.outcome == "call-ended")
      let samples = try WaveFile.read(recording)
      #expect(finished.recordedSamples == samples.count)
      #expect(RealInstallation.voices(in: samples.suffix(2 * PCM.sampleRate)) == [.bass])
    }
  }

  @Test func `ends for whom a moderator removes, with a complete recording`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      await installation.room.remove("Recorder", from: RealInstallation.token)
      #expect(try await recorder.exit() == .code(26), "\(recorder.story)")
      #expect(recorder.errorOutput.contains("removed"))
      #expect(try RealInstallation.voices(in: recording) == [.bass])
      try await bruno.leave()
    }
  }

  /// Has Bruno recorded before, during and after what `disturb` does; the recorder must be the same, and its file whole.
  private func whileRecording(
    _ name: String = #function, disturb: (RealInstallation, _ recording: String) async throws -> Void
  ) async throws {
    try await RealInstallation.with(name) { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      do { try await disturb(installation, recording) } catch {
        throw RigError("\(error)\n\(recorder.story)\n\(bruno.story)")
      }
      try await recorder.leave()
      try await bruno.leave()
      let finished = try #require(recorder.events.last { $0.event == "finished" })
      #expect(finished.recordedSamples == (try WaveFile.read(recording).count))
    }
  }
}
