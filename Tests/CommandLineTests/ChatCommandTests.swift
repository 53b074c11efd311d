import Foundation
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// The chat on the command line, against an embedded room.
@Suite struct ChatCommandTests {
  private static let token = "chatroom"

  private static func room(
    _ change: (inout HostedConversation) -> Void = { _ in }
  ) async throws -> (room: EmbeddedRoom, url: String) {
    var conversation = HostedConversation(token: token, name: "Chat")
    change(&conversation)
    let room = EmbeddedRoom(EmbeddedRoom.Options(), conversations: [conversation])
    return (room, try await room.start() + "/call/" + token)
  }

  /// Runs a command of the chat to its end, and returns what it printed.
  @discardableResult
  private static func chat(
    _ arguments: String..., input: String? = nil, expecting status: ExitCause = .success, saying word: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> String {
    let child = try ChildProcess("talkbridge", ["chat"] + arguments, input: input == nil ? .standard : .pipe)
    if let input {
      try child.write(Array(input.utf8))
      child.closeInput()
    }
    let exit = try await child.exit(within: .seconds(90))
    #expect(exit == .code(status.rawValue), "\(child.transcript)", sourceLocation: sourceLocation)
    #expect(word.isEmpty || child.errorOutput.contains(word), "\(child.transcript)", sourceLocation: sourceLocation)
    return child.output
  }

  private static func id(_ output: String) throws -> String {
    try #require(Int(output.trimmingCharacters(in: .newlines)).map(String.init), "\(output)")
  }

  // MARK: Sending and reading

  @Test func `what is sent can be read, answered and reacted to`() async throws {
    let (room, url) = try await Self.room()
    let first = try Self.id(try await Self.chat("send", url, "kommer du?", "--name", "Anna"))
    let second = try Self.id(
      try await Self.chat("send", url, "--name", "Bo", "--reply-to", first, "--silent", input: "ja,\nsnart\n"))
    #expect(try await Self.chat("react", url, first, "👍", "--name", "Bo") == "")
    #expect(await room.texts(in: Self.token) == ["kommer du?", "ja,\nsnart"])
    let lines = try await Self.chat("read", url).split(separator: "\n").map(String.init)
    #expect(lines.count == 5, "\(lines)")
    #expect(lines.first?.hasSuffix(" #\(first) Anna: kommer du? [👍 1]") == true, "\(lines)")
    #expect(lines.dropFirst().first?.hasSuffix(" #\(second) Bo: ") == true, "\(lines)")
    #expect(lines.dropFirst(2) == ["    > Anna: kommer du?", "    ja,", "    snart (silent)"], "\(lines)")
    #expect(try await Self.chat("read", url, "--since", first).contains("snart"))
    #expect(try await !Self.chat("read", url, "--since", first).contains("#\(first)"))
    #expect(try await !Self.chat("read", url, "--last", "1").contains("#\(first)"))
    #expect(await room.names(Self.token).isEmpty)
    await room.stop()
  }

  @Test func `a message as JSON has the members that the README promises`() async throws {
    let (room, url) = try await Self.room()
    let id = try Self.id(try await Self.chat("send", url, "hej", "--name", "Anna"))
    try await Self.chat("send", url, "svar", "--reply-to", id)
    let lines = try await Self.chat("read", url, "--json").split(separator: "\n")
    let objects = try lines.map { try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
    #expect(objects.count == 2)
    let first = try #require(objects.first)
    #expect(first["event"] as? String == "message" && first["kind"] as? String == "comment")
    #expect(first["text"] as? String == "hej" && first["id"] as? Int == Int(id))
    #expect((first["actor"] as? [String: Any])?["name"] as? String == "Anna")
    #expect((first["reference"] as? String)?.count == 64)
    #expect((objects.last?["parent"] as? [String: Any])?["text"] as? String == "hej")
    let readme = try String(contentsOfFile: Repository.root + "/README.md", encoding: .utf8)
    for key in first.keys { #expect(readme.contains("`\(key)`"), "\(key)") }
    await room.stop()
  }

  @Test func `a long chat is read to its beginning`() async throws {
    let (room, url) = try await Self.room()
    let texts = (1...650).map { "message \($0)" }
    await room.write(texts, as: "Anna", in: Self.token)
    let all = try await Self.chat("read", url, "--all").split(separator: "\n")
    #expect(all.count == 650)
    #expect(all.first?.hasSuffix("message 1") == true && all.last?.hasSuffix("message 650") == true)
    #expect(try await Self.chat("read", url).split(separator: "\n").count == 100)
    await room.stop()
  }

  @Test func `a message that is too long is refused before it is sent`() async throws {
    let (room, url) = try await Self.room()
    let text = String(repeating: "å", count: 32_001)
    try await Self.chat("send", url, input: text, expecting: .messageRefused, saying: "32000")
    try await Self.chat("send", url, " \n", expecting: .messageRefused, saying: "empty")
    try await Self.chat("send", url, "x", "--reply-to", "4711", expecting: .messageRefused, saying: "4711")
    #expect(await room.texts(in: Self.token).isEmpty)
    try await Self.chat("send", url, input: String(text.dropFirst()) + "\n")
    #expect(await room.texts(in: Self.token).map(\.count) == [32_000])
    await room.stop()
  }

  @Test func `standard input that fails is told, and nothing is sent`() async throws {
    let (room, url) = try await Self.room()
    let child = try ChildProcess("talkbridge", ["chat", "send", url], input: .file("/"))
    #expect(
      try await child.exit(within: .seconds(90)) == .code(ExitCause.inputUnusable.rawValue), "\(child.transcript)")
    #expect(child.errorOutput.contains("standard input cannot be read: Is a directory"), "\(child.transcript)")
    #expect(await room.texts(in: Self.token).isEmpty)
    await room.stop()
  }

  @Test func `a message whose answer is lost is sent once`() async throws {
    let (room, url) = try await Self.room()
    await room.setFaults { $0.lostReplies["POST /chat/\(Self.token)"] = 1 }
    let id = try Self.id(try await Self.chat("send", url, "once"))
    #expect(await room.texts(in: Self.token) == ["once"])
    #expect(try await Self.chat("read", url).contains("#\(id) "))
    await room.stop()
  }

  @Test func `a message that is lost on its way is sent once`() async throws {
    let (room, url) = try await Self.room()
    await room.setFaults { $0.lostRequests["POST /chat/\(Self.token)"] = 1 }
    _ = try Self.id(try await Self.chat("send", url, "once"))
    #expect(await room.texts(in: Self.token) == ["once"])
    await room.stop()
  }

  @Test func `where nobody can know whether it was sent, that is said`() async throws {
    let (room, url) = try await Self.room()
    await room.setFaults { $0.lastRequest = "POST /chat/\(Self.token)" }
    let output = try await Self.chat("send", url, "perhaps", expecting: .maybeSent, saying: "may have been sent")
    #expect(output.isEmpty)
    #expect(await room.texts(in: Self.token) == ["perhaps"])
    await room.stop()
  }

  @Test func `an unknown outcome has an exit code of its own`() {
    #expect(ExitCause(.mayHaveBeenSent) == .maybeSent)
    #expect(ExitCause.allCases.filter { $0.meaning.contains("may have been sent") } == [.maybeSent])
  }

  // MARK: Who may

  @Test func `with a session one is the same guest in every command`() async throws {
    let (room, url) = try await Self.room()
    let directory = try RunDirectory()
    let session = directory.file("session")
    let id = try Self.id(try await Self.chat("send", url, "hje", "--session", session, "--name", "Anna"))
    let mode = try FileManager.default.attributesOfItem(atPath: session)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    try await Self.chat("edit", url, id, "hej", expecting: .chatForbidden, saying: "--session")
    try await Self.chat("edit", url, id, "hej", "--session", session)
    #expect(try await Self.chat("read", url).contains("Anna: hej (edited)"))
    try await Self.chat("delete", url, id, expecting: .chatForbidden)
    try await Self.chat("delete", url, id, "--session", session)
    try await Self.chat("delete", url, id, "--session", session, expecting: .messageRefused)
    let left = try await Self.chat("read", url, "--session", session)
    #expect(left.contains("* Message deleted by author (Anna)") && !left.contains("hej"))
    await room.stop()
  }

  @Test func `one command at a time has the session`() async throws {
    let (room, url) = try await Self.room()
    let directory = try RunDirectory()
    let session = directory.file("session")
    let children = try (1...4).map {
      try ChildProcess("talkbridge", ["chat", "send", url, "text \($0)", "--session", session])
    }
    for child in children { #expect(try await child.exit() == .code(0), "\(child.transcript)") }
    #expect(await Set(room.texts(in: Self.token)) == ["text 1", "text 2", "text 3", "text 4"])
    #expect(await room.names(Self.token) == ["talkbridge"])
    let follower = try ChildProcess("talkbridge", ["chat", "follow", url, "--json", "--session", session])
    try await eventually("following") { follower.output.contains("\"following\"") }
    try await Self.chat("send", url, "x", "--session", session, expecting: .sessionFileUnusable, saying: "in use")
    try await follower.terminate()
    await room.stop()
  }

  @Test func `a user chats under the user's name, with the password from a file`() async throws {
    let (room, url) = try await Self.room()
    await room.addUser("anna", displayName: "Anna Ek", appPassword: "app-pass")
    let directory = try RunDirectory()
    let file = directory.file("password")
    try "app-pass\n".write(toFile: file, atomically: true, encoding: .utf8)
    let user = ["--user", "anna", "--password-file", file]
    let child = try ChildProcess("talkbridge", ["chat", "send", url, "hej"] + user)
    #expect(try await child.exit() == .code(0), "\(child.transcript)")
    let id = try Self.id(child.output)
    let edit = try ChildProcess("talkbridge", ["chat", "edit", url, id, "hejsan"] + user)
    #expect(try await edit.exit() == .code(0), "\(edit.transcript)")
    #expect(try await Self.chat("read", url).contains("Anna Ek: hejsan (edited)"))
    try "wrong".write(toFile: file, atomically: true, encoding: .utf8)
    let refused = try ChildProcess("talkbridge", ["chat", "send", url, "hej"] + user)
    #expect(try await refused.exit() == .code(ExitCause.loginRefused.rawValue), "\(refused.transcript)")
    #expect(await room.refusedLogins == 1)
    await room.stop()
  }

  @Test func `a session file that others can read, or that is none, is refused`() async throws {
    let directory = try RunDirectory()
    let file = directory.file("session")
    for (content, mode) in [("", 0o644), ("no JSON", 0o600)] {
      try content.write(toFile: file, atomically: false, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
      try await Self.chat(
        "read", "http://127.0.0.1:1/call/abcd1234", "--session", file, expecting: .sessionFileUnusable, saying: file)
    }
  }

  @Test func `a conversation's password comes from a file and is never shown`() async throws {
    let secret = "s3cret-påssword"
    let (room, url) = try await Self.room { $0.password = secret }
    let directory = try RunDirectory()
    let file = directory.file("password")
    try await Self.chat("send", url, "x", expecting: .passwordNeeded)
    try "wrong\n".write(toFile: file, atomically: true, encoding: .utf8)
    try await Self.chat("send", url, "x", "--room-password-file", file, expecting: .passwordNeeded)
    try (secret + "\n").write(toFile: file, atomically: true, encoding: .utf8)
    try await Self.chat("send", url, "hej", "--room-password-file", file)
    let session = directory.file("session")
    let follower = try ChildProcess(
      "talkbridge",
      [
        "chat", "follow", url, "--json", "--room-password-file", file, "--session", session, "--log-level", "trace",
      ])
    try await eventually("following") { follower.output.contains("\"following\"") }
    await room.forgetSessions(in: Self.token)
    await room.write(["still here"], as: "Bo", in: Self.token)
    try await eventually("the message") { follower.output.contains("still here") }
    let cookies = try String(contentsOfFile: session, encoding: .utf8)
    let cookie = try #require(cookies.split(separator: "\"").first { $0.count == 26 }.map(String.init))
    let commandLine = try String(
      decoding: Data(contentsOf: URL(filePath: "/proc/\(follower.processIdentifier)/cmdline")), as: UTF8.self)
    try await follower.terminate()
    for text in [follower.output, follower.errorOutput, commandLine] {
      #expect(!text.contains("s3cret") && !text.contains(cookie))
    }
    await room.stop()
  }

  @Test func `who may not write is told so, and may read`() async throws {
    let (room, url) = try await Self.room { $0.guestPermissions.remove(.chat) }
    try await Self.chat("send", url, "x", expecting: .chatForbidden, saying: "write")
    try await Self.chat("read", url)
    await room.change(Self.token) { $0.hasLobby = true }
    try await Self.chat("read", url, expecting: .lobby, saying: "lobby")
    try await Self.chat("read", url.replacing(Self.token, with: "elsewhere"), expecting: .unknownRoom)
    await room.stop()
  }

  // MARK: Following

  @Test(arguments: [true, false])
  func `over a connection that is cut a hundred times each message is shown once and in order`(
    hasSignaling: Bool
  ) async throws {
    let (room, url) = try await Self.room()
    await room.setInternalSignaling(!hasSignaling)
    var random = SeededRandom(seed: 3)
    let budgets = (0..<100).map { _ in Int.random(in: 1...100_000, using: &random) }
    let port = try #require(URL(string: url)?.port)
    // Of the first connection the way in is spared: who cannot come in gets an error, and is right.
    let relay = try CuttingRelay(to: port, cuttingAfter: [30_000] + budgets)
    let follower = try ChildProcess(
      "talkbridge",
      ["chat", "follow", url.replacing(":\(port)/", with: ":\(relay.port)/"), "--json", "--since", "0"])
    var written = 0
    while written < 10_000 {
      let texts = (written..<min(10_000, written + Int.random(in: 1...200, using: &random))).map { "message \($0)" }
      await room.write(texts, as: "Anna", in: Self.token)
      written += texts.count
      if Int.random(in: 0..<10, using: &random) == 0 { await room.dropSockets() }
      try await Task.sleep(for: .milliseconds(Int.random(in: 0...100, using: &random)))
    }
    func shown() throws -> [Int] {
      try follower.output.split(separator: "\n").compactMap { line in
        guard line.contains("\"event\":\"message\"") else { return nil }
        return (try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["id"] as? Int
      }
    }
    try await eventually(within: .seconds(120), "the last message") {
      try await Task.sleep(for: .milliseconds(200))
      return follower.outputBytes.suffix(2000).contains("message 9999".utf8)
    }
    // However the cuts fall, all hundred are to be: the rest fall on the waiting.
    var extra = 0
    while relay.cuts < 101, extra < 2000 {
      await room.write([String(repeating: "x", count: 30_000)], as: "Anna", in: Self.token)
      extra += 1
      try await Task.sleep(for: .milliseconds(20))
    }
    try await eventually(within: .seconds(60), "the rest") {
      try await Task.sleep(for: .milliseconds(200))
      return try shown().count >= 10_000 + extra
    }
    #expect(try shown() == Array(1...(10_000 + extra)))
    #expect(relay.cuts >= 101)
    #expect(try await follower.terminate() == .code(0), "\(follower.transcript)")
    relay.stop()
    await room.stop()
  }

  @Test func `with a signaling server the chat is read when it says so`() async throws {
    let traffic = Eavesdropper()
    var options = EmbeddedRoom.Options()
    options.observer = traffic.listen
    let room = EmbeddedRoom(options, conversations: [HostedConversation(token: Self.token, name: "Chat")])
    let url = try await room.start() + "/call/" + Self.token
    func reads() -> Int {
      traffic.all.count {
        $0.direction == .received && $0.title.hasPrefix("GET") && $0.title.hasSuffix("/chat/\(Self.token)")
      }
    }
    let follower = try ChildProcess("talkbridge", ["chat", "follow", url, "--json", "--log-level", "debug"])
    try await eventually("listening") { follower.errorOutput.contains("tells of news") }
    // The long poll from before comes back with this one; from then on nothing is held back.
    await room.write(["first"], as: "Anna", in: Self.token)
    try await eventually("the first") { follower.output.contains("\"first\"") }
    for number in 1...5 {
      let before = reads()
      await room.write(["message \(number)"], as: "Anna", in: Self.token)
      try await eventually("message \(number)") { follower.output.contains("\"message \(number)\"") }
      try await eventually("its end") { reads() >= before + 2 }
    }
    #expect(try await follower.terminate() == .code(0), "\(follower.transcript)")
    #expect(await room.names(Self.token).isEmpty)
    #expect(traffic.all.contains { $0.direction == .received && $0.title == "message" && $0.text.contains("\"bye\"") })
    await room.stop()
  }

  @Test func `edits, deletions and reactions appear as they happen`() async throws {
    let (room, url) = try await Self.room()
    let directory = try RunDirectory()
    let session = directory.file("session")
    let follower = try ChildProcess("talkbridge", ["chat", "follow", url, "--since", "0"])
    let id = try Self.id(try await Self.chat("send", url, "hje", "--session", session, "--name", "Anna"))
    try await Self.chat("edit", url, id, "hej", "--session", session)
    try await Self.chat("react", url, id, "👍", "--session", session)
    try await Self.chat("delete", url, id, "--session", session)
    try await eventually("the deletion") { follower.output.contains("Anna deleted message \(id)") }
    #expect(follower.output.contains("Anna: hje"), "\(follower.transcript)")
    #expect(follower.output.contains("* Anna edited message \(id): "), "\(follower.transcript)")
    #expect(follower.output.contains("* Anna reacted with 👍 to message \(id)"), "\(follower.transcript)")
    follower.send(SIGINT)
    #expect(try await follower.exit() == .code(0))
    await room.stop()
  }

  @Test func `a program gets each message, and no shell sees it`() async throws {
    let (room, url) = try await Self.room()
    let directory = try RunDirectory()
    let (program, log) = (directory.file("my bot"), directory.file("log"))
    let script = """
      #!/bin/sh
      { echo "$TALKBRIDGE_ID $TALKBRIDGE_ACTOR: $TALKBRIDGE_TEXT"; cat; } >> '\(log)'
      exit 3
      """
    try script.write(toFile: program, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    let follower = try ChildProcess("talkbridge", ["chat", "follow", url, "--json", "--exec", program])
    try await eventually("following") { follower.output.contains("\"following\"") }
    let text = "$(touch \(directory.file("hacked"))); `id` 'x' \"y\"\nz"
    await room.write([text, "second"], as: "Anna; rm", in: Self.token)
    try await eventually("both messages") {
      (try? String(contentsOfFile: log, encoding: .utf8))?.contains("\"text\":\"second\"") == true
    }
    let written = try String(contentsOfFile: log, encoding: .utf8)
    #expect(written.hasPrefix("1 Anna; rm: \(text)\n{"))
    #expect(!FileManager.default.fileExists(atPath: directory.file("hacked")))
    try await eventually("the complaint") { follower.errorOutput.contains("ended with status 3") }
    try await follower.terminate()
    await room.stop()
  }

  @Test func `a program that hangs is ended with all its children, and one that is slow is waited for`() async throws {
    let (room, url) = try await Self.room()
    let directory = try RunDirectory()
    let (program, log) = (directory.file("bot"), directory.file("log"))
    let script = """
      #!/bin/sh
      echo "begin $TALKBRIDGE_TEXT ${TALKBRIDGE_PASSWORD-none} ${CREDENTIALS_DIRECTORY-none}" >> '\(log)'
      case $TALKBRIDGE_TEXT in
      hang) trap '' TERM; sleep 1000 & sleep 1000; sleep 1000;;
      slow) sleep 0.5;;
      esac
      echo "end $TALKBRIDGE_TEXT" >> '\(log)'
      """
    try script.write(toFile: program, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    let follower = try ChildProcess(
      "talkbridge", ["chat", "follow", url, "--json", "--exec", program, "--exec-limit", "3s"],
      environment: ["TALKBRIDGE_PASSWORD": "s3cret", "CREDENTIALS_DIRECTORY": "/run/credentials/x"])
    try await eventually("following") { follower.output.contains("\"following\"") }
    await room.write(["slow", "hang", "last"], as: "Anna", in: Self.token)
    func lines() -> [String] {
      ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }
    try await eventually("the last") { lines().last == "end last" }
    #expect(
      lines() == ["begin slow none none", "end slow", "begin hang none none", "begin last none none", "end last"])
    #expect(follower.errorOutput.contains("message 2: \(program) was ended after 3 seconds"), "\(follower.transcript)")
    #expect(try await follower.terminate() == .code(0))
    let missing = try ChildProcess("talkbridge", ["chat", "follow", url, "--exec", "\(program) --loud"])
    #expect(try await missing.exit() == .code(ExitCause.usage.rawValue))
    await room.stop()
  }

  @Test func `nothing in JSON commands a terminal or ends a line, and a reader loses nothing`() throws {
    let text = "a\u{1B}[2J\u{9B}31m\u{202E}b\u{2028}c\u{85}👩‍👩‍👧 x\u{E0067}\u{1D173}"
    let line = JSONLine.text(["text": .string(text)])
    #expect(
      line.unicodeScalars.allSatisfy { $0.value >= 0x20 && ![0x9B, 0x202E, 0x2028, 0x85, 0x1D173].contains($0.value) })
    #expect(line.contains("👩‍👩‍👧"))
    let read = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
    #expect(read?["text"] == text)
  }

  @Test func `following ends with its reader, or with the conversation`() async throws {
    let (room, url) = try await Self.room()
    let unread = try ChildProcess("talkbridge", ["chat", "follow", url, "--since", "0"], output: .pipe)
    let follower = try ChildProcess("talkbridge", ["chat", "follow", url, "--json"])
    try await eventually("following") { follower.output.contains("\"following\"") }
    unread.closeOutput()
    await room.write(["for nobody"], as: "Anna", in: Self.token)
    #expect(try await unread.exit() == .code(0), "\(unread.transcript)")
    await room.delete(Self.token)
    // The server tells when it is asked again, at the latest when the long poll is over.
    #expect(try await follower.exit(within: .seconds(60)) == .code(ExitCause.unknownRoom.rawValue))
    #expect(follower.output.contains("\"unknown-conversation\""), "\(follower.transcript)")
    await room.stop()
  }
}
