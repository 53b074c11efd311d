import ICE
import TalkProtocol
import Testing
import Transport

@testable import Inspection

/// An installation where everything works, for tests to break.
enum Sights {
  static let base = "https://cloud.example.com"
  static let turn = "turn:turn.example.com:3478?transport=udp"
  static let turnTCP = "turn:turn.example.com:3478?transport=tcp"

  static var good: Observations {
    var seen = Observations(address: try! ConversationAddress("\(base)/call/abcd1234"), looksAtConversation: true)
    let call = TalkCapabilities.Call(enabled: true, endToEndEncryption: false, recordingConsent: 0)
    let talk = TalkCapabilities(
      features: [
        "conversation-v4", "signaling-v3", "chat-v2", "silent-call", "raise-hand", "reactions", "force-mute",
        "recording-consent",
      ], config: .init(call: call, chat: .init(maxLength: 32000)), version: "21.1.7")
    seen.server = ServerSight(
      capabilities: .success(ServerCapabilities(version: .init(string: "32.0.1", major: 32), talk: talk)),
      roundTripTime: .milliseconds(45), clock: ClockOffset(seconds: 0.2))
    seen.settings = .success(SignalingSettings(signalingMode: "external", server: "https://hpb.example.com"))
    seen.signaling = SignalingSight(
      url: "https://hpb.example.com", welcome: .version("2.0.4"), clock: ClockOffset(seconds: -0.3),
      greeting: .accepted(version: "2.0"), roundTripTime: .milliseconds(12),
      description: ServerDescription(version: "2.0.4", features: ["mcu", "hello-v2"]))
    seen.iceServers = [
      answer("stun:turn.example.com:3478", mapped: "203.0.113.7", relayed: nil),
      answer(turn, mapped: "203.0.113.7", relayed: "198.51.100.2"),
      answer(turnTCP, mapped: "203.0.113.7", relayed: "198.51.100.2"),
    ]
    var sight = CallSight()
    sight.wasInCall = true
    sight.publication = .connected(packets: 50, lost: 0, roundTripTime: .milliseconds(20))
    sight.path = ICESelectedPair(
      local: ICECandidate(kind: .host, address: "192.168.1.2", port: 50000),
      remote: ICECandidate(kind: .host, address: "198.51.100.3", port: 20041), relayProtocol: nil)
    sight.heard = [.init(name: "Anna", packets: 50, isOurs: false)]
    sight.others = 1
    sight.conversation = conversation
    seen.call = sight
    return seen
  }

  static var conversation: Conversation {
    var conversation = Conversation(token: "abcd1234")
    conversation.displayName = "Weekly"
    conversation.type = 3
    conversation.participantType = 4
    conversation.permissions = [.startCall, .joinCall, .publishAudio, .chat]
    conversation.hasCall = true
    return conversation
  }

  static func answer(_ url: String, mapped: String?, relayed: String?) -> ICEServerSight {
    ICEServerSight(
      text: url,
      outcome: .answered(.init(roundTripTime: .milliseconds(23), mappedAddress: mapped, relayedAddress: relayed)))
  }

  static func changed(_ change: (inout Observations) -> Void) -> Observations {
    var seen = good
    change(&seen)
    return seen
  }

  /// What could not be entered, with this reason.
  static func failing(_ failure: CallFailure) -> Observations {
    changed {
      $0.call = CallSight()
      $0.call?.failure = failure
    }
  }
}

/// What is made of what was seen, case by case.
@Suite struct DiagnosisTests {
  private static func finding(_ check: Finding.Check, of seen: Observations) throws -> Finding {
    try #require(Diagnosis.findings(of: seen).first { $0.check == check && $0.verdict != .ok })
  }

  /// Words that the cause or the cure must have.
  private static func expect(
    _ check: Finding.Check, _ identifier: String, _ verdict: Finding.Verdict = .failure, saying words: String...,
    of seen: Observations, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let finding = try finding(check, of: seen)
    #expect(finding.verdict == verdict, sourceLocation: sourceLocation)
    let problem = try #require(finding.problem, sourceLocation: sourceLocation)
    #expect(problem.identifier == identifier, sourceLocation: sourceLocation)
    for word in words {
      #expect(
        "\(finding.summary) \(problem.cause) \(problem.cure)".contains(word), "\(finding)",
        sourceLocation: sourceLocation)
    }
  }

  // MARK: All is well

  @Test func `where all is well, everything is looked at and nothing found`() {
    let findings = Diagnosis.findings(of: Sights.good)
    #expect(findings.allSatisfy { $0.verdict == .ok && $0.problem == nil })
    #expect(Set(findings.map(\.check)) == Set(Finding.Check.allCases))
    let words = findings.map(\.summary).joined(separator: "\n")
    for word in [
      "Nextcloud 32.0.1", "Talk 21.1.7", "45 ms", "Weekly", "may speak, write and start calls", "version 2.0.4",
      "tcp turn.example.com:3478: 23 ms", "lends 198.51.100.2", "directly, from 192.168.1.2", "50 packets of “Anna”",
    ] { #expect(words.contains(word), "\(words)") }
  }

  @Test func `what comes after a server that fails is not guessed at`() {
    let seen = Sights.changed {
      $0.server?.capabilities = .failure(.hostUnreachable(host: "cloud.example.com", detail: "Connection refused"))
    }
    #expect(Diagnosis.findings(of: seen).map(\.check) == [.server])
  }

  @Test func `a server without a conversation is judged by itself`() {
    let seen = Sights.changed {
      $0.looksAtConversation = false
      $0.call = nil
    }
    let checks = Diagnosis.findings(of: seen).map(\.check)
    #expect(checks == [.server, .clock, .talk, .signaling, .stun, .turn, .turn])
  }

  // MARK: Server

  @Test(arguments: [
    (CallFailure.hostUnreachable(host: "h", detail: "its name was not found"), "browser"),
    (.noAnswer(host: "h"), "overloaded"),
    (.tlsFailure(host: "h", detail: "its certificate has expired"), "--ca-file"),
    (.tlsFailure(host: "h", detail: "its certificate is not valid yet; check this machine's clock"), "timedatectl"),
    (.notATalkServer(host: "h", detail: "it answers with HTTP status 400"), "trusted_domains"),
    (.notATalkServer(host: "h", detail: "it answers with HTTP status 404"), "sub-path"),
    (.talkUnavailable, "occ app:enable spreed"), (.talkTooOld(missing: "signaling-v3"), "Update"),
    (.maintenance, "maintenance:mode --off"), (.rateLimited, "half an hour"), (.loginRefused, "talkbridge login"),
    (.serverError(doing: "x", status: 500), "log"),
  ])
  func `why a server is of no use`(failure: CallFailure, word: String) throws {
    let seen = Sights.changed { $0.server?.capabilities = .failure(failure) }
    try Self.expect(.server, failure.identifier, saying: word, of: seen)
    #expect(try Self.finding(.server, of: seen).problem?.failure == failure)
  }

  @Test func `calls that are off, or encrypted from end to end, are found before any call`() throws {
    for (call, identifier) in [
      (TalkCapabilities.Call(enabled: false, endToEndEncryption: false), "calls-disabled"),
      (TalkCapabilities.Call(enabled: true, endToEndEncryption: true), "end-to-end-encrypted"),
    ] {
      let talk = TalkCapabilities(features: [], config: .init(call: call))
      let seen = Sights.changed { $0.server?.capabilities = .success(ServerCapabilities(talk: talk)) }
      try Self.expect(.talk, identifier, of: seen)
    }
  }

  // MARK: Clocks

  @Test(
    arguments: [
      (0.3, -0.2, nil, nil), (20, 20, nil, nil),
      (600, 0, "token_not_valid_yet", "Nextcloud's that is off"),
      (-600, 0.4, "token_expired", "Nextcloud's that is off"),
      (0, 600, "token_expired", "signaling server's that is off"),
      (600, 1200, "token_expired", "differ by 10 min"),
      (0, 0, "token_expired", "reverse proxy"),
    ] as [(Double, Double, String?, String?)])
  func `whose clock is off`(nextcloud: Double, signaling: Double, code: String?, word: String?) throws {
    let seen = Sights.changed {
      $0.server?.clock = ClockOffset(seconds: nextcloud)
      $0.signaling?.clock = ClockOffset(seconds: signaling)
      if let code { $0.signaling?.greeting = .refused(SignalingError(code: code, message: "")) }
    }
    guard let word else {
      #expect(Diagnosis.findings(of: seen).allSatisfy { $0.verdict == .ok })
      return
    }
    try Self.expect(.clock, "clocks-differ", saying: word, "NTP", of: seen)
  }

  @Test func `clocks that differ a little are a warning, and so is our own`() throws {
    try Self.expect(
      .clock, "clocks-differ", .warning, saying: "signaling server's",
      of: Sights.changed { $0.signaling?.clock = ClockOffset(seconds: 20) })
    let own = Sights.changed {
      $0.server?.clock = ClockOffset(seconds: -600)
      $0.signaling?.clock = ClockOffset(seconds: -600)
    }
    try Self.expect(.clock, "own-clock", .warning, saying: "This machine's", "10 min", of: own)
  }

  @Test func `the date of an answer tells the clock`() throws {
    let offset = try #require(ClockOffset("Sun, 06 Nov 1994 08:49:37 GMT", sent: 784_111_777))
    // The answer comes now, decades later.
    #expect(offset.seconds < -100_000_000)
    #expect(ClockOffset("yesterday", sent: 0) == nil)
    #expect(ClockOffset(nil, sent: 0) == nil)
    #expect(ClockOffset(date: 100, sent: 40, received: 41).seconds == 60)
  }

  // MARK: Signaling

  private static func signaling(
    _ greeting: SignalingSight.Greeting, _ welcome: SignalingSight.Welcome = .version("2.0.4")
  ) -> Observations {
    Sights.changed {
      $0.signaling?.greeting = greeting
      $0.signaling?.welcome = welcome
    }
  }

  @Test func `why the signaling server cannot be reached`() throws {
    let refused = TransportError.unreachable(host: "hpb", reason: "Connection refused")
    try Self.expect(
      .signaling, "signaling-unreachable", saying: "down", "another port",
      of: Self.signaling(.failed(refused), .failed(refused)))
    let unknown = TransportError.hostNotFound(host: "hpb")
    try Self.expect(
      .signaling, "signaling-unreachable", saying: "wrong", of: Self.signaling(.failed(unknown), .failed(unknown)))
    let slow = TransportError.connectTimedOut(host: "hpb")
    try Self.expect(
      .signaling, "signaling-unreachable", saying: "firewall", of: Self.signaling(.failed(slow), .failed(slow)))
    let upgrade = TransportError.upgradeRefused(host: "hpb", status: 404)
    try Self.expect(
      .signaling, "signaling-unreachable", saying: "no signaling server", "is wrong",
      of: Self.signaling(.failed(upgrade), .status(404)))
    try Self.expect(
      .signaling, "signaling-unreachable", saying: "proxy", "down",
      of: Self.signaling(.failed(.upgradeRefused(host: "hpb", status: 502)), .status(502)))
    try Self.expect(
      .signaling, "signaling-unreachable", saying: "Upgrade",
      of: Self.signaling(.failed(.upgradeRefused(host: "hpb", status: 400))))
    let tls = TransportError.tls(host: "hpb", .expired)
    try Self.expect(
      .signaling, "tls-failure", saying: "expired", of: Self.signaling(.failed(tls), .failed(tls)))
    try Self.expect(.signaling, "signaling-unreachable", saying: "Nextcloud", of: Self.signaling(.silent))
    try Self.expect(.signaling, "signaling-unreachable", of: Self.signaling(.closed(reason: "code 1001")))
  }

  @Test(arguments: [
    ("invalid_backend", "signaling-backend-unknown", "letter by letter"),
    ("token_expired", "signaling-refused", "clocks"), ("invalid_token", "signaling-refused", "key"),
    ("session_limit_exceeded", "session-limit", "sessionlimit"), ("invalid_ticket", "signaling-refused", "secret"),
    ("internal_error", "signaling-refused", "curl"), ("too_many_requests", "signaling-refused", "half an hour"),
  ])
  func `why the signaling server refuses us`(code: String, identifier: String, word: String) throws {
    let seen = Self.signaling(.refused(SignalingError(code: code, message: "No.")))
    try Self.expect(.signaling, identifier, saying: word, code, of: seen)
  }

  @Test func `what is missing behind or of the signaling server`() throws {
    try Self.expect(
      .signaling, "no-media-server", saying: "Janus",
      of: Sights.changed { $0.signaling?.description = ServerDescription(version: "2.0.4", features: ["hello-v2"]) })
    try Self.expect(
      .signaling, "no-signaling-server", saying: "High-performance backend",
      of: Sights.changed {
        $0.settings = .success(SignalingSettings(signalingMode: "internal"))
        $0.signaling = nil
      })
    try Self.expect(
      .signaling, "server-error",
      of: Sights.changed { $0.settings = .failure(.serverError(doing: "x", status: 500)) })
  }

  @Test(arguments: [
    (CallFailure.roomRefused(code: "internal_error", message: "m"), "secrets differ"),
    (.callNotConfirmed, "cannot reach its signaling server"),
  ])
  func `a signaling server and a Nextcloud that do not talk are found out by entering`(
    failure: CallFailure, word: String
  ) throws {
    try Self.expect(.signaling, failure.identifier, saying: word, of: Sights.failing(failure))
  }

  // MARK: STUN and TURN

  private static func turn(_ failure: ICEServerProbe.Failure, udpWorks: Bool = true) -> Observations {
    Sights.changed {
      $0.iceServers = [
        udpWorks
          ? Sights.answer(Sights.turn, mapped: nil, relayed: "198.51.100.2")
          : ICEServerSight(text: Sights.turn, outcome: .failed(failure)),
        ICEServerSight(text: Sights.turnTCP, outcome: .failed(failure)),
      ]
    }
  }

  @Test(arguments: [
    (ICEServerProbe.Failure.noAnswer, "ice-server-silent", "firewall between here and the server drops TCP"),
    (.refused, "ice-server-refused", "works by other ways"), (.nameNotFound, "ice-server-name", "DNS"),
    (.notTrusted("its certificate has expired"), "ice-server-certificate", "expired"),
    (.credentialsMissing, "turn-credentials-missing", "static-auth-secret"),
    (.credentialsRefused, "turn-credentials-refused", "static-auth-secret"),
    (.error(code: 486), "turn-error-486", "user-quota"), (.error(code: 508), "turn-error-508", "max-port"),
    (.error(code: 300), "turn-error-300", "log"), (.protocolViolation, "ice-server-protocol", "scheme"),
    (.failed("No route to host"), "ice-server-failed", "No route"),
  ])
  func `why a TURN server does not work by one way`(
    failure: ICEServerProbe.Failure, identifier: String, word: String
  ) throws {
    try Self.expect(.turn, identifier, saying: word, of: Self.turn(failure))
    #expect(try Self.finding(.turn, of: Self.turn(failure)).figures["transport"] == "tcp")
  }

  @Test func `where a TURN server works by no way, it may be down`() throws {
    try Self.expect(
      .turn, "ice-server-silent", saying: "or the server is down", of: Self.turn(.noAnswer, udpWorks: false))
    try Self.expect(.turn, "ice-server-refused", saying: "The server is down", of: Self.turn(.refused, udpWorks: false))
  }

  @Test func `what is not used or not there is no failure`() throws {
    let none = Sights.changed { $0.iceServers = [] }
    #expect(try Self.finding(.turn, of: none).verdict == .skipped)
    #expect(try Self.finding(.stun, of: none).verdict == .skipped)
    let strange = Sights.changed {
      $0.iceServers = [ICEServerSight(text: "turnip:x", outcome: .malformed("no scheme"))]
    }
    try Self.expect(.turn, "ice-server-malformed", .warning, saying: "no scheme", of: strange)
  }

  // MARK: Conversation and sound

  @Test(arguments: [
    (CallFailure.unknownConversation, "allow guests"), (.passwordNeeded, "--room-password-file"),
    (.passwordWrong, "first line"), (.banned, "lift"), (.loginNeeded, "--user"), (.lobby, "--wait-in-lobby"),
    (.federated, "own server"), (.readOnly, "unlock"), (.callForbidden, "permission"), (.consentNeeded, "--consent"),
    (.conversationForbidden, "moderator"), (.rateLimited, "half an hour"),
    (.serverError(doing: "letting us in", status: 500), "nextcloud.log"),
  ])
  func `why we are not let into a conversation or its call`(failure: CallFailure, word: String) throws {
    let seen = Sights.failing(failure)
    try Self.expect(.conversation, failure.identifier, saying: word, of: seen)
    // The rest is known all the same.
    let others = Diagnosis.findings(of: seen).filter { $0.check != .conversation }
    #expect(others.allSatisfy { $0.verdict == .ok || $0.verdict == .skipped })
    #expect(others.contains { $0.check == .turn && $0.verdict == .ok })
  }

  @Test func `a guest without permission may listen, and is told so`() throws {
    let seen = Sights.changed {
      $0.call?.conversation?.permissions = [.custom, .joinCall, .chat]
      $0.call?.publication = .forbidden
    }
    try Self.expect(.sending, "publishing-forbidden", saying: "moderator", "permission", of: seen)
    let conversation = try #require(Diagnosis.findings(of: seen).first { $0.check == .conversation })
    #expect(conversation.summary.contains("a guest may write"))
    #expect(conversation.figures["mayPublishAudio"] == false)
  }

  @Test func `where no call runs, none is started, and the sound is not judged`() throws {
    let seen = Sights.changed {
      $0.call = CallSight()
      $0.call?.conversation = Sights.conversation
      $0.call?.conversation?.hasCall = false
      $0.call?.foundNoCall = true
    }
    for check in [Finding.Check.path, .sending, .receiving] {
      let finding = try Self.finding(check, of: seen)
      #expect(finding.verdict == .skipped)
      #expect(finding.summary.contains("--call"))
    }
  }

  @Test func `without a path, what is known of TURN decides what is to blame`() throws {
    let failure = CallFailure.noMediaPath(detail: "No pair worked.")
    func seen(_ servers: [ICEServerSight]) -> Observations {
      Sights.changed {
        $0.call?.failure = failure
        $0.call?.path = nil
        $0.call?.publication = nil
        $0.call?.heard = []
        $0.iceServers = servers
      }
    }
    try Self.expect(
      .path, "no-media-path", saying: "Janus announces", "nat_1_1_mapping",
      of: seen([Sights.answer(Sights.turn, mapped: nil, relayed: "198.51.100.2")]))
    try Self.expect(
      .path, "no-media-path", saying: "no TURN server works",
      of: seen([ICEServerSight(text: Sights.turn, outcome: .failed(.credentialsRefused))]))
    try Self.expect(.path, "no-media-path", saying: "there is no TURN server", "Set up TURN", of: seen([]))
  }

  @Test func `a media server that names only a private address of another network is found out`() throws {
    func seen(_ local: String, _ remote: String) -> Observations {
      Sights.changed {
        $0.call?.failure = .noMediaPath(detail: "No pair worked.")
        $0.call?.path = nil
        $0.call?.pathFailure = ICEFailure(
          reason: .noPath(after: .seconds(5)), localCandidates: [ICECandidate(kind: .host, address: local, port: 1)],
          remoteCandidates: [ICECandidate(kind: .host, address: remote, port: 20000)])
      }
    }
    try Self.expect(
      .path, "no-media-path", saying: "private", "172.17.0.2", "nat_1_1_mapping", of: seen("192.168.1.2", "172.17.0.2"))
    for (local, remote) in [("192.168.1.2", "192.168.9.9"), ("192.168.1.2", "172.32.0.1"), ("10.0.0.1", "2001:db8::1")]
    {
      let finding = try Self.finding(.path, of: seen(local, remote))
      #expect(finding.problem?.cause.contains("private") == false, "\(finding)")
    }
  }

  @Test func `a media server that takes, loses or forwards nothing is found out`() throws {
    try Self.expect(
      .receiving, "nothing-received", saying: "forwards no sound", of: Sights.changed { $0.call?.heard = [] })
    try Self.expect(
      .sending, "loss", .warning, saying: "12.5 %",
      of: Sights.changed { $0.call?.publication = .connected(packets: 40, lost: 0.125, roundTripTime: nil) })
    try Self.expect(
      .sending, "sending-unconfirmed", .warning,
      of: Sights.changed { $0.call?.publication = .connected(packets: 40, lost: nil, roundTripTime: nil) })
    try Self.expect(
      .sending, "publishing-failed", saying: "no_sdp",
      of: Sights.changed { $0.call?.publication = .failed("no_sdp") })
    try Self.expect(
      .path, "media-server-silent", saying: "Janus",
      of: Sights.changed {
        $0.call?.path = nil
        $0.call?.publication = nil
      })
  }
}
