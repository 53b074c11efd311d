import Audio
import TestSupport
import Testing

@Suite(.serialized) struct `A call over IPv6 alone` {
  @Test func `passes through the signaling server and Janus, and is recorded`() async throws {
    try await Rig.withIPv6Alone {
      try await RealInstallation.with(at: Rig.serverAddressV6) { installation in
        let (recording, toBruno) = (installation.run.file("call.wav"), installation.run.file("to Bruno.wav"))
        let recorder = try installation.recorder(recording)
        let bruno = try installation.speaker(.bass, name: "Bruno", output: toBruno)
        let clara = try installation.speaker(.soprano, name: "Clara")
        try await RealInstallation.awaitVoices([.bass, .soprano], in: recording)
        try await RealInstallation.awaitVoices([.soprano], in: toBruno)
        for child in [recorder, bruno, clara] { try await child.leave() }
      }
    }
  }
}
