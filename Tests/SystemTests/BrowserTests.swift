import Audio
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct `A browser in the call` {
  @Test func `hears us, is heard by us, and both know of each other`() async throws {
    try await RealInstallation.with { installation in
      let toBruno = installation.run.file("to Bruno.wav")
      let bruno = try installation.speaker(.bass, name: "Bruno", output: toBruno)
      // Its camera is offered to us as well, and to be refused without harm.
      let browser = try await ChromiumParticipant(
        token: RealInstallation.token, name: "Clara", microphone: try installation.speech(of: .soprano), video: true,
        in: installation.run)
      try await installation.awaitCall(of: "Bruno", "Clara")
      try await RealInstallation.awaitVoices([.soprano], in: toBruno)
      try await bruno.event("participant-renamed") { $0.name == "Clara" }
      #expect(bruno.events("publishing-failed").isEmpty)

      let identifier = try await browser.event("being told our name") {
        $0.event == "status" && $0.type == "nickChanged"
      }
      .peer!
      #expect(browser.identifier(of: "Bruno") == identifier)
      let heard = try await browser.sound(from: identifier, lasting: .seconds(4))
      #expect(RealInstallation.voices(in: heard) == [.bass])
      for state in ["audioOn", "videoOff", "speaking"] {
        try await browser.event(state) { $0.event == "status" && $0.peer == identifier && $0.type == state }
      }
      let path = try await browser.event("path") { $0.event == "path" && $0.peer == identifier }
      #expect(path.local == "host")
      try await bruno.leave()
      try await browser.event("seeing us leave") { $0.event == "left" && $0.peer == identifier }
      #expect(!browser.events.contains { $0.event == "failed" || $0.event == "refused" })
      browser.stop()
    }
  }

  @Test func `may send nothing while it is muted, and is recorded again when it is not`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      // Muted for longer than a stream may be silent before we look after it.
      let browser = try await ChromiumParticipant(
        token: RealInstallation.token, name: "Clara", microphone: try installation.speech(of: .soprano),
        mutes: (.seconds(6), .seconds(14)), in: installation.run)
      try await RealInstallation.awaitVoices([.soprano], in: recording)
      try await recorder.event("participant-muted") { $0.muted == true }
      try await RealInstallation.awaitVoices([], in: recording)
      try await browser.event("unmuting") { $0.event == "unmuted" }
      try await RealInstallation.awaitVoices([.soprano], in: recording)
      #expect(recorder.events("receiving").count == 1)
      #expect(recorder.events("participant-left").isEmpty)
      try await recorder.leave()
      browser.stop()
    }
  }
}
