import Foundation
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

/// `talkbridge inspect` finds the right cause where real servers are broken.
@Suite(.serialized) struct `Looking into an installation` {
  private struct Finding: Decodable {
    let event: String
    let check: String?
    let verdict: String?
    let summary: String?
    let problem: String?
    let cause: String?
  }

  /// Runs `inspect` at the far end of the cable.
  private static func look(
    into url: String, _ more: [String] = []
  ) async throws -> (findings: [Finding], exit: ChildProcess.Exit, transcript: String) {
    let child = try Rig.client("talkbridge", ["inspect", url, "--json"] + more)
    let exit = try await child.exit(within: .seconds(60))
    let findings = try child.output.split(separator: "\n").map { line in
      try JSONDecoder().decode(Finding.self, from: Data(line.utf8))
    }
    return (findings, exit, child.transcript)
  }

  /// Expects this and no other problem.
  private static func expect(
    _ problems: [String], saying words: String, status: Int32, into url: String, _ more: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let (findings, exit, transcript) = try await look(into: url, more)
    #expect(
      findings.compactMap(\.problem).filter { $0 != "insecure" } == problems, "\(transcript)",
      sourceLocation: sourceLocation)
    #expect(findings.contains { $0.cause?.contains(words) == true }, "\(transcript)", sourceLocation: sourceLocation)
    #expect(exit == .code(status), "\(transcript)", sourceLocation: sourceLocation)
  }

  @Test func `that works finds nothing, and TURN by every way`() async throws {
    try await RealInstallation.with(relay: CoturnServer.Transport.allCases) { installation in
      let trust = try ["--ca-file", #require(installation.coturn).authority.caFile]
      let (findings, exit, transcript) = try await Self.look(into: installation.url, trust + ["--call"])
      #expect(exit == .code(0), "\(transcript)")
      #expect(findings.filter { $0.check == "turn" && $0.verdict == "ok" }.count == 3, "\(transcript)")
      for check in ["path", "sending", "receiving"] {
        #expect(findings.first { $0.check == check }?.verdict == "ok", "\(transcript)")
      }
      #expect(await installation.room.names(RealInstallation.token).isEmpty)
    }
  }

  @Test func `whose signaling server is down says so`() async throws {
    try await RealInstallation.with { installation in
      installation.stopSignaling()
      try await Self.expect(["signaling-unreachable"], saying: "It is down", status: 28, into: installation.url)
    }
  }

  @Test func `whose signaling server's address is wrong says so`() async throws {
    // Nextcloud's own address, with no signaling server below it; and a name that does not exist.
    for address in ["http://\(Rig.serverAddress):8080", "https://hpb.invalid"] {
      try await RealInstallation.with {
        $0.externalSignaling?.url = address
      } _: { installation in
        try await Self.expect(["signaling-unreachable"], saying: "is wrong", status: 28, into: installation.url)
      }
    }
  }

  @Test func `whose TURN secret is wrong says so`() async throws {
    try await RealInstallation.with(relay: [.udp, .tcp]) {
      $0.turnServers = $0.turnServers.map { .init(urls: $0.urls, secret: "another") }
    } _: { installation in
      try await Self.expect(
        ["turn-credentials-refused", "turn-credentials-refused"], saying: "static-auth-secret", status: 50,
        into: installation.url)
    }
  }

  @Test func `whose TURN over TCP is blocked says so`() async throws {
    try await Rig.drop(.output, "tcp dport 3478")
    do {
      try await RealInstallation.with(relay: [.udp, .tcp]) { installation in
        try await Self.expect(
          ["ice-server-silent"], saying: "drops TCP to port 3478", status: 50, into: installation.url)
      }
    } catch {
      try await Rig.heal()
      throw error
    }
    try await Rig.heal()
  }

  @Test func `whose TURN over TCP is refused says so`() async throws {
    let closed = "turn:\(Rig.serverAddress):3479?transport=tcp"
    try await RealInstallation.with(relay: [.udp]) {
      $0.turnServers.append(.init(urls: [closed], secret: CoturnServer.secret))
    } _: { installation in
      try await Self.expect(["ice-server-refused"], saying: "TCP port 3479", status: 50, into: installation.url)
    }
  }

  @Test(arguments: [600, -600]) func `whose clocks are ten minutes apart says whose`(seconds: Int) async throws {
    try await RealInstallation.with { installation in
      await installation.room.setFaults { $0.nextcloudClockShift = .seconds(seconds) }
      try await Self.expect(
        ["clocks-differ", "signaling-refused"], saying: "Nextcloud's that is off", status: 50, into: installation.url)
    }
  }

  @Test func `that keeps guests silent or out says so`() async throws {
    var silent = HostedConversation(token: "silentroom", name: "Silent")
    silent.guestPermissions = Permissions.guestDefault.subtracting(.publishAudio).union(.custom)
    try await RealInstallation.with(conversations: [silent]) { installation in
      try await Self.expect(
        ["publishing-forbidden"], saying: "permission for the microphone", status: 18,
        into: installation.base + "/call/silentroom", ["--call"])
      try await Self.expect(
        ["unknown-conversation"], saying: "link is wrong", status: 14, into: installation.base + "/call/elsewhere")
    }
  }

  @Test func `whose media server is out of reach blames the firewall`() async throws {
    try await Rig.drop(.output, "meta l4proto udp")
    do {
      try await RealInstallation.with { installation in
        try await Self.expect(
          ["no-media-path"], saying: "firewall blocks UDP", status: 22, into: installation.url, ["--call"])
      }
    } catch {
      try await Rig.heal()
      throw error
    }
    try await Rig.heal()
  }
}
