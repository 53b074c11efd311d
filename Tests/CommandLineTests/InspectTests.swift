import Foundation
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// `talkbridge inspect` against the embedded room. (What real servers have is in the system tests.)
@Suite struct InspectTests {
  /// A line of what `--json` prints.
  private struct Line: Decodable {
    let event: String
    let check: String?
    let verdict: String?
    let summary: String?
    let figures: [String: JSONValue]?
    let problem: String?
    let cause: String?
    let cure: String?
    let exitCode: Int32?
  }

  private struct Report {
    let lines: [Line]
    let status: Int32?
    let transcript: String

    func findings(_ check: String) -> [Line] { lines.filter { $0.check == check } }
    func verdict(_ check: String) -> String? { findings(check).first?.verdict }
    var problems: [String] { lines.compactMap(\.problem) }
  }

  private static func inspect(_ url: String, _ more: [String] = []) async throws -> Report {
    let child = try talkbridge(["inspect", url, "--json"] + more)
    let exit = try await child.exit(within: .seconds(60))
    let lines = try child.output.split(separator: "\n").map { line in
      try JSONDecoder().decode(Line.self, from: Data(line.utf8))
    }
    guard case .code(let status) = exit else { throw DeadlineExceeded(description: child.transcript) }
    #expect(lines.last?.event == "inspected", "\(child.transcript)")
    #expect(lines.last?.exitCode == status, "\(child.transcript)")
    return Report(lines: lines, status: status, transcript: child.transcript)
  }

  /// Looks, and expects that one check fails for this reason.
  private static func finds(
    _ problem: String, in check: String, _ status: ExitCause, saying word: String, at url: String,
    _ more: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let report = try await inspect(url, more)
    let finding = report.lines.first { $0.check == check && $0.problem == problem }
    #expect(finding?.verdict == "failure", "\(report.transcript)", sourceLocation: sourceLocation)
    let words = "\(finding?.summary ?? "") \(finding?.cause ?? "") \(finding?.cure ?? "")"
    #expect(words.contains(word), "\(report.transcript)", sourceLocation: sourceLocation)
    #expect(report.status == status.rawValue, "\(report.transcript)", sourceLocation: sourceLocation)
  }

  // MARK: What works

  @Test func `in an empty room that we may start a call in, everything is tried, and nobody is left behind`()
    async throws
  {
    let eavesdropper = Eavesdropper()
    try await withRoom { options, _ in
      options.observer = { eavesdropper.listen($0) }
    } _: { room, url in
      let report = try await Self.inspect(url, ["--call"])
      #expect(report.status == 0, "\(report.transcript)")
      for check in ["server", "talk", "conversation", "signaling", "path", "sending", "receiving"] {
        #expect(report.verdict(check) == "ok", "\(report.transcript)")
      }
      #expect(report.findings("receiving").first?.summary?.contains("second guest") == true, "\(report.transcript)")
      #expect(await room.names(token).isEmpty)
      let calls = eavesdropper.requests("POST", "v4/call/")
      #expect(calls.allSatisfy { $0["silent"] == true })
    }
  }

  @Test func `in a running call, others are heard, and no second guest comes`() async throws {
    try await withRoom { room, url in
      let speaker = try talkbridge(["join", url, "--name", "Clara", "--input", "none", "--output", "none"])
      try await eventually("the speaker in the call") { await room.namesInCall(token) == ["Clara"] }
      let report = try await Self.inspect(url)
      #expect(report.verdict("sending") == "ok", "\(report.transcript)")
      #expect(report.findings("receiving").first?.summary?.contains("“Clara”") == true, "\(report.transcript)")
      try await speaker.terminate()
    }
  }

  @Test func `where no call runs, none is started`() async throws {
    let eavesdropper = Eavesdropper()
    try await withRoom { options, _ in
      options.observer = { eavesdropper.listen($0) }
    } _: { _, url in
      let report = try await Self.inspect(url)
      #expect(report.status == 0, "\(report.transcript)")
      #expect(report.verdict("sending") == "skipped")
      #expect(report.verdict("signaling") == "ok")
      #expect(eavesdropper.requests("POST", "v4/call/").isEmpty)
    }
  }

  @Test func `the server's address alone tells what can be told`() async throws {
    try await withRoom { room, url in
      for address in [String(url.dropLast("/call/\(token)".count)), String(url.dropLast("call/\(token)".count))] {
        let report = try await Self.inspect(address)
        #expect(report.status == 0, "\(report.transcript)")
        #expect(report.lines.map(\.check) == ["server", "clock", "talk", "signaling", "stun", "turn", nil])
        #expect(report.verdict("signaling") == "ok")
      }
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test func `people read it on 80 columns, with a plain verdict last`() async throws {
    try await withRoom {
      $1.hasLobby = true
    } _: { _, url in
      let child = try talkbridge(["inspect", url])
      #expect(try await child.exit(within: .seconds(60)) == .code(ExitCause.lobby.rawValue), "\(child.transcript)")
      let lines = child.output.split(separator: "\n")
      #expect(lines.allSatisfy { $0.count <= 80 }, "\(child.transcript)")
      #expect(lines.first?.contains(url) == true)
      #expect(lines.last == "Does not work: Conversation.")
      #expect(lines.contains { $0.hasPrefix("FAIL  Conversation") })
      #expect(lines.contains { $0.hasPrefix("      Cure:   ") })
    }
  }

  // MARK: What does not

  @Test func `what is no server is told as such`() async throws {
    let unreachable = "http://127.0.0.1:1"
    try await Self.finds(
      "host-unreachable", in: "server", .hostUnreachable, saying: "firewall", at: unreachable + "/call/abcd1234")
    try await Self.finds("host-unreachable", in: "server", .hostUnreachable, saying: "browser", at: unreachable)
    try await withRoom { room, url in
      await room.setFaults { $0.refusedRequests["/cloud/capabilities"] = 404 }
      try await Self.finds("not-a-talk-server", in: "server", .notATalkServer, saying: "sub-path", at: url)
    }
  }

  @Test func `a server that takes connections and is silent is not waited for`() async throws {
    let server = try ChildProcess(
      "python3",
      [
        "-u", "-c",
        "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); time.sleep(100)",
      ])
    try await eventually("the port") { server.output.contains("\n") }
    try await Self.finds(
      "no-answer", in: "server", .hostUnreachable, saying: "hangs",
      at: "http://127.0.0.1:\(server.output.dropLast())/call/abcd1234")
  }

  @Test func `an untrusted certificate is told, and the authority's file cures it`() async throws {
    let authority = try TestAuthority()
    let files = try await authority.issue(["IP:127.0.0.1"])
    try await withRoom { options, _ in
      options.certificateFile = files.certificateFile
      options.keyFile = files.keyFile
    } _: { _, url in
      try await Self.finds("tls-failure", in: "server", .tlsFailure, saying: "--ca-file", at: url)
      let report = try await Self.inspect(url, ["--ca-file", authority.caFile])
      #expect(report.status == 0, "\(report.transcript)")
      #expect(report.verdict("signaling") == "ok", "\(report.transcript)")
    }
  }

  @Test func `maintenance and internal signaling are told`() async throws {
    try await withRoom { room, url in
      await room.setInternalSignaling(true)
      try await Self.finds(
        "no-signaling-server", in: "signaling", .noSignalingServer, saying: "High-performance backend", at: url)
      await room.setMaintenance(true)
      try await Self.finds("maintenance", in: "server", .serverBusy, saying: "maintenance:mode", at: url)
    }
  }

  @Test func `an unknown room is told, and the rest is looked at all the same`() async throws {
    try await withRoom { _, url in
      let elsewhere = url.replacing("/\(token)", with: "/elsewhere")
      try await Self.finds(
        "unknown-conversation", in: "conversation", .unknownRoom, saying: "allow guests", at: elsewhere)
      let report = try await Self.inspect(elsewhere)
      #expect(report.problems == ["unknown-conversation"], "\(report.transcript)")
      #expect(report.verdict("signaling") == "ok", "\(report.transcript)")
    }
  }

  @Test func `password, lobby and ban are told`() async throws {
    try await withRoom {
      $1.password = "open sesame"
    } _: { room, url in
      try await Self.finds(
        "password-needed", in: "conversation", .passwordNeeded, saying: "--room-password-file", at: url)
      await room.change(token) {
        $0.password = nil
        $0.hasLobby = true
      }
      try await Self.finds("lobby", in: "conversation", .lobby, saying: "moderator", at: url)
      await room.change(token) {
        $0.hasLobby = false
        $0.bansGuests = true
      }
      try await Self.finds("banned", in: "conversation", .banned, saying: "lift", at: url)
    }
  }

  @Test func `a guest without permission to speak is told so, with and without a call`() async throws {
    try await withRoom {
      $1.guestPermissions = Permissions.guestDefault.subtracting(.publishAudio).union(.custom)
    } _: { _, url in
      for more in [[], ["--call"]] {
        try await Self.finds("publishing-forbidden", in: "sending", .callForbidden, saying: "moderator", at: url, more)
      }
    }
  }

  @Test(arguments: [(600, "token_not_valid_yet"), (-600, "token_expired")])
  func `a clock that is ten minutes off is found, and whose it is`(seconds: Int, code: String) async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.nextcloudClockShift = .seconds(seconds) }
      try await Self.finds("clocks-differ", in: "clock", .defective, saying: "Nextcloud's that is off", at: url)
      try await Self.finds("clocks-differ", in: "clock", .defective, saying: "differ by 10 min", at: url)
      let report = try await Self.inspect(url)
      #expect(report.findings("signaling").first?.summary?.contains(code) == true, "\(report.transcript)")
    }
  }

  @Test func `a proxy that passes no WebSockets is told from a signaling server that is down`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.refusedHandshake = 400 }
      try await Self.finds("signaling-unreachable", in: "signaling", .signalingUnreachable, saying: "Upgrade", at: url)
    }
  }

  @Test func `a media server that forwards nothing is told`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.forwardsMedia = false }
      try await Self.finds(
        "nothing-received", in: "receiving", .defective, saying: "forwards no sound", at: url, ["--call"])
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test(arguments: ["https://example.com/call/X", "example", "ftp://example.com"])
  func `what is no address is refused`(text: String) async throws {
    let child = try talkbridge(["inspect", text])
    #expect(try await child.exit() == .code(ExitCause.notAnAddress.rawValue), "\(child.transcript)")
  }
}
