import Foundation
import Glibc
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// What keeps people out of a conversation or silent in it, and how they get in and are heard all the same.
@Suite struct RoomAccessTests {
  private static let token = "accessroom"
  private static let silent = ["--input", "none", "--output", "none", "--ice-address", "127.0.0.1", "--json"]

  private static func withRoom(
    _ change: (inout HostedConversation) -> Void = { _ in },
    _ body: (_ room: EmbeddedRoom, _ url: String) async throws -> Void
  ) async throws {
    var conversation = HostedConversation(token: token, name: "Access")
    change(&conversation)
    let room = EmbeddedRoom(conversations: [conversation])
    let url = try await room.start() + "/call/\(token)"
    do { try await body(room, url) } catch {
      await room.stop()
      throw error
    }
    await room.stop()
  }

  private static func file(_ content: String, mode: Int = 0o600) throws -> String {
    let path = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return path
  }

  private static func leave(_ child: ChildProcess) async throws {
    child.send(SIGINT)
    #expect(try await child.exit(within: .seconds(20)) == .code(0), "\(child.transcript)")
  }

  private static func fails(_ arguments: [String], with status: ExitCause, environment: [String: String] = [:])
    async throws -> String
  {
    let child = try ChildProcess("talkbridge", arguments, environment: environment)
    #expect(try await child.exit() == .code(status.rawValue), "\(child.transcript)")
    return child.errorOutput
  }

  // MARK: Password, consent, lobby

  @Test func `the password opens the conversation, and a wrong one does not`() async throws {
    try await Self.withRoom {
      $0.password = "open sesame"
    } _: { room, url in
      let right = try Self.file("open sesame\n")
      let wrong = try Self.file("open barley\n")
      let child = try ChildProcess("talkbridge", ["join", url, "--room-password-file", right] + Self.silent)
      try await eventually("the guest in the call") { await room.namesInCall(Self.token) == ["talkbridge"] }
      try await Self.leave(child)
      let words = try await Self.fails(
        ["join", url, "--room-password-file", wrong] + Self.silent, with: .passwordNeeded)
      #expect(words.contains("another one"))
      let missing = try await Self.fails(
        ["join", url, "--room-password-file", "/nowhere/secret"] + Self.silent, with: .usage)
      #expect(missing.contains("/nowhere/secret"))
    }
  }

  @Test func `who consents to being recorded is let in`() async throws {
    try await Self.withRoom {
      $0.requiresRecordingConsent = true
    } _: { room, url in
      let child = try ChildProcess("talkbridge", ["join", url, "--consent"] + Self.silent)
      try await eventually("the guest in the call") { await !room.namesInCall(Self.token).isEmpty }
      try await Self.leave(child)
    }
  }

  @Test func `who waits in the lobby says until when, enters when it opens, and waits again when it closes`()
    async throws
  {
    try await Self.withRoom {
      $0.hasLobby = true
      $0.lobbyOpensAt = 1_900_000_000
    } _: { room, url in
      let child = try ChildProcess("talkbridge", ["join", url, "--wait-in-lobby"] + Self.silent)
      try await eventually("the wait") { child.output.contains(#""phase":"waiting-in-lobby""#) }
      #expect(child.output.contains(#""opensAt":"2030-03-17T17:46:40Z""#))
      #expect(await room.namesInCall(Self.token).isEmpty)
      await room.change(Self.token) { $0.hasLobby = false }
      try await eventually("the guest in the call") { await !room.namesInCall(Self.token).isEmpty }
      await room.change(Self.token) { $0.hasLobby = true }
      try await eventually("the second wait") {
        child.output.components(separatedBy: #""phase":"waiting-in-lobby""#).count == 3
      }
      await room.change(Self.token) { $0.hasLobby = false }
      try await eventually("the guest in the call again") { await !room.namesInCall(Self.token).isEmpty }
      try await Self.leave(child)
    }
  }

  // MARK: Speaking

  @Test func `who may not speak listens, speaks when allowed, and stops when that is taken back`() async throws {
    let mute = Permissions.guestDefault.subtracting(.publishAudio)
    try await Self.withRoom {
      $0.guestPermissions = mute.union(.custom)
    } _: { room, url in
      let speaker = try ChildProcess("talkbridge", ["join", url, "--name", "Speaker"] + Self.silent)
      try await eventually("the refusal") { speaker.output.contains(#""event":"publishing-forbidden""#) }
      let listener = try ChildProcess(
        "talkbridge", ["record", url, "--output", "none", "--ice-address", "127.0.0.1", "--json"])
      try await eventually("the listener") { await room.namesInCall(Self.token).count == 2 }
      #expect(!speaker.output.contains(#""event":"publishing""#))
      await room.change(Self.token) { $0.guestPermissions = .guestDefault }
      try await eventually("being heard") { listener.output.contains(#""event":"heard""#) }
      #expect(await room.callFlags(of: "Speaker", in: Self.token) == 3)
      await room.change(Self.token) { $0.guestPermissions = mute.union(.custom) }
      try await eventually("the second refusal") {
        speaker.output.components(separatedBy: #""event":"publishing-forbidden""#).count == 3
      }
      try await Self.leave(speaker)
      try await Self.leave(listener)
    }
  }

  @Test func `the keys m, h and q mute, raise the hand and leave, and the terminal is as before`() async throws {
    try await Self.withRoom { room, url in
      let listener = try ChildProcess(
        "talkbridge", ["record", url, "--output", "none", "--ice-address", "127.0.0.1", "--json"])
      let terminal = try PseudoTerminal()
      #expect(terminal.isCanonical)
      let child = try ChildProcess(
        "setsid",
        ["--ctty", "--wait", ChildProcess.executable("talkbridge"), "join", url, "--mute"] + Self.silent,
        input: .descriptor(terminal.slave))
      try await eventually("both in the call") { await room.namesInCall(Self.token).count == 2 }
      #expect(!terminal.isCanonical)
      terminal.type("m")
      try await eventually("the microphone on") { child.output.contains(#""event":"microphone-muted","muted":false"#) }
      terminal.type("h")
      try await eventually("the hand, as others see it") { listener.output.contains(#""raised":true"#) }
      terminal.type("m")
      try await eventually("the microphone off, as others see it") {
        listener.output.contains(#""event":"participant-muted","muted":true"#)
      }
      terminal.type("q")
      #expect(try await child.exit(within: .seconds(20)) == .code(0), "\(child.transcript)")
      #expect(terminal.isCanonical)
      try await Self.leave(listener)
    }
  }

  @Test func `SIGUSR1 turns the microphone off and on, and a recorder survives it`() async throws {
    try await Self.withRoom { room, url in
      let child = try ChildProcess("talkbridge", ["join", url] + Self.silent)
      let listener = try ChildProcess(
        "talkbridge", ["record", url, "--output", "none", "--ice-address", "127.0.0.1", "--json"])
      try await eventually("both in the call") { await room.namesInCall(Self.token).count == 2 }
      listener.send(SIGUSR1)
      child.send(SIGUSR1)
      try await eventually("the microphone off") { child.output.contains(#""event":"microphone-muted","muted":true"#) }
      child.send(SIGUSR1)
      try await eventually("the microphone on") { child.output.contains(#""event":"microphone-muted","muted":false"#) }
      try await Self.leave(child)
      try await Self.leave(listener)
    }
  }

  // MARK: Unattended

  @Test func `each call that is watched gets its own recording, and a password is read once`() async throws {
    try await Self.withRoom {
      $0.password = "open sesame"
    } _: { room, url in
      let password = ["--room-password-file", try Self.file("open sesame")]
      let folder = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      func recordings() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] }
      let watch = try ChildProcess(
        "talkbridge",
        [
          "watch", url, "--output-directory", folder, "--ice-address", "127.0.0.1", "--json", "--room-password-file",
          "/dev/stdin",
        ], input: .pipe)
      try watch.write(Array("open sesame\n".utf8))
      watch.closeInput()
      for call in 1...2 {
        try await eventually("the wait") {
          watch.output.components(separatedBy: #""phase":"waiting-for-call""#).count > call
        }
        #expect(recordings().count == call - 1)
        let guest = try ChildProcess("talkbridge", ["join", url] + password + Self.silent)
        try await eventually("both in the call") { await room.namesInCall(Self.token).count == 2 }
        try await eventually("the recording") { recordings().count == call }
        // Names tell seconds apart.
        try await Task.sleep(for: .seconds(1))
        try await Self.leave(guest)
        try await eventually("the call's end") { await room.namesInCall(Self.token).isEmpty }
      }
      #expect(recordings().allSatisfy { $0.hasPrefix(Self.token + "-") && $0.hasSuffix(".wav") })
      try await Self.leave(watch)
    }
  }

  @Test func `a watch begins again when the server fails, and ends when asked to meanwhile`() async throws {
    try await Self.withRoom { room, url in
      await room.setFaults { $0.refusedRequests["/participants/active"] = 500 }
      let watch = try ChildProcess("talkbridge", ["watch", url, "--output-directory", "/tmp", "--json"])
      try await eventually("the pause") { watch.output.contains("trying again in 10 s") }
      try await Self.leave(watch)
    }
  }

  @Test func `a directory that recordings cannot go to is found at once`() async throws {
    try await Self.withRoom { _, url in
      let words = try await Self.fails(["watch", url, "--output-directory", "/nowhere"], with: .outputUnwritable)
      #expect(words.contains("/nowhere"))
    }
  }

  // MARK: Users

  @Test func `a user logs in by browser, joins a private conversation, and logs out`() async throws {
    try await Self.withRoom {
      $0.isPublic = false
      $0.members = ["anna"]
    } _: { room, url in
      await room.addUser("anna", displayName: "Anna A.")
      let base = String(url.dropLast("/call/\(Self.token)".count))
      let home = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
      let environment = ["XDG_CONFIG_HOME": home, "TALKBRIDGE_PASSWORD": "", "CREDENTIALS_DIRECTORY": ""]
      let login = try ChildProcess("talkbridge", ["login", base + "/"], environment: environment)
      try await eventually("the page to open") { login.output.contains(base + "/login/v2/flow/") }
      await room.grantLogins(to: "anna")
      #expect(try await login.exit() == .code(0), "\(login.transcript)")
      #expect(await room.appPasswordCount(of: "anna") == 1)
      let store = home + "/talkbridge/accounts.json"
      #expect(try FileManager.default.attributesOfItem(atPath: store)[.posixPermissions] as? Int == 0o600)

      let child = try ChildProcess(
        "talkbridge", ["join", url, "--user", "anna"] + Self.silent, environment: environment)
      try await eventually("the user in the call") { await room.namesInCall(Self.token) == ["Anna A."] }
      try await Self.leave(child)
      _ = try await Self.fails(["join", url] + Self.silent, with: .unknownRoom)

      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: store)
      let words = try await Self.fails(
        ["join", url, "--user", "anna"] + Self.silent, with: .loginRefused, environment: environment)
      #expect(words.contains("chmod 600"))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: store)

      let logout = try ChildProcess("talkbridge", ["logout", base], environment: environment)
      #expect(try await logout.exit() == .code(0), "\(logout.transcript)")
      #expect(await room.appPasswordCount(of: "anna") == 0)
      let missing = try await Self.fails(
        ["join", url, "--user", "anna"] + Self.silent, with: .loginRefused, environment: environment)
      #expect(missing.contains("talkbridge login"))
    }
  }

  @Test func `an app password that is refused is tried once`() async throws {
    try await Self.withRoom { room, url in
      await room.addUser("anna", displayName: "Anna A.", appPassword: "right")
      let words = try await Self.fails(
        ["join", url, "--user", "anna"] + Self.silent, with: .loginRefused,
        environment: ["TALKBRIDGE_PASSWORD": "wrong"])
      #expect(words.contains("app password"))
      #expect(await room.refusedLogins == 1)
    }
  }

  @Test func `app passwords come from a file, the environment or a credential, and a moderator passes the lobby`()
    async throws
  {
    try await Self.withRoom {
      $0.hasLobby = true
      $0.moderators = ["anna"]
    } _: { room, url in
      await room.addUser("anna", displayName: "Anna A.", appPassword: "right")
      let file = try Self.file("right\n")
      let credentials = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: credentials, withIntermediateDirectories: true)
      try Data("right".utf8).write(to: URL(fileURLWithPath: credentials + "/talkbridge-password"))
      for (options, environment) in [
        (["--password-file", file], [:]), ([], ["TALKBRIDGE_PASSWORD": "right"]),
        ([], ["CREDENTIALS_DIRECTORY": credentials]),
      ] {
        let child = try ChildProcess(
          "talkbridge", ["join", url, "--user", "anna"] + options + Self.silent, environment: environment)
        try await eventually("the user in the call") { await room.namesInCall(Self.token) == ["Anna A."] }
        try await Self.leave(child)
        #expect(await room.namesInCall(Self.token).isEmpty)
      }
    }
  }

  @Test func `a user's conversations are listed, those with a call first`() async throws {
    try await Self.withRoom {
      $0.members = ["anna"]
    } _: { room, url in
      await room.addUser("anna", displayName: "Anna A.", appPassword: "right")
      let base = String(url.dropLast("/call/\(Self.token)".count))
      let arguments = ["rooms", base, "--user", "anna"]
      let guest = try ChildProcess("talkbridge", ["join", url] + Self.silent)
      try await eventually("the call") { await !room.namesInCall(Self.token).isEmpty }
      let list = try ChildProcess("talkbridge", arguments, environment: ["TALKBRIDGE_PASSWORD": "right"])
      #expect(try await list.exit() == .code(0), "\(list.transcript)")
      #expect(list.output == "* \(url)  Access\n")
      try await Self.leave(guest)
      let lines = try ChildProcess("talkbridge", arguments + ["--json"], environment: ["TALKBRIDGE_PASSWORD": "right"])
      #expect(try await lines.exit() == .code(0), "\(lines.transcript)")
      #expect(lines.output.contains(#""hasCall":false"#) && lines.output.contains(url))
      _ = try await Self.fails(arguments, with: .loginRefused, environment: ["TALKBRIDGE_PASSWORD": "wrong"])
      _ = try await Self.fails(["rooms", base], with: .usage)
    }
  }

  // MARK: Secrets

  @Test func `no password is in any output, log or command line`() async throws {
    let secrets = ["room secret ü/+", "app secret %&"]
    try await Self.withRoom {
      $0.password = secrets[0]
    } _: { room, url in
      await room.addUser("anna", displayName: "Anna A.", appPassword: secrets[1])
      let (roomFile, userFile) = (try Self.file(secrets[0]), try Self.file(secrets[1]))
      let options = ["--log-level", "trace", "--room-password-file", roomFile] + Self.silent
      let forms = (secrets + ["anna:" + secrets[1]]).flatMap { secret -> [String] in
        let encoded = secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? secret
        return [
          secret, encoded, encoded.replacing("%20", with: "+"), Data(secret.utf8).base64EncodedString(),
          secret.replacing("/", with: "\\/"),
        ]
      }
      for login in [[], ["--user", "anna", "--password-file", userFile]] {
        let child = try ChildProcess("talkbridge", ["join", url] + login + options)
        try await eventually("the call") { await !room.namesInCall(Self.token).isEmpty }
        let commandLine = try String(contentsOfFile: "/proc/\(child.processIdentifier)/cmdline", encoding: .utf8)
        try await Self.leave(child)
        for form in forms {
          #expect(!(commandLine + child.output + child.errorOutput).contains(form))
        }
        #expect(child.output.contains("request answered"), "the log is there")
      }
    }
  }
}

/// A terminal whose keyboard is the test.
private final class PseudoTerminal {
  private let master: Int32
  let slave: Int32

  init() throws {
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (lock, number): (Int32, UInt32) = (0, 0)
    // What unlockpt and ptsname do, which the importer does not see (ioctl_tty(2)).
    let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)
    guard master >= 0, ioctl(master, setLock, &lock) == 0, ioctl(master, getNumber, &number) == 0 else {
      throw POSIXError(.ENXIO)
    }
    let name = "/dev/pts/\(number)"
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)
  }

  deinit {
    close(slave)
    close(master)
  }

  func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) } }

  /// Whether it delivers lines and echoes, as terminals do unless told otherwise.
  var isCanonical: Bool {
    var settings = termios()
    tcgetattr(slave, &settings)
    return settings.c_lflag & tcflag_t(ICANON) != 0 && settings.c_lflag & tcflag_t(ECHO) != 0
  }
}
