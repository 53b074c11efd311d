import ArgumentParser
import Foundation
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

@testable import talkbridge

/// Installations that are elsewhere, asleep, old, or do not want us; and conversations that lead elsewhere.
@Suite struct InstallationTests {
  private static let silent = ["--input", "none", "--output", "none", "--json"]

  private static func leave(_ children: ChildProcess...) async throws {
    for child in children {
      child.send(SIGINT)
      #expect(try await child.exit(within: .seconds(20)) == .code(0), "\(child.transcript)")
    }
  }

  private static func fails(_ arguments: [String], with status: ExitCause, saying words: String) async throws {
    let child = try talkbridge(arguments)
    #expect(try await child.exit(within: .seconds(30)) == .code(status.rawValue), "\(child.transcript)")
    #expect(child.errorOutput.contains(words), "\(child.transcript)")
  }

  // MARK: Elsewhere

  @Test(arguments: [301, 302, 308])
  func `a server that has moved is followed`(status: Int) async throws {
    try await withRoom { room, url in
      try await withRoom { old, oldURL in
        await old.setFaults {
          $0.redirection = .init(status, to: String(url.dropLast("/call/\(token)".count)))
        }
        let child = try talkbridge(["join", oldURL] + Self.silent)
        try await eventually("the guest in the call") { await !room.namesInCall(token).isEmpty }
        #expect(child.output.contains(#""event":"server-moved""#))
        try await Self.leave(child)
        #expect(await room.names(token).isEmpty)
      }
    }
  }

  @Test func `a server that sends us to a page for people says where`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.redirection = .init(302, to: "https://login.example.com/sso?to=") }
      try await Self.fails(["join", url] + Self.silent, with: .notATalkServer, saying: "https://login.example.com/sso")
    }
  }

  @Test func `an installation below a path is reached by its address, with or without index.php`() async throws {
    try await withRoom {
      options, _ in
      options.installation.path = "/nextcloud"
    } _: { room, url in
      #expect(url.hasSuffix("/nextcloud/call/\(token)"))
      for address in [url, url.replacing("/call/", with: "/index.php/call/")] {
        let child = try talkbridge(["join", address] + Self.silent)
        try await eventually("the guest in the call") { await !room.namesInCall(token).isEmpty }
        try await Self.leave(child)
      }
      try await Self.fails(
        ["join", url.replacing("/nextcloud", with: "")] + Self.silent, with: .notATalkServer, saying: "404")
    }
  }

  @Test func `a name that the installation does not go by is told`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.isUntrusted = true }
      try await Self.fails(["join", url] + Self.silent, with: .notATalkServer, saying: "trusted_domains")
    }
  }

  // MARK: Asleep

  @Test func `maintenance is told and waited out`() async throws {
    try await withRoom { room, url in
      await room.setMaintenance(true, pause: 1)
      let child = try talkbridge(["record", url, "--output", "none"])
      try await child.says("maintenance")
      await room.setMaintenance(false)
      try await child.says("waiting until somebody is in the call")
      try await Self.leave(child)
    }
  }

  @Test func `waiting for a server in maintenance ends when asked to`() async throws {
    try await withRoom { room, url in
      await room.setMaintenance(true)
      let child = try talkbridge(["join", url] + Self.silent)
      try await eventually("the wait") { child.output.contains(#""phase":"waiting-for-server""#) }
      try await Self.leave(child)
    }
  }

  // MARK: Not for us

  @Test func `servers that lack what we need, or have what we cannot, are refused with the reason`() async throws {
    try await Self.refuses(.notATalkServer, saying: "too old") { $0.lackingFeatures = ["conversation-v4"] }
    try await Self.refuses(.callForbidden, saying: "switched off") { $0.allowsCalls = false }
    try await Self.refuses(.encryptedCall, saying: "end to end") { $0.encryptsCalls = true }
  }

  private static func refuses(
    _ status: ExitCause, saying words: String, _ change: (inout EmbeddedRoom.Installation) -> Void
  ) async throws {
    try await withRoom {
      options, _ in
      change(&options.installation)
    } _: { room, url in
      try await fails(["record", url, "--output", "none"], with: status, saying: words)
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test func `a conversation that lives on another server is left again, with the reason`() async throws {
    try await withRoom {
      $1.remoteServer = "https://other.example.com"
    } _: { room, url in
      try await Self.fails(["join", url] + Self.silent, with: .unknownRoom, saying: "another server")
      #expect(await room.names(token).isEmpty)
    }
  }

  // MARK: Counting

  @Test func `a wrong address and a wrong password are tried once, by watch too`() async throws {
    let wrong = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString)"
    try Data("guess".utf8).write(to: URL(fileURLWithPath: wrong))
    try await withRoom {
      $1.password = "secret"
    } _: { room, url in
      let elsewhere = url.replacing("/\(token)", with: "/elsewhere")
      for (attempts, (arguments, status)) in [
        (["join", elsewhere] + Self.silent, ExitCause.unknownRoom),
        (["watch", elsewhere, "--output-directory", "/tmp"], .unknownRoom),
        (["join", url, "--room-password-file", wrong] + Self.silent, .passwordNeeded),
        (["watch", url, "--room-password-file", wrong, "--output-directory", "/tmp"], .passwordNeeded),
      ].enumerated() {
        try await Self.fails(arguments, with: status, saying: "talkbridge")
        #expect(await room.failedAttempts == attempts + 1)
      }
    }
  }

  @Test func `a server that refuses more attempts is not asked again`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.refusedRequests["/participants/active"] = 429 }
      try await Self.fails(["join", url] + Self.silent, with: .serverBusy, saying: "half an hour")
      let watch = try talkbridge(["watch", url, "--output-directory", "/tmp"])
      try await watch.says("trying again in 1800 s")
      try await Self.leave(watch)
    }
  }

  // MARK: Moderators

  @Test func `a call that goes on in other conversations is followed, there and back, in one recording`() async throws {
    let room = EmbeddedRoom(conversations: [
      HostedConversation(token: token, name: "Main"), HostedConversation(token: "breakout1", name: "Group 1"),
    ])
    let base = try await room.start()
    try await trying {
      let path = NSTemporaryDirectory() + "talkbridge-test-\(UUID().uuidString).wav"
      let speaker = try talkbridge(["join", base + "/call/" + token, "--name", "Speaker"] + Self.silent)
      let recorder = try talkbridge([
        "record", base + "/call/" + token, "--output", path, "--until-empty", "--json",
      ])
      try await eventually("the sound") { recorder.output.count(of: #""event":"heard""#) == 1 }
      for (number, (from, to)) in [(token, "breakout1"), ("breakout1", token)].enumerated() {
        await room.send("Speaker", from: from, to: to)
        await room.send("talkbridge (recording)", from: from, to: to)
        try await eventually("the sound in \(to)") {
          recorder.output.count(of: #""event":"heard""#) == number + 2
        }
        #expect(await room.names(from).isEmpty)
        #expect(await room.namesInCall(to).count == 2)
      }
      try await Self.leave(speaker)
      #expect(try await recorder.exit(within: .seconds(20)) == .code(0), "\(recorder.transcript)")
      #expect(recorder.output.contains(#""reason":"everybody-left""#))
      #expect(recorder.output.count(of: #""event":"started""#) == 1)
      #expect(try WaveFile.read(path).count > 0)
    } finally: {
      await room.stop()
    }
  }

  @Test func `a moderator's mute is obeyed and told, a guest's is not`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url, "--name", "Speaker"] + Self.silent)
      try await eventually("the speaker") { await !room.namesInCall(token).isEmpty }
      try await withGuest("Mona", at: url) { guest in
        let target = try await Self.other(than: await guest.session, guest)
        let order: JSONValue = [
          "recipient": ["type": "session", "sessionid": .string(target)],
          "data": ["action": "forceMute", "peerId": .string(target)],
        ]
        await guest.send("control", order)
        try await guest.flush()
        await room.promote("Mona", in: token)
        try await guest.message("the promotion") { message in
          message["event"]["update"]["users"].array?.contains { $0["participantType"] == 6 } ?? false
        }
        await guest.send("control", order)
        try await eventually("the mute") {
          child.output.contains(#""event":"muted-by-moderator""#)
            && child.output.contains(#""event":"microphone-muted","muted":true"#)
        }
        try await guest.message("what the others are told") {
          $0["message"]["data"]["type"] == "mute" && $0["message"]["data"]["payload"]["name"] == "audio"
        }
      }
      try await Self.leave(child)
      #expect(child.output.matches(of: /"event":"muted-by-moderator"/).count == 1)
    }
  }

  /// The session of somebody else in the call.
  private static func other(than own: String, _ guest: CallGuest) async throws -> String {
    let message = try await guest.message("another session") { message in
      message["event"]["update"]["users"].array?.contains { $0["sessionId"].string != own } ?? false
    }
    return try #require(
      message["event"]["update"]["users"].array?.first { $0["sessionId"].string != own }?["sessionId"].string)
  }

  @Test func `a Talk that lacks what came after 15 is joined`() async throws {
    try await withRoom {
      options, _ in
      options.installation.lackingFeatures = [
        "session-state", "recording-consent", "ban-v1", "markdown-messages", "edit-messages",
      ]
    } _: { room, url in
      let child = try talkbridge(["join", url, "--consent"] + Self.silent)
      try await eventually("the guest in the call") { await room.namesInCall(token) == ["talkbridge"] }
      try await Self.leave(child)
    }
  }

  @Test func `the unit for systemd uses options that exist, and does not start again what cannot work`() throws {
    let unit = try String(contentsOfFile: Repository.root + "/deploy/talkbridge-watch@.service", encoding: .utf8)
    let help = WatchCommand.helpMessage(columns: 200)
    for option in unit.matches(of: /--[a-z-]+[a-z]/).map({ String($0.output) }) where option != "--now" {
      #expect(help.contains(option), "\(option)")
    }
    let line = try #require(unit.split(separator: "\n").first { $0.hasPrefix("RestartPreventExitStatus=") })
    let codes = Set(line.split(separator: "=")[1].split(separator: " ").compactMap { Int32($0) })
    for cause in [
      ExitCause.notAnAddress, .unknownRoom, .passwordNeeded, .banned, .loginRefused, .secretRefused, .removed, .usage,
    ] {
      #expect(codes.contains(cause.rawValue))
    }
    for cause in [ExitCause.hostUnreachable, .signalingUnreachable, .serverBusy, .diskFull] {
      #expect(!codes.contains(cause.rawValue))
    }
  }

  // MARK: What the README promises

  @Test func `each failure has its row in the README`() throws {
    let readme = try String(contentsOfFile: Repository.root + "/README.md", encoding: .utf8)
    let failures: [CallFailure] = [
      .hostUnreachable(host: "HOST", detail: "REASON"), .noAnswer(host: "HOST"),
      .tlsFailure(host: "HOST", detail: "REASON"), .notATalkServer(host: "HOST", detail: "REASON"),
      .movedElsewhere(host: "HOST", to: "ADDRESS"), .untrustedHost(host: "HOST"), .talkUnavailable,
      .talkTooOld(missing: "FEATURE"), .unknownConversation, .loginNeeded, .federated, .conversationForbidden,
      .passwordNeeded, .passwordWrong, .banned, .lobby, .callsDisabled, .readOnly, .callForbidden,
      .callRefused(reason: "REASON"), .sessionLimit, .noSignalingServer, .noMediaServer,
      .signalingRefused(code: "CODE", message: "REASON"), .backendUnknownToSignaling(url: "ADDRESS"),
      .roomRefused(code: "CODE", message: "REASON"), .noMediaPath(detail: "REASON"), .consentNeeded,
      .endToEndEncrypted, .loginRefused, .removedFromCall, .removedFromConversation, .conversationGone, .takenOver,
      .maintenance, .rateLimited, .serverError(doing: "STEP", status: 500), .signalingUnreachable(detail: "REASON"),
      .callNotConfirmed, .internalSecretRefused(isConfigured: true), .internalSecretRefused(isConfigured: false),
      .recordingSecretRefused,
    ]
    for failure in failures {
      let row = "| \(ExitCause(failure).rawValue) | `\(failure.identifier)` | \(failure.description) |"
      #expect(readme.contains(row), "\(row)")
    }
  }
}
