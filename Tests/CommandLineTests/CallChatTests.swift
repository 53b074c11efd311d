import Foundation
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

@testable import talkbridge

/// The chat beside a call: `join --chat`.
@Suite struct CallChatTests {
  private static let silently = ["--input", "none", "--output", "none", "--chat"]

  private static func events(_ name: String, of child: ChildProcess) -> [[String: Any]] {
    child.output.split(separator: "\n").compactMap {
      let event = (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
      return event?["event"] as? String == name ? event : nil
    }
  }

  private static func chatted(_ child: ChildProcess) -> [String] {
    events("message", of: child).filter { $0["kind"] as? String == "comment" }.compactMap { $0["text"] as? String }
  }

  @Test func `two in a call write to each other, as the participants that they are`() async throws {
    try await withRoom { room, url in
      let anna = try talkbridge(["join", url, "--json", "--name", "Anna"] + Self.silently, input: .pipe)
      let bo = try talkbridge(["join", url, "--json", "--name", "Bo"] + Self.silently, input: .pipe)
      try await eventually("both in the call") { await room.namesInCall(token) == ["Anna", "Bo"] }
      try anna.write(Array("hej\nå, 日本\n//slash\n\n".utf8))
      try await eventually("what Anna says at Bo's") { Self.chatted(bo) == ["hej", "å, 日本", "/slash"] }
      try bo.write(Array("svar\r\n".utf8))
      try await eventually("the answer at Anna's") { Self.chatted(anna) == ["hej", "å, 日本", "/slash", "svar"] }
      let message = try #require(Self.events("message", of: anna).last { $0["text"] as? String == "svar" })
      #expect((message["actor"] as? [String: Any])?["name"] as? String == "Bo")
      #expect(message["conversation"] as? String == url)
      let sent = Self.events("sent", of: bo)
      #expect(sent.map { $0["id"] as? Int } == [message["id"] as? Int])
      // Nobody has entered the conversation a second time for the chat.
      #expect(await room.names(token) == ["Anna", "Bo"])
      try anna.write(Array("/quit\n".utf8))
      #expect(try await anna.exit() == .code(0), "\(anna.transcript)")
      #expect(try await bo.terminate() == .code(0), "\(bo.transcript)")
    }
  }

  @Test func `a script's lines are sent in order before it leaves`() async throws {
    try await withRoom { room, url in
      let lines = (1...30).map { "line \($0)" }
      let child = try talkbridge(["join", url, "--name", "Script"] + Self.silently, input: .pipe)
      try child.write(Array((lines.joined(separator: "\n") + "\n/quit\nnever sent\n").utf8))
      child.closeInput()
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      #expect(await room.texts(in: token) == lines)
      #expect(child.errorOutput.contains("Script: line 1\n"), "\(child.transcript)")
    }
  }

  @Test func `the end of the input does not end the call`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently, input: .pipe)
      try child.write(Array("hello, no line end".utf8))
      child.closeInput()
      try await eventually("the message") { await room.texts(in: token) == ["hello, no line end"] }
      await room.write(["still\n2026 #1 there\u{1B}[2J"], as: "An\u{1B}]0;x\u{7}na", in: token)
      try await eventually("the answer") { child.errorOutput.contains("    2026 #1 there") }
      #expect(!child.errorOutput.contains("\u{1B}"))
      #expect(await room.namesInCall(token) == ["talkbridge"])
      #expect(try await child.terminate() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `lines that begin with a slash are commands`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url, "--json", "--name", "Anna"] + Self.silently, input: .pipe)
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      try child.write(Array("/mute\n/hand\n/dance\n".utf8))
      try await eventually("all three") {
        Self.events("microphone-muted", of: child).last?["muted"] as? Bool == true
          && Self.events("hand-raised", of: child).last?["raised"] as? Bool == true
          && Self.events("warning", of: child).contains { ($0["message"] as? String)?.contains("/dance") == true }
      }
      #expect(await room.texts(in: token).isEmpty)
      #expect(try await child.terminate() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `what cannot be sent is told, and the call goes on`() async throws {
    try await withRoom { _, conversation in
      conversation.guestPermissions.remove(.chat)
    } _: { room, url in
      let child = try talkbridge(["join", url, "--json"] + Self.silently, input: .pipe)
      try child.write(Array("hej\n".utf8))
      try await eventually("the refusal") { Self.events("not-sent", of: child).count == 1 }
      let refusal = try #require(Self.events("not-sent", of: child).first)
      #expect(refusal["error"] as? String == "chat-forbidden" && refusal["text"] as? String == "hej")
      #expect(await room.namesInCall(token) == ["talkbridge"])
      #expect(try await child.terminate() == .code(0), "\(child.transcript)")
    }
  }

  @Test(arguments: [true, false])
  func `a lost connection costs no message`(keepsSession: Bool) async throws {
    // Where the signaling server does not keep the session, the one in Nextcloud ends with it.
    try await withRoom { options, _ in
      options.deadlines.resume = keepsSession ? .seconds(30) : .milliseconds(1)
    } _: { room, url in
      let child = try talkbridge(["join", url, "--json", "--name", "Anna"] + Self.silently, input: .pipe)
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      await room.dropSockets()
      await room.write(["one"], as: "Bo", in: token)
      try await eventually("the loss") { child.output.contains("\"reconnecting\"") }
      await room.write(["two"], as: "Bo", in: token)
      try child.write(Array("three\n".utf8))
      try await eventually(within: .seconds(60), "all three") { Self.chatted(child) == ["one", "two", "three"] }
      #expect(await room.names(token) == ["Anna"])
      #expect(try await child.terminate() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `in a terminal messages are typed on a line below the display`() async throws {
    try await withRoom { room, url in
      let terminal = try PseudoTerminal(columns: 100, rows: 24)
      let child = try terminal.start(
        "talkbridge", ["join", url, "--ice-address", "127.0.0.1", "--name", "Anna"] + Self.silently)
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      try await eventually("the prompt") { terminal.text.contains("\u{1B}[?2004h") }
      terminal.type("hex\u{7F}j, å")
      try await eventually("what is typed") { terminal.text.contains("> hej, å\u{1B}[K") }
      terminal.type("\r\u{1B}[200~two\nlines\u{1B}[201~\r")
      try await eventually("both messages") { await room.texts(in: token) == ["hej, å", "two\nlines"] }
      try await eventually("the first, shown") { terminal.text.contains("Anna: hej, å\r\n") }
      terminal.type("taken back\u{15}/hand\r")
      try await eventually("the hand") { terminal.text.contains("our hand is raised") }
      // Ctrl-C leaves, whatever stands in the line.
      terminal.type("half a mess\u{03}")
      let exit = try await child.exit()
      #expect(exit == .code(0), "\(terminal.text)")
      try await terminal.settle()
      #expect(terminal.text.contains("\u{1B}[?2004l"))
      #expect(await room.texts(in: token).count == 2)
    }
  }

  @Test func `standard input carries sound or messages`() async throws {
    let child = try talkbridge(["join", "http://127.0.0.1:1/call/abcd1234", "--input", "-", "--chat"])
    #expect(try await child.exit() == .code(ExitCause.usage.rawValue))
    #expect(child.errorOutput.contains("--chat"), "\(child.transcript)")
  }
}
