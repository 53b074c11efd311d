import Audio
import Foundation
import TalkRoom
import TestSupport
import Testing

@Suite(.serialized) struct `Sound through coturn` {
  @Test(arguments: CoturnServer.Transport.allCases)
  func `goes both ways when nothing else is allowed`(transport: CoturnServer.Transport) async throws {
    try await RealInstallation.with(relay: [transport]) { installation in
      let coturn = try #require(installation.coturn)
      let (toBruno, toClara) = (installation.run.file("to Bruno.wav"), installation.run.file("to Clara.wav"))
      let trust = transport == .tls ? ["--ca-file", coturn.authority.caFile] : []
      let bruno = try installation.speaker(.bass, name: "Bruno", output: toBruno, trust + ["--relay-only"])
      let clara = try installation.speaker(.soprano, name: "Clara", output: toClara, trust + ["--relay-only"])
      try await RealInstallation.awaitVoices([.bass], in: toClara)
      try await RealInstallation.awaitVoices([.soprano], in: toBruno)
      try await clara.leave()
      try await bruno.leave()
      // Each of the two publishes and subscribes: four sessions, with Janus at the other end of each.
      let log = coturn.server.log
      #expect(Self.sessions(in: log, matching: #/session (\d+): new, realm=<rig>, username=</#).count == 4)
      #expect(Self.sessions(in: log, matching: #/session (\d+): peer 10\.77\.0\.1 lifetime updated/#).count == 4)
    }
  }

  @Test(arguments: [CoturnServer.Transport.tcp, .tls])
  func `passes where UDP does not`(transport: CoturnServer.Transport) async throws {
    try await Rig.drop(.output, "meta l4proto udp")
    try await Rig.drop(.input, "meta l4proto udp")
    do {
      try await RealInstallation.with(relay: [transport]) { installation in
        let toClara = installation.run.file("to Clara.wav")
        let trust = try ["--ca-file", #require(installation.coturn).authority.caFile]
        let bruno = try installation.speaker(.bass, name: "Bruno", trust)
        let clara = try installation.speaker(.soprano, name: "Clara", output: toClara, trust)
        try await RealInstallation.awaitVoices([.bass], in: toClara)
        try await clara.leave()
        try await bruno.leave()
      }
    } catch {
      try await Rig.heal()
      throw error
    }
    try await Rig.heal()
  }

  @Test func `is not entrusted to a server that cannot prove who it is`() async throws {
    try await RealInstallation.with(relay: [.tls]) { installation in
      let stranger = try TestAuthority()
      _ = try await stranger.issue(["DNS:stranger"])
      let bruno = try installation.speaker(.bass, name: "Bruno", ["--relay-only", "--ca-file", stranger.caFile])
      #expect(try await bruno.exit() == .code(22))
      // What was tried, and what was wrong with it.
      #expect(bruno.errorOutput.contains("turns:10.77.0.1:5349"), "\(bruno.story)")
      #expect(bruno.errorOutput.contains("certificate"), "\(bruno.story)")
      #expect(bruno.events("failed").map(\.error) == ["no-media-path"])
      #expect(installation.coturn?.server.log.contains(": new, ") == false)
      #expect(await installation.room.namesInCall(RealInstallation.token).isEmpty)
    }
  }

  private static func sessions(in log: String, matching pattern: Regex<(Substring, Substring)>) -> Set<Substring> {
    Set(log.matches(of: pattern).map(\.output.1))
  }
}
