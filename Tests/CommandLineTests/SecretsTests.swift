import ArgumentParser
import Foundation
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// Nothing that grants something leaves the process but to the server that it is for: not in output, log or trace, not in
/// the process list, and not to programs that we start.
@Suite struct SecretsTests {
  // MARK: What a leak looks like

  /// All ways to write a secret that are looked for; those in base64 without what depends on its surroundings.
  private static func forms(of secret: String) -> Set<String> {
    let percent = secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? secret
    let lowerCase = percent.replacing(/%../) { $0.output.lowercased() }
    let lenient = secret.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? secret
    let escaped = String(decoding: (try? JSONEncoder().encode([secret])) ?? Data(), as: UTF8.self)
    let json = String(escaped.dropFirst(2).dropLast(2))
    var forms: Set<String> = [secret, percent, lowerCase, lenient, percent.replacing("%20", with: "+"), json]
    forms.insert(json.replacing("\\/", with: "/"))
    for offset in 0..<3 {
      let bytes = [UInt8](repeating: 0x20, count: offset) + Array(secret.utf8)
      let base64 = Data(bytes).base64EncodedString().dropFirst((offset * 8 + 5) / 6)
      let core = String(base64.prefix(bytes.count * 8 / 6 - (offset * 8 + 5) / 6))
      forms.insert(core)
      forms.insert(core.replacing("+", with: "-").replacing("/", with: "_"))
    }
    return forms
  }

  /// The secrets that stand in these texts, with what kind of text it was.
  private static func leaks(of secrets: Set<String>, in texts: [String: String]) -> [String] {
    texts.flatMap { kind, text -> [String] in
      let bytes = Data(text.utf8)
      return secrets.filter { secret in forms(of: secret).contains { bytes.range(of: Data($0.utf8)) != nil } }
        .map { "\(kind): \($0)" }
    }
  }

  @Test func `a leak is found in every encoding and alignment`() throws {
    let secret = #"pä ss/+"\4711"#
    func login(_ user: String) -> String { Data("\(user)\(secret):x".utf8).base64EncodedString() }
    let texts = [
      "…\(secret)…", "a=\(secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")&",
      String(decoding: try JSONEncoder().encode(["a": secret]), as: UTF8.self), login(""), login("a"), login("ab"),
      login("abc"),
    ]
    for text in texts { #expect(Self.leaks(of: [secret], in: ["": text]).count == 1, "\(text)") }
    #expect(Self.leaks(of: [secret], in: ["": "pä ss/+ 4711 " + Data("pä ss".utf8).base64EncodedString()]).isEmpty)
  }

  // MARK: What there is to leak

  private static let appPassword = "app-pässword /+ 4711"
  private static let roomPassword = #"open "sesame" / ü 4711"#
  private static let internalSecret = "internal secret ü/+"
  private static let recordingSecret = "recording secret %&"
  private static let turnSecret = "the secret of the TURN server"

  /// All that the room handed out or was told, by kind, as it stood in the traffic.
  private static func secrets(in traffic: [RoomTraffic]) -> [String: Set<String>] {
    var found: [String: Set<String>] = [:]
    for part in traffic {
      for line in part.text.split(separator: "\n") {
        if line.hasPrefix("oc_"), let value = line.split(separator: "=").last {
          found["cookie", default: []].insert(String(value))
        }
        guard let value = try? JSONCoding.decode(JSONValue.self, from: String(line)) else { continue }
        collect(value, "", isSocket: part.title == "message", into: &found)
      }
    }
    found["token"]?.remove(token)
    return found.mapValues { $0.filter { $0.utf8.count >= 8 } }
  }

  private static func collect(
    _ value: JSONValue, _ name: String, isSocket: Bool, into found: inout [String: Set<String>]
  ) {
    switch value {
    case .object(let members):
      for (key, member) in members {
        // What others know each other by is called so, too.
        if isSocket, key.lowercased() == "sessionid", name != "room" { continue }
        collect(member, key, isSocket: isSocket, into: &found)
      }
    case .array(let elements): for element in elements { collect(element, name, isSocket: isSocket, into: &found) }
    case .string(let text):
      let kinds = [
        "ticket", "token", "resumeid", "credential", "password", "appPassword", "sessionId", "sessionid",
        "roomsessionid", "nextcloudSessionId",
      ]
      if kinds.contains(name) { found[name, default: []].insert(text) }
      if name == "login", let last = text.split(separator: "/").last {
        found["login", default: []].insert(String(last))
      }
      for part in text.components(separatedBy: "a=ice-pwd:").dropFirst() {
        found["ice-pwd", default: []].insert(String(part.prefix { $0 != "\r" && $0 != "\n" && $0 != "\r\n" }))
      }
    case .null, .bool, .number: break
    }
  }

  // MARK: The commands

  /// What a case has to work with.
  private struct Scene: Sendable {
    let room: EmbeddedRoom
    let url: String
    let run: RunDirectory
    /// The id of a message that the session's guest has written.
    var message = ""

    var base: String { String(url.dropLast("/call/\(token)".count)) }
    var session: String { run.file("session") }
    var password: [String] { ["--room-password-file", run.file("room-password")] }
    var user: [String] { ["--user", "anna", "--password-file", run.file("app-password")] }
    var environment: [String: String] {
      ["TALKBRIDGE_PASSWORD": SecretsTests.appPassword, "XDG_CONFIG_HOME": run.file("config")]
    }
  }

  /// How a command is run.
  private struct Case: Sendable {
    /// In parts.
    var arguments: @Sendable (Scene) -> [[String]]
    /// What happens while it runs.
    var meanwhile: @Sendable (Scene, ChildProcess) async throws -> Void = { _, _ in }
    /// nil where it does not matter.
    var status: ExitCause? = .success
    /// Whether somebody else is in the call.
    var hasCompany = false
  }

  private static let silent = ["--input", "none", "--output", "none", "--ice-address", "127.0.0.1"]
  private static let listening = ["--output", "none", "--ice-address", "127.0.0.1"]

  /// None where the command is not known here.
  private static func cases(of command: String) -> [Case] {
    switch command {
    case "join":
      return [
        Case { [["join", $0.url, "--duration", "1s", "--json"], silent, $0.password] },
        // The password is in the environment.
        Case { [["join", $0.url, "--duration", "1s", "--user", "anna"], silent, $0.password] },
        Case(arguments: { [["join", $0.url], silent] }, status: .passwordNeeded),
      ]
    case "record":
      let secrets: @Sendable (Scene) -> [String] = { scene in
        ["--internal-secret-file", scene.run.file("internal"), "--recording-secret-file", scene.run.file("recording")]
      }
      return [
        Case(
          arguments: { [["record", $0.url, "--duration", "1s"], listening, $0.user, $0.password] }, hasCompany: true),
        Case(arguments: { [["record", $0.url, "--duration", "1s"], listening, secrets($0)] }, hasCompany: true),
      ]
    case "watch":
      return [
        Case {
          [["watch", $0.url, "--output-directory", $0.run.path, "--ice-address", "127.0.0.1"], $0.password]
        } meanwhile: { scene, child in
          try await eventually("the watcher") {
            await scene.room.names(token).contains { $0.contains("(recording)") }
          }
          child.send(SIGINT)
        }
      ]
    case "rooms": return [Case { [["rooms", $0.base, "--json"], $0.user] }]
    case "login":
      return [
        Case {
          [["login", $0.base]]
        } meanwhile: { scene, child in
          try await eventually("the page") { child.output.contains("/login/v2/flow/") }
          await scene.room.grantLogins(to: "anna")
        }
      ]
    case "logout": return [Case { [["logout", $0.base]] }]
    case "chat send":
      return [
        Case { [["chat", "send", $0.url, "hej"], $0.password, $0.user] },
        Case { [["chat", "send", $0.url, "hej", "--session", $0.session], $0.password] },
      ]
    case "chat read": return [Case { [["chat", "read", $0.url, "--json", "--session", $0.session], $0.password] }]
    case "chat follow":
      return [
        Case { scene in
          let bot = scene.run.file("bot")
          return [["chat", "follow", scene.url, "--since", "0", "--user", "anna", "--exec", bot], scene.password]
        } meanwhile: { scene, child in
          try await eventually("the program's word") {
            (try? String(contentsOfFile: scene.run.file("bot-saw"), encoding: .utf8))?.contains("the end") == true
          }
          child.send(SIGINT)
        }
      ]
    case "chat react": return [Case { [["chat", "react", $0.url, $0.message, "👍"], $0.password] }]
    case "chat edit":
      return [Case { [["chat", "edit", $0.url, $0.message, "hejsan", "--session", $0.session], $0.password] }]
    case "chat delete":
      return [Case { [["chat", "delete", $0.url, $0.message, "--session", $0.session], $0.password] }]
    case "inspect":
      // It finds that the TURN server does not answer.
      return [
        Case(arguments: { [["inspect", $0.url, "--call", "--ice-address", "127.0.0.1"], $0.password] }, status: nil)
      ]
    case "demo": return [Case { [["demo", "--duration", "3s", "--output", $0.run.file("demo.wav")]] }]
    // There is no PulseAudio at this address.
    case "devices": return [Case(arguments: { _ in [["devices"]] }, status: .noPulseAudio)]
    default: return []
    }
  }

  /// Those that talk to no server.
  private static let offline: Set<String> = ["devices"]

  /// Every command that can be given, by its words.
  private static func commands(
    below type: any ParsableCommand.Type = Talkbridge.self, words: [String] = []
  ) -> [String: any ParsableCommand.Type] {
    let subcommands = type.configuration.subcommands
    guard !subcommands.isEmpty else { return [words.joined(separator: " "): type] }
    return subcommands.reduce(into: [:]) { all, command in
      let name = command.configuration.commandName ?? "?"
      all.merge(commands(below: command, words: words + [name])) { one, _ in one }
    }
  }

  @Test func `every command has a case here, and a trace if it talks to servers`() {
    for (name, type) in Self.commands() {
      #expect(!Self.cases(of: name).isEmpty, "talkbridge \(name) is not tried for leaks")
      #expect(type.helpMessage().contains("--trace") != Self.offline.contains(name), "talkbridge \(name)")
    }
    #expect(Self.commands().count > 12)
  }

  /// Runs `body` in a room with every kind of secret.
  private static func withScene(_ body: (Scene, Eavesdropper) async throws -> Void) async throws {
    let ear = Eavesdropper()
    try await withRoom {
      $0.observer = { ear.listen($0) }
      $0.internalSecret = internalSecret
      $0.recordingSecret = recordingSecret
      $0.turnServers = [.init(urls: ["turn:127.0.0.1:1?transport=udp"], secret: turnSecret)]
      $1.password = roomPassword
      $1.members = ["anna"]
    } _: { room, url in
      await room.addUser("anna", displayName: "Anna", appPassword: appPassword)
      var scene = Scene(room: room, url: url, run: try RunDirectory("secrets"))
      for (name, content) in [
        ("room-password", roomPassword), ("app-password", appPassword), ("internal", internalSecret),
        ("recording", recordingSecret),
      ] {
        try "\(content)\n".write(toFile: scene.run.file(name), atomically: true, encoding: .utf8)
      }
      let bot = """
        #!/bin/sh
        { tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' '\\n' < /proc/$$/cmdline; cat; echo the end; } >> \(scene.run.file("bot-saw"))
        """
      try bot.write(toFile: scene.run.file("bot"), atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scene.run.file("bot"))
      let writer = try ChildProcess(
        "talkbridge", ["chat", "send", url, "hej", "--session", scene.session] + scene.password)
      try #require(try await writer.exit(within: .seconds(60)) == .code(0), "\(writer.transcript)")
      scene.message = writer.output.trimmingCharacters(in: .newlines)
      try AccountStore(environment: scene.environment).add(
        .init(server: scene.base, user: "anna", appPassword: appPassword))
      try await body(scene, ear)
    }
  }

  /// Runs a case at the highest log level and with a trace.
  /// - Returns: All that could be seen of it, by where.
  private static func seen(
    of one: Case, _ type: any ParsableCommand.Type, in scene: Scene
  ) async throws -> [String: String] {
    let file = scene.run.file("trace-\(UUID().uuidString)")
    let help = type.helpMessage()
    var arguments = one.arguments(scene).flatMap { $0 }
    if help.contains("--log-level") { arguments += ["--log-level", "trace"] }
    if help.contains("--trace") { arguments += ["--trace", file] }
    var company: ChildProcess?
    if one.hasCompany {
      company = try ChildProcess("talkbridge", ["join", scene.url, "--name", "Company"] + silent + scene.password)
      try await eventually("the company") { await scene.room.namesInCall(token).contains("Company") }
    }
    defer { company?.kill() }
    let child = try ChildProcess(
      "talkbridge", arguments, environment: scene.environment.merging(["PULSE_SERVER": "/nowhere"]) { $1 })
    let commandLine = try await commandLine(of: child)
    try await one.meanwhile(scene, child)
    let exit = try await child.exit(within: .seconds(90))
    if let status = one.status { #expect(exit == .code(status.rawValue), "\(child.transcript)") }
    return [
      "output": child.output, "error output": child.errorOutput, "command line": commandLine,
      "trace": (try? String(contentsOfFile: file, encoding: .utf8)) ?? "",
      "child": (try? String(contentsOfFile: scene.run.file("bot-saw"), encoding: .utf8)) ?? "",
    ]
  }

  @Test(arguments: SecretsTests.commands().keys.sorted())
  func `no secret is seen of any command`(name: String) async throws {
    let type = try #require(Self.commands()[name])
    for one in Self.cases(of: name) {
      try await Self.withScene { scene, ear in
        let seen = try await Self.seen(of: one, type, in: scene)
        var secrets = Self.secrets(in: ear.all)
        let given: Set<String> = [
          Self.appPassword, Self.roomPassword, Self.internalSecret, Self.recordingSecret, Self.turnSecret,
        ]
        // The page of a login is for the user's eyes.
        let page = secrets.removeValue(forKey: "login") ?? []
        let all = secrets.values.reduce(given) { $0.union($1) }
        #expect(secrets["cookie"]?.isEmpty == false && secrets["sessionId"]?.isEmpty == false)
        #expect(Self.leaks(of: all, in: seen) == [])
        // Whoever knows the conversation's token may enter; the user does, and whoever reads the trace need not.
        #expect(Self.leaks(of: page.union([token]), in: ["trace": seen["trace"] ?? ""]) == [])
        #expect(Self.offline.contains(name) || seen["trace"]?.contains("redacted") == true)
        if name == "chat follow" { #expect(seen["child"]?.contains("TALKBRIDGE_TEXT=hej") == true) }
      }
    }
  }

  /// As everybody on the machine can see it. Until the program has begun it is our own, and for a moment empty.
  private static func commandLine(of child: ChildProcess) async throws -> String {
    func read(_ process: String) -> String {
      (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
    }
    let own = read("self")
    var seen = own
    try await eventually(every: .milliseconds(1), "the program") {
      // Once it has ended it is empty for good.
      let hasEnded = child.exitStatus != nil
      seen = read("\(child.processIdentifier)")
      return seen != own && !seen.isEmpty || hasEnded
    }
    return seen
  }

  @Test func `of a call there are secrets of every kind to be leaked`() async throws {
    try await Self.withScene { scene, ear in
      let one = Case { [["join", $0.url, "--duration", "1s"], Self.silent, $0.password] }
      _ = try await Self.seen(of: one, JoinCommand.self, in: scene)
      let login = try #require(Self.cases(of: "login").first)
      _ = try await Self.seen(of: login, LoginCommand.self, in: scene)
      let secrets = Self.secrets(in: ear.all)
      for kind in [
        "cookie", "ticket", "token", "resumeid", "credential", "password", "appPassword", "sessionId", "ice-pwd",
        "login",
      ] {
        #expect(secrets[kind]?.isEmpty == false, "\(kind)")
      }
    }
  }

  @Test func `a leak would be noticed wherever it is`() async throws {
    try await Self.withScene { scene, ear in
      let secret = "planted secret /+ü"
      let one = Case { [["chat", "read", $0.url, "--name", secret], $0.password] }
      let named = Case { [["chat", "send", $0.url, "text", "--name", secret], $0.password] }
      _ = try await Self.seen(of: named, ChatSendCommand.self, in: scene)
      let seen = try await Self.seen(of: one, ChatReadCommand.self, in: scene)
      let leaks = Self.leaks(of: [secret], in: seen)
      #expect(Set(leaks) == ["output: \(secret)", "command line: \(secret)", "trace: \(secret)"])
    }
  }
}
