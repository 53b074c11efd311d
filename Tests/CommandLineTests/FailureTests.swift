import ArgumentParser
import Foundation
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// Each kind of bad luck has one clear line and its own exit code, soon.
@Suite struct FailureTests {
  /// A room with one conversation.
  private static func room(
    _ change: (inout EmbeddedRoom.Options, inout HostedConversation) -> Void = { _, _ in }
  ) async throws -> (room: EmbeddedRoom, url: String) {
    var options = EmbeddedRoom.Options()
    var conversation = HostedConversation(token: "failures", name: "Failures")
    change(&options, &conversation)
    let room = EmbeddedRoom(options, conversations: [conversation])
    return (room, try await room.start() + "/call/failures")
  }

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
    let (room, url) = try await Self.room { options, conversation in
      options.certificateFile = files.certificateFile
      options.keyFile = files.keyFile
      conversation.bansGuests = true
    }
    try await Self.failsToRecord(url, with: .tlsFailure, saying: "--ca-file")
    try await Self.failsToRecord(url, with: .banned, saying: "banned", ["--ca-file", authority.caFile])
    await room.stop()
  }

  @Test func `another web server is not a Talk server`() async throws {
    let (room, url) = try await Self.room()
    await room.setFaults { $0.refusedRequests["/cloud/capabilities"] = 404 }
    try await Self.failsToRecord(url, with: .notATalkServer, saying: "Nextcloud")
    await room.stop()
  }

  @Test func `an unknown conversation is named as such`() async throws {
    let (room, url) = try await Self.room()
    try await Self.failsToRecord(
      url.replacing("/failures", with: "/elsewhere"), with: .unknownRoom, saying: "conversation")
    await room.stop()
  }

  @Test func `a conversation with a password says that it has one`() async throws {
    let (room, url) = try await Self.room { $1.password = "secret" }
    try await Self.failsToRecord(url, with: .passwordNeeded, saying: "password")
    await room.stop()
  }

  @Test func `the lobby keeps guests out`() async throws {
    let (room, url) = try await Self.room { $1.hasLobby = true }
    try await Self.failsToRecord(url, with: .lobby, saying: "lobby")
    await room.stop()
  }

  @Test func `a conversation without calls forbids them`() async throws {
    let (room, url) = try await Self.room { $1.allowsCalls = false }
    try await Self.fails(
      ["join", url, "--input", "none", "--output", "none"], with: .callForbidden, saying: "call")
    await room.stop()
  }

  @Test func `a call that is recorded asks for consent`() async throws {
    let (room, url) = try await Self.room { $1.requiresRecordingConsent = true }
    try await Self.fails(
      ["join", url, "--input", "none", "--output", "none"], with: .consentRequired, saying: "consent")
    await room.stop()
  }

  @Test func `an installation without signaling server cannot serve us`() async throws {
    let (room, url) = try await Self.room()
    await room.setInternalSignaling(true)
    try await Self.failsToRecord(url, with: .noSignalingServer, saying: "high-performance backend")
    await room.stop()
  }

  @Test(arguments: [("session_limit_exceeded", ExitCause.sessionLimit), ("invalid_token", .helloRefused)])
  func `a refused hello tells why`(code: String, status: ExitCause) async throws {
    let (room, url) = try await Self.room()
    await room.setFaults { $0.refusedMessages["hello"] = code }
    try await Self.failsToRecord(url, with: status, saying: "signaling server")
    await room.stop()
  }

  @Test func `a server in maintenance says so`() async throws {
    let (room, url) = try await Self.room()
    await room.setMaintenance(true)
    try await Self.failsToRecord(url, with: .serverBusy, saying: "maintenance")
    await room.stop()
  }

  @Test func `without a usable path the candidates that were tried are named`() async throws {
    let (room, url) = try await Self.room()
    try await Self.fails(
      ["join", url, "--input", "none", "--output", "none", "--relay-only", "--ice-address", "127.0.0.1"],
      with: .noICEPath, saying: "path", "TURN")
    await room.stop()
  }

  @Test func `a missing input file is found before anybody is called`() async throws {
    let (room, url) = try await Self.room()
    try await Self.fails(
      ["join", url, "--input", "/nowhere/speech.wav", "--output", "none"], with: .inputUnusable,
      saying: "/nowhere/speech.wav")
    #expect(await room.names("failures").isEmpty)
    await room.stop()
  }

  @Test(arguments: ["/nowhere/call.wav", "/"])
  func `an output that cannot be written is found before anybody is called`(path: String) async throws {
    let (room, url) = try await Self.room()
    try await Self.fails(["record", url, "--output", path], with: .outputUnwritable, saying: path)
    #expect(await room.names("failures").isEmpty)
    await room.stop()
  }

  @Test func `a full disk ends the recording with its own code`() async throws {
    let (room, url) = try await Self.room()
    let speaker = try ChildProcess(
      "talkbridge", ["join", url, "--input", "none", "--output", "none", "--ice-address", "127.0.0.1"])
    try await eventually("the speaker in the call") { await !room.namesInCall("failures").isEmpty }
    try await Self.fails(
      ["record", url, "--output", "/dev/full", "--ice-address", "127.0.0.1"], with: .diskFull, saying: "/dev/full")
    try await speaker.terminate()
    await room.stop()
  }

  @Test func `without PulseAudio the default ends say what else there is`() async throws {
    let nowhere = ["PULSE_SERVER": "unix:/nowhere/pulse.socket"]
    let (room, url) = try await Self.room()
    try await Self.fails(["join", url], with: .noPulseAudio, saying: "PulseAudio", environment: nowhere)
    try await Self.fails(["devices"], with: .noPulseAudio, saying: "PulseAudio", environment: nowhere)
    await room.stop()
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
