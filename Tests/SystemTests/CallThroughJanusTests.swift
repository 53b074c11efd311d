import Audio
import Foundation
import TalkRoom
import TestSupport
import Testing

@Suite(.serialized) struct `A call through Janus` {
  @Test func `is published by one and recorded by another`() async throws {
    try await RealInstallation.with { installation in
      let speaker = try installation.speaker(.bass, name: "Bruno")
      try await installation.awaitCall(of: "Bruno")
      let path = installation.run.file("call.wav")
      let recorder = try installation.talkbridge("record", ["--output", path, "--duration", "4s"])
      #expect(try await recorder.exit() == .code(0), "\(recorder.transcript)")
      #expect(try RealInstallation.voices(in: path) == [.bass])
      #expect(try await speaker.terminate() == .code(0), "\(speaker.transcript)")
      #expect(await installation.room.names(RealInstallation.token).isEmpty)
    }
  }
}
