import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct `The rig` {
  @Test func `has Janus, and a signaling server that uses it`() async throws {
    let run = try RunDirectory()
    let janus = try await JanusServer.start(in: run)
    let signaling = try await SignalingServer.start(in: run)
    let curl = try Rig.client("curl", ["-s", "http://hpb.rig:8081/api/v1/stats"])
    try await curl.exit()
    #expect(curl.output.contains(#""connected": true"#))
    signaling.stop()
    janus.stop()
  }

  @Test func `can drop packets, and heal`() async throws {
    let run = try RunDirectory()
    let coturn = try await CoturnServer.start(in: run)
    defer { coturn.server.stop() }
    func connects() async throws -> Bool {
      let openssl = try Rig.client("timeout", ["1", "openssl", "s_client", "-connect", "10.77.0.1:5349"])
      return try await openssl.exit() == .code(0)
    }
    try await Rig.drop(.output, "tcp dport 5349")
    #expect(try await !connects())
    try await Rig.heal()
    #expect(try await connects())
  }

  @Test func `has a TURN server with a certificate of its own`() async throws {
    let run = try RunDirectory()
    let coturn = try await CoturnServer.start(in: run)
    let (username, password) = try await CoturnServer.credentials(expiry: 1_900_000_000)
    #expect(username == "1900000000:rig")
    #expect(password == "XTT5RX2HZ7UkLnK1LlUxcXeWN3w=")
    let other = try TestAuthority()
    _ = try await other.issue(["IP:\(Rig.serverAddress)"])
    for (authority, verifies) in [(coturn.authority, true), (other, false)] {
      let openssl = try Rig.client(
        "openssl",
        ["s_client", "-connect", "10.77.0.1:5349", "-verify_return_error", "-CAfile", authority.caFile])
      #expect(try await openssl.exit() == .code(verifies ? 0 : 1))
    }
  }

  @Test func `has a PulseAudio daemon whose microphone can be played into`() async throws {
    let pulse = try await PulseDaemon.headset()
    let play = try ChildProcess(
      "paplay", ["--device=microphone", "--raw", "--rate=48000", "--channels=1", "--format=s16le", "/dev/urandom"],
      environment: pulse.environment)
    let record = try ChildProcess(
      "parec", ["--raw", "--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=20"],
      environment: pulse.environment)
    try await eventually("sound on the source") { record.outputBytes.contains { $0 != 0 } }
    record.kill()
    play.kill()
  }
}
