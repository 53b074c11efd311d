import GLibLoop
import Logging
import TalkClient
import TalkProtocol
import TestSupport
import Testing
import Transport
import WebTransport

private let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

@Suite(.timeLimit(.minutes(1))) struct TalkConnectionTests {
  /// Enters until the call is awaited, leaves, and tells how it ended.
  private func visit(_ address: ConversationAddress, logger: Logger = silent, whileThere: () async throws -> Void = {})
    async throws -> CallOutcome?
  {
    let driver = CallDriver(address, password: "PASSWORD-SECRET", logger: logger)
    async let run: Void = driver.run()
    try await eventually("the room") { await driver.isWaitingForCall }
    try await whileThere()
    await driver.handle(.leave)
    await run
    return await driver.outcome
  }

  @Test func `a guest gets into the room, with one cookie jar, and out again in order`() async throws {
    let server = ScriptedTalkServer()
    try await server.run { address in
      let outcome = try await visit(address)
      #expect(outcome == .left)
    }
    let ocs = "/cloud/ocs/v2.php"
    let talk = "\(ocs)/apps/spreed/api"
    #expect(
      server.requests.map { "\($0.method) \($0.path)" } == [
        "GET \(ocs)/cloud/capabilities", "POST \(talk)/v4/room/token123/participants/active",
        "POST \(talk)/v1/guest/token123/name", "GET \(talk)/v3/signaling/settings", "GET /cloud/spreed",
        "GET \(talk)/v4/call/token123", "DELETE \(talk)/v4/room/token123/participants/active",
      ])
    let naming = try #require(server.requests.first { $0.path.hasSuffix("/name") })
    #expect(naming.headers["Content-Type"] == "application/json")
    #expect(String(decoding: naming.body, as: UTF8.self) == #"{"displayName":"Recorder"}"#)
    let kinds = server.messages.compactMap { try? ClientMessage(text: $0).content }.map { content in
      switch content {
      case .hello: "hello"
      case .room: "room"
      case .bye: "bye"
      default: "other"
      }
    }
    #expect(kinds == ["hello", "room", "bye"])
  }

  @Test func `a dropped socket is replaced and the session taken up again`() async throws {
    var script = ScriptedTalkServer.Script()
    script.drops = 1
    let server = ScriptedTalkServer(script)
    try await server.run { address in
      let outcome = try await visit(address) {
        try await eventually("the second hello") { server.messages.filter { $0.contains("hello") }.count == 2 }
      }
      #expect(outcome == .left)
    }
    #expect(server.sockets == 2)
    #expect(server.messages.contains { $0.contains(#""resumeid":"RESUME-SECRET""#) })
  }

  @Test func `nothing secret is logged, at the finest level`() async throws {
    let log = Locked<[String]>([])
    let logger = Logger(label: "test") { _ in CapturingLogHandler(lines: log) }
    try await ScriptedTalkServer().run { address in _ = try await visit(address, logger: logger) }
    let lines = log.withLock { $0 }
    #expect(lines.contains { $0.contains("joinConversation") && $0.contains("200") })
    #expect(lines.contains { $0.contains("message sent") && $0.contains("hello") })
    #expect(lines.contains { $0.contains("message received") && $0.contains("welcome") })
    for line in lines {
      for secret in ["SECRET", "oc_session", "COOKIE", "ncsession", "sigsession"] {
        #expect(!line.contains(secret), "\(line)")
      }
    }
  }

  @Test func `cancelling ends everything at once, an unanswered request too`() async throws {
    let (arrivals, arrival) = AsyncStream<Void>.makeStream()
    let server = WebServer { _ in
      arrival.yield()
      try? await Task.sleep(for: .seconds(600))
      return .drop
    }
    let port = try await server.listen()
    let driver = CallDriver(try ConversationAddress("http://127.0.0.1:\(port)/call/token123"), logger: silent)
    let run = Task { await driver.run() }
    for await _ in arrivals { break }
    run.cancel()
    await run.value
    #expect(await driver.outcome == nil)
    await server.stop()
  }
}

@Suite(.timeLimit(.minutes(1))) struct TalkConnectionFailureTests {
  private func outcome(_ address: ConversationAddress, settings: TransportSettings = .init()) async -> CallOutcome? {
    let driver = CallDriver(address, settings: settings, logger: silent)
    await driver.run()
    return await driver.outcome
  }

  private func outcome(_ script: ScriptedTalkServer.Script) async throws -> CallOutcome? {
    var result: CallOutcome?
    try await ScriptedTalkServer(script).run { address in result = await outcome(address) }
    return result
  }

  @Test func `a server that is not there is unreachable`() async throws {
    let server = WebServer { _ in .drop }
    let port = try await server.listen()
    await server.stop()
    let address = try ConversationAddress("http://127.0.0.1:\(port)/call/token123")
    #expect(await outcome(address) == .failed(.hostUnreachable(host: "127.0.0.1", detail: "Connection refused")))
    let unknown = try ConversationAddress("https://no-such-host.invalid/call/token123")
    #expect(
      await outcome(unknown)
        == .failed(.hostUnreachable(host: "no-such-host.invalid", detail: "its name was not found")))
  }

  @Test func `only a trusted certificate of the right name leads in`() async throws {
    let authority = try TestAuthority()
    let (certificateFile, keyFile) = try await authority.issue(["DNS:localhost"])
    let certificate = WebServer.Certificate(certificateFile: certificateFile, keyFile: keyFile)
    let trusting = TransportSettings(caFile: authority.caFile)
    // The capabilities come over TLS and are then refused: that far it went.
    let forbidden = ScriptedTalkServer.Script(answers: ["/capabilities": .reply(429)])
    try await ScriptedTalkServer(forbidden).run(certificate: certificate, host: "localhost") { address in
      #expect(await outcome(address, settings: trusting) == .failed(.rateLimited))
      guard case .failed(.tlsFailure("localhost", _)) = await outcome(address) else {
        return #expect(Bool(false), "an unknown authority was trusted")
      }
      let byNumber = try ConversationAddress(address.conversationURL.replacing("localhost", with: "127.0.0.1"))
      guard case .failed(.tlsFailure("127.0.0.1", _)) = await outcome(byNumber, settings: trusting) else {
        return #expect(Bool(false), "another name was trusted")
      }
    }
  }

  @Test func `what a server answers is told apart`() async throws {
    let login = WebResponse.reply(302, headers: ["Location": "https://login.invalid/"])
    #expect(
      try await outcome(.init(answers: ["/capabilities": login]))
        == .failed(.movedElsewhere(host: "127.0.0.1", to: "https://login.invalid/")))
    guard case .failed(.hostUnreachable) = try await outcome(.init(answers: ["/capabilities": .drop])) else {
      return #expect(Bool(false), "a dropped connection was not told")
    }
  }

  @Test func `a signaling server that refuses or is not there is told`() async throws {
    guard case .failed(.signalingUnreachable(let detail)) = try await outcome(.init(refusesSockets: true)) else {
      return #expect(Bool(false), "a refused socket was not told")
    }
    #expect(detail.contains("502"))
    let elsewhere = ScriptedTalkServer.Script(signalingServer: "https://no-such-host.invalid/standalone-signaling")
    guard case .failed(.signalingUnreachable) = try await outcome(elsewhere) else {
      return #expect(Bool(false), "a missing server was not told")
    }
  }
}

private struct CapturingLogHandler: LogHandler {
  let lines: Locked<[String]>
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace

  init(lines: Locked<[String]>) { self.lines = lines }

  subscript(metadataKey key: String) -> Logger.MetadataValue? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let text = "\(event.message) \(event.metadata ?? [:])"
    lines.withLock { $0.append(text) }
  }
}
