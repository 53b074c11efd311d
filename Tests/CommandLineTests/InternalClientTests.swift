import Foundation
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

@testable import talkbridge

/// Taking part unseen, with the secrets of the servers.
@Suite struct InternalClientTests {
  private static let internalSecret = "internal secret ü/+"
  private static let recordingSecret = "recording secret %&"

  private static func file(_ content: String) throws -> String {
    let path = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private static func folder() throws -> String {
    let path = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// A room whose servers have these secrets.
  private static func withSecrets(
    _ change: (inout HostedConversation) -> Void = { _ in },
    _ body: (_ room: EmbeddedRoom, _ url: String) async throws -> Void
  ) async throws {
    try await withRoom {
      $0.internalSecret = internalSecret
      $0.recordingSecret = recordingSecret
      change(&$1)
    } _: {
      try await body($0, $1)
    }
  }

  private static func byRecordingSecret() throws -> [String] {
    ["--internal-secret-file", try file(internalSecret + "\n"), "--recording-secret-file", try file(recordingSecret)]
  }

  private static func byAddress(_ url: String) throws -> [String] {
    let base = String(url.dropLast("/call/\(token)".count))
    return [
      "--internal-secret-file", try file(internalSecret), "--signaling", base + "/standalone-signaling", "--stun",
      "stun:127.0.0.1:1",
    ]
  }

  private static func speaker(_ url: String, _ more: [String] = []) throws -> ChildProcess {
    try talkbridge(["join", url, "--name", "Speaker", "--input", "none", "--output", "none", "--json"] + more)
  }

  private static func leave(_ children: ChildProcess...) async throws {
    for child in children {
      child.send(SIGINT)
      #expect(try await child.exit(within: .seconds(20)) == .code(0), "\(child.transcript)")
    }
  }

  @Test(arguments: [true, false])
  func `a hidden recorder gets into a closed conversation, hears its call, and nobody sees it`(asks: Bool) async throws
  {
    try await Self.withSecrets {
      $0.password = "unknown to us"
    } _: { room, url in
      let access = asks ? try Self.byRecordingSecret() : try Self.byAddress(url)
      let recorder = try talkbridge(["record", url, "--output", "none", "--json"] + access)
      try await eventually("the wait") { recorder.output.contains(#""phase":"waiting-for-call""#) }
      let speaker = try Self.speaker(url, ["--room-password-file", try Self.file("unknown to us")])
      try await eventually("the sound") { recorder.output.contains(#""event":"heard""#) }
      #expect(await room.names(token) == ["Speaker"])
      try await Self.leave(recorder, speaker)
      #expect(recorder.output.contains(#""outcome":"left""#))
    }
  }

  @Test func `one that finds a call running hears it, past lobby and lock`() async throws {
    try await Self.withSecrets { room, url in
      let speaker = try Self.speaker(url)
      try await eventually("the call") { await !room.namesInCall(token).isEmpty }
      await room.promote("Speaker", in: token)
      await room.change(token) {
        $0.hasLobby = true
        $0.isPublic = false
      }
      let recorder = try talkbridge(
        ["record", url, "--output", "none", "--until-empty", "--json"] + (try Self.byRecordingSecret()))
      try await eventually("the sound") { recorder.output.contains(#""event":"heard""#) }
      speaker.send(SIGKILL)
      await room.remove("Speaker", from: token)
      #expect(try await recorder.exit(within: .seconds(20)) == .code(0), "\(recorder.transcript)")
    }
  }

  @Test func `join says that names and chat are missing, and speaks only if it is given something to say`() async throws
  {
    try await Self.withSecrets { room, url in
      let listener = try talkbridge(["record", url, "--output", "none", "--json"])
      let silent = try talkbridge(["join", url, "--output", "none"] + (try Self.byRecordingSecret()))
      let speaker = try Self.speaker(url)
      try await silent.says("in the call")
      try await silent.says("the names of guests and the chat are missing")
      let hidden = try talkbridge(
        ["join", url, "--input", "none", "--output", "none", "--json"] + (try Self.byRecordingSecret()))
      try await eventually("the hidden voice, and no other") {
        listener.output.count(of: #""event":"heard""#) == 2 && hidden.output.contains(#""event":"publishing""#)
      }
      #expect(await room.names(token).count == 2)
      try await Self.leave(hidden, silent, listener, speaker)
    }
  }

  @Test func `each call that is watched unseen gets its recording, also after an end for everybody`() async throws {
    try await Self.withSecrets { room, url in
      let folder = try Self.folder()
      func recordings() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] }
      let watch = try talkbridge(
        ["watch", url, "--output-directory", folder, "--json"] + (try Self.byRecordingSecret()))
      // Stays in the conversation when the call is over, as browsers do.
      try await withGuest("Guest", at: url, flags: 0) { guest in
        for call in 1...3 {
          try await eventually("the wait") { watch.output.count(of: #""phase":"waiting-for-call""#) >= call }
          try await guest.joinCall()
          let speaker = try Self.speaker(url)
          try await eventually("the sound of call \(call)") { watch.output.count(of: #""event":"heard""#) == call }
          #expect(recordings().count == call)
          await room.endCall(token)
          #expect(try await speaker.exit(within: .seconds(20)) == .code(0), "\(speaker.transcript)")
          try await eventually("the end of recording \(call)") {
            watch.output.count(of: #""event":"finished""#) == call
          }
          // Names tell seconds apart.
          try await Task.sleep(for: .seconds(1))
        }
      }
      #expect(recordings().count == 3)
      try await Self.leave(watch)
    }
  }

  // MARK: Refusals

  private static func fails(_ url: String, _ arguments: [String], with status: ExitCause, saying words: String)
    async throws
  {
    let child = try talkbridge(["record", url, "--output", "none"] + arguments)
    #expect(try await child.exit(within: .seconds(20)) == .code(status.rawValue), "\(child.transcript)")
    #expect(child.errorOutput.contains(words), "\(child.transcript)")
  }

  @Test func `a secret that is wrong, missing or not wanted has its own sentence, after one attempt`() async throws {
    let wrong = try Self.file("wrong")
    try await Self.withSecrets { _, url in
      let right = try Self.byRecordingSecret()
      try await Self.fails(
        url, ["--internal-secret-file", wrong] + right[2...], with: .secretRefused, saying: "internalsecret")
      try await Self.fails(
        url, right[..<2] + ["--recording-secret-file", wrong], with: .secretRefused, saying: "recording secret")
      try await Self.fails(
        url, right[..<2] + ["--recording-secret-file", "/nowhere"], with: .secretRefused, saying: "/nowhere")
      try await Self.fails(
        url.replacing("/\(token)", with: "/elsewhere"), right, with: .unknownRoom, saying: "no such conversation")
    }
    try await withRoom { _, url in
      try await Self.fails(url, try Self.byAddress(url), with: .secretRefused, saying: "takes no internal clients")
    }
  }

  @Test(arguments: [
    ["--internal-secret-file", "x"], ["--recording-secret-file", "x"], ["--signaling", "https://hpb"],
    ["--internal-secret-file", "x", "--recording-secret-file", "x", "--stun", "stun:a"],
    ["--internal-secret-file", "x", "--signaling", "hpb"],
    ["--internal-secret-file", "x", "--signaling", "https://hpb", "--turn", "turn:a"],
    ["--internal-secret-file", "x", "--signaling", "https://hpb", "--turn", "a", "--turn-secret-file", "x"],
    ["--internal-secret-file", "x", "--signaling", "https://hpb", "--user", "anna"],
  ])
  func `options that do not go together are explained`(options: [String]) async throws {
    try await Self.fails("https://h/call/abcd1234", options, with: .usage, saying: "--")
  }

  @Test func `no secret is in any output, log or command line`() async throws {
    try await Self.withSecrets { _, url in
      let recorder = try talkbridge(
        ["record", url, "--output", "none", "--json", "--log-level", "trace"] + (try Self.byRecordingSecret()))
      try await eventually("the wait") { recorder.output.contains(#""phase":"waiting-for-call""#) }
      let commandLine = try String(contentsOfFile: "/proc/\(recorder.processIdentifier)/cmdline", encoding: .utf8)
      try await Self.leave(recorder)
      for secret in [Self.internalSecret, Self.recordingSecret] {
        let encoded = secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? secret
        for form in [secret, encoded, Data(secret.utf8).base64EncodedString(), secret.replacing("/", with: "\\/")] {
          #expect(!(commandLine + recorder.output + recorder.errorOutput).contains(form))
        }
      }
    }
  }
}
