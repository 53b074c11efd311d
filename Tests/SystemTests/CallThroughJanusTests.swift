import Audio
import AudioFiles
import Foundation
import Gateway
import Logging
import TalkClient
import TalkProtocol
import TalkRoom
import TestSupport
import Testing
import Transport

@Suite(.serialized) struct `A call through Janus` {
  @Test func `carries each voice to all but its own speaker`() async throws {
    try await RealInstallation.with { installation in
      let (toBruno, toClara, recording) = (
        installation.run.file("to Bruno.wav"), installation.run.file("to Clara.wav"), installation.run.file("call.wav")
      )
      let bruno = try installation.speaker(.bass, name: "Bruno", output: toBruno)
      let clara = try installation.speaker(.soprano, name: "Clara", output: toClara)
      try await installation.awaitCall(of: "Bruno", "Clara")
      let recorder = try installation.recorder(recording, ["--duration", "4s"])
      #expect(try await recorder.exit() == .code(0), "\(recorder.story)")
      try await bruno.leave()
      try await clara.leave()
      #expect(try RealInstallation.voices(in: recording) == [.bass, .soprano])
      #expect(try RealInstallation.voices(in: toBruno) == [.soprano])
      #expect(try RealInstallation.voices(in: toClara) == [.bass])
      #expect(recorder.heard.count == 2)
      let finished = try #require(recorder.events.last { $0.event == "finished" })
      #expect(Set(finished.participants?.map(\.name) ?? []) == ["Bruno", "Clara"])
      #expect(await installation.room.names(RealInstallation.token).isEmpty)
    }
  }

  @Test func `goes on when somebody comes late, leaves, and returns`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      try await recorder.event("phase") { $0.phase == "waiting-for-call" }
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)

      let clara = try installation.speaker(.soprano, name: "Clara")
      try await RealInstallation.awaitVoices([.bass, .soprano], in: recording)
      try await clara.leave()
      try await recorder.event("participant-left")
      try await RealInstallation.awaitVoices([.bass], in: recording)

      let again = try installation.speaker(.soprano, name: "Clara")
      try await RealInstallation.awaitVoices([.bass, .soprano], in: recording)
      #expect(recorder.heard.count == 3)
      try await bruno.leave()
      try await again.leave()
      try await eventually("the recorder to be alone") { recorder.events("participant-left").count == 3 }
      try await RealInstallation.awaitVoices([], in: recording)
      try await recorder.leave()
      #expect(recorder.events.last?.event == "finished")
    }
  }

  @Test func `is recorded on while its only speaker is muted`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      var options = CallOptions(
        call: .init(address: try ConversationAddress(installation.url), role: .participant, displayName: "Bruno"))
      options.input = FileInput(path: try installation.speech(of: .bass), repeats: true)
      let gateway = CallGateway(
        options,
        connection: TalkConnection(
          settings: TransportSettings(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
      async let speaking = gateway.run()
      try await RealInstallation.awaitVoices([.bass], in: recording)
      await gateway.setMuted(true)
      try await recorder.event("participant-muted") { $0.muted == true }
      try await RealInstallation.awaitVoices([], in: recording)
      await gateway.setMuted(false)
      try await RealInstallation.awaitVoices([.bass], in: recording)
      #expect(recorder.events("participant-muted").map(\.muted).suffix(2) == [true, false])
      #expect(recorder.events("receiving").count == 1)
      try await recorder.leave()
      await gateway.leave()
      _ = try await speaking
    }
  }
}
