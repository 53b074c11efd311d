import ArgumentParser
import Foundation
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// Each kind of bad luck has one clear line and its own exit code, soon.
@Suite struct FailureTests {
  private static func fails(
    _ arguments: [String], with status: ExitCause, saying words: String..., within limit: Duration = .seconds(30),
    environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let child = try ChildProcess("talkbridge", arguments, environment: environment)
    let exit = try await child.exit(within: limit)
    #expect(exit == .code(status.rawValue), "\(child.transcript)", sourceLocation: sourceLocation)
    let lines = child.errorOutput.split(separator: "\n").filter { $0.hasPrefix("talkbridge: ") }
    #expect(lines.count == 1, "\(child.transcript)", sourceLocation: sourceLocation)
    for word in words {
      #expect(
        lines.first?.localizedCaseInsensitiveContains(word) ?? false, "\(child.transcript)",
        sourceLocation: sourceLocation)
    }
  }

  private static func failsToRecord(
    _ url: String, with status: ExitCause, saying word: String, _ more: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await fails(
      ["record", url, "--output", "none", "--ice-address", "127.0.0.1"] + more, with: status, saying: word,
      sourceLocation: sourceLocation)
  }

  @Test(arguments: [
    "https://example.com/", "not a url", "ftp://example.com/call/abcd1234", "https://example.com/call/X",
  ])
  func `what is no address of a conversation is refused`(text: String) async throws {
    try await Self.failsToRecord(text, with: .notAnAddress, saying: "talkbridge")
  }

  @Test func `a host that refuses connections is unreachable`() async throws {
    try await Self.failsToRecord("http://127.0.0.1:1/call/abcd1234", with: .hostUnreachable, saying: "127.0.0.1")
  }

  @Test func `a name that does not resolve is unreachable`() async throws {
    try await Self.failsToRecord(
      "https://nobody.invalid/call/abcd1234", with: .hostUnreachable, saying: "nobody.invalid")
  }

  @Test func `an untrusted certificate is a TLS failure, and the authority's file cures it`() async throws {
    let authority = try TestAuthority()
    let files = try await authority.issue(["IP:127.0.0.1"])
    try await withRoom { options, conversation in
      options.certificateFile = files.certificateFile
      options.keyFile = files.keyFile
      conversation.bansGuests = true
    } _: { _, url in
      try await Self.failsToRecord(url, with: .tlsFailure, saying: "--ca-file")
      try await Self.failsToRecord(url, with: .banned, saying: "banned", ["--ca-file", authority.caFile])
    }
  }

  @Test func `another web server is not a Talk server`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.refusedRequests["/cloud/capabilities"] = 404 }
      try await Self.failsToRecord(url, with: .notATalkServer, saying: "Nextcloud")
    }
  }

  @Test func `an unknown conversation is named as such`() async throws {
    try await withRoom { _, url in
      try await Self.failsToRecord(
        url.replacing("/\(token)", with: "/elsewhere"), with: .unknownRoom, saying: "conversation")
    }
  }

  @Test func `a conversation with a password says that it has one`() async throws {
    try await withRoom {
      $1.password = "secret"
    } _: { _, url in
      try await Self.failsToRecord(url, with: .passwordNeeded, saying: "password")
    }
  }

  @Test func `the lobby keeps guests out`() async throws {
    try await withRoom {
      $1.hasLobby = true
    } _: { _, url in
      try await Self.failsToRecord(url, with: .lobby, saying: "lobby")
    }
  }

  @Test func `a locked conversation forbids calls`() async throws {
    try await withRoom {
      $1.isReadOnly = true
    } _: { _, url in
      try await Self.fails(
        ["join", url, "--input", "none", "--output", "none"], with: .callForbidden, saying: "locked")
    }
  }

  @Test func `a call that we may not join is forbidden`() async throws {
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        await room.change(token) { $0.allowsCalls = false }
        try await Self.fails(
          ["join", url, "--input", "none", "--output", "none"], with: .callForbidden, saying: "permission")
      }
    }
  }

  @Test func `a call that is recorded asks for consent`() async throws {
    try await withRoom {
      $1.requiresRecordingConsent = true
    } _: { _, url in
      try await Self.fails(
        ["join", url, "--input", "none", "--output", "none"], with: .consentRequired, saying: "consent")
    }
  }

  @Test func `an installation without signaling server cannot serve us`() async throws {
    try await withRoom { room, url in
      await room.setInternalSignaling(true)
      try await Self.failsToRecord(url, with: .noSignalingServer, saying: "high-performance backend")
    }
  }

  @Test(arguments: [("session_limit_exceeded", ExitCause.sessionLimit), ("invalid_token", .helloRefused)])
  func `a refused hello tells why`(code: String, status: ExitCause) async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.refusedMessages["hello"] = code }
      try await Self.failsToRecord(url, with: status, saying: "signaling server")
    }
  }

  @Test func `without a usable path the candidates that were tried are named`() async throws {
    try await withRoom { _, url in
      try await Self.fails(
        ["join", url, "--input", "none", "--output", "none", "--relay-only", "--ice-address", "127.0.0.1"],
        with: .noICEPath, saying: "path", "TURN")
    }
  }

  @Test func `a missing input file is found before anybody is called`() async throws {
    try await withRoom { room, url in
      try await Self.fails(
        ["join", url, "--input", "/nowhere/speech.wav", "--output", "none"], with: .inputUnusable,
        saying: "/nowhere/speech.wav")
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test(arguments: ["/nowhere/call.wav", "/"])
  func `an output that cannot be written is found before anybody is called`(path: String) async throws {
    try await withRoom { room, url in
      try await Self.fails(["record", url, "--output", path], with: .outputUnwritable, saying: path)
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test func `where there was no call there is no file, and an older one stays as it was`() async throws {
    let run = try RunDirectory()
    try await withRoom { room, url in
      try Data("older".utf8).write(to: URL(filePath: run.file("older.wav")))
      let child = try ChildProcess(
        "talkbridge", ["record", url, "--output", run.file("new.wav"), "--output", run.file("older.wav")])
      try await child.says("waiting until somebody is in the call")
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
    try await Self.fails(
      ["record", "http://127.0.0.1:1/call/abcd1234", "--output", run.file("new.wav")], with: .hostUnreachable)
    #expect(!FileManager.default.fileExists(atPath: run.file("new.wav")))
    #expect(try String(contentsOfFile: run.file("older.wav"), encoding: .utf8) == "older")
  }

  @Test func `a full disk ends the recording with its own code`() async throws {
    try await withRoom { room, url in
      let speaker = try ChildProcess(
        "talkbridge", ["join", url, "--input", "none", "--output", "none", "--ice-address", "127.0.0.1"])
      try await eventually("the speaker in the call") { await !room.namesInCall(token).isEmpty }
      try await Self.fails(
        ["record", url, "--output", "/dev/full", "--ice-address", "127.0.0.1"], with: .diskFull, saying: "/dev/full")
      try await speaker.terminate()
    }
  }

  @Test func `a port that is in use has a line of its own, and proxies do not matter to the demo`() async throws {
    try await withRoom { _, url in
      let port = try #require(URL(string: url)?.port)
      try await Self.fails(["demo", "--port", "\(port)"], with: .portUnusable, saying: "\(port)", "--port", "in use")
    }
    let run = try RunDirectory()
    let demo = try ChildProcess(
      "talkbridge", ["demo", "--duration", "3s", "--output", run.file("demo.wav")],
      environment: ["http_proxy": "http://127.0.0.1:1", "https_proxy": "nonsense://", "no_proxy": "", "NO_PROXY": ""])
    #expect(try await demo.exit() == .code(0), "\(demo.transcript)")
  }

  @Test func `without PulseAudio the default ends say what else there is`() async throws {
    let nowhere = ["PULSE_SERVER": "unix:/nowhere/pulse.socket"]
    try await withRoom { _, url in
      try await Self.fails(["join", url], with: .noPulseAudio, saying: "PulseAudio", environment: nowhere)
      try await Self.fails(["devices"], with: .noPulseAudio, saying: "PulseAudio", environment: nowhere)
    }
  }

  @Test(arguments: [
    ["record", "https://example.com/call/abcd1234"], ["join", "x", "--duration", "soon"],
    ["join", "x", "--ice-ports", "9-3"],
    ["dance"], ["join", "x", "--log-level", "loud"],
  ])
  func `a command line that is not understood ends with the usage code`(arguments: [String]) async throws {
    let child = try ChildProcess("talkbridge", arguments)
    #expect(try await child.exit(within: .seconds(20)) == .code(ExitCause.usage.rawValue))
    #expect(child.errorOutput.contains("Error:"))
  }

  @Test func `the exit codes in help and README are the program's`() throws {
    let help = Talkbridge.helpMessage(columns: 200)
    let readme = try String(contentsOfFile: Repository.root + "/README.md", encoding: .utf8)
    for status in ExitCause.allCases {
      #expect(help.contains("\(status.rawValue)  \(status.meaning)"))
      #expect(readme.contains("| \(status.rawValue) | \(status.meaning) |"))
    }
  }
}
