import Glibc
import TestSupport
import Testing
import Transport
import WebTransport

/// The error of an attempt to connect that must fail.
private func failure(
  _ url: String, settings: TransportSettings = TransportSettings()
) async -> TransportError? {
  do throws(TransportError) {
    _ = try await WebSocket.connect(to: url, settings: settings)
    return nil
  } catch {
    return error
  }
}

@Suite(.timeLimit(.minutes(1))) struct WebSocketFailureTests {
  @Test(arguments: ["", "http://a/", "ws://", "nonsense", "ws:///path", "wss://a b/"])
  func `what is no WebSocket's address is refused`(url: String) async {
    guard case .invalidURL = await failure(url) else { return #expect(Bool(false), "\(url) was taken") }
  }

  @Test func `a port that nobody listens on is unreachable`() async throws {
    let server = WebServer { _ in .drop }
    let port = try await server.listen()
    await server.stop()
    guard case .unreachable("127.0.0.1", _) = await failure("ws://127.0.0.1:\(port)/") else {
      return #expect(Bool(false), "not told as unreachable")
    }
  }

  @Test func `a name that does not exist is not found`() async {
    #expect(await failure("ws://no-such-host.invalid/") == .hostNotFound(host: "no-such-host.invalid"))
  }

  @Test func `an answer that is no WebSocket carries its status`() async throws {
    let handler: WebServer.Handler = { request in
      request.path == "/moved" ? .reply(302, headers: ["Location": "/"]) : .reply(502, text: "{}")
    }
    try await withServer(handler: handler) { port in
      let host = "127.0.0.1"
      #expect(await failure("ws://\(host):\(port)/?token=secret") == .upgradeRefused(host: host, status: 502))
      #expect(await failure("ws://\(host):\(port)/moved") == .upgradeRefused(host: host, status: 302))
    }
  }

  @Test func `a server that hangs up is told`() async throws {
    let handler: WebServer.Handler = { _ in .drop }
    try await withServer(handler: handler) { port in
      guard case .lost("127.0.0.1", _) = await failure("ws://127.0.0.1:\(port)/") else {
        return #expect(Bool(false), "not told as lost")
      }
    }
  }

  @Test func `a server that does not answer is given up in time`() async throws {
    let handler: WebServer.Handler = { _ in
      try? await Task.sleep(for: .seconds(600))
      return .drop
    }
    try await withServer(handler: handler) { port in
      let settings = TransportSettings(connectTimeout: .milliseconds(100))
      #expect(await failure("ws://127.0.0.1:\(port)/", settings: settings) == .connectTimedOut(host: "127.0.0.1"))
    }
  }

  @Test func `a cancelled task stops waiting`() async throws {
    let (arrivals, arrival) = AsyncStream<Void>.makeStream()
    let handler: WebServer.Handler = { _ in
      arrival.yield()
      try? await Task.sleep(for: .seconds(600))
      return .drop
    }
    try await withServer(handler: handler) { port in
      let attempt = Task { await failure("ws://127.0.0.1:\(port)/") }
      for await _ in arrivals { break }
      attempt.cancel()
      #expect(await attempt.value == .cancelled)
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct WebSocketTrustTests {
  private func attempt(
    names: [String] = ["DNS:localhost", "IP:127.0.0.1"], days: Int = 2, caFile: (TestAuthority) async throws -> String?
  ) async throws -> TransportError? {
    let authority = try TestAuthority()
    let (certificateFile, keyFile) = try await authority.issue(names, days: days)
    let settings = TransportSettings(caFile: try await caFile(authority))
    let certificate = WebServer.Certificate(certificateFile: certificateFile, keyFile: keyFile)
    let handler: WebServer.Handler = { _ in .webSocket { socket in for await _ in socket.events {} } }
    var result: TransportError?
    try await withServer(certificate: certificate, handler: handler) { port in
      result = await failure("wss://localhost:\(port)/", settings: settings)
    }
    return result
  }

  @Test func `an authority named in the CA file is trusted`() async throws {
    #expect(try await attempt { $0.caFile } == nil)
  }

  @Test func `an authority of which nobody knows is not`() async throws {
    #expect(try await attempt { _ in nil } == .tls(host: "localhost", .unknownAuthority))
  }

  @Test func `another authority than the server's is no help`() async throws {
    let other = try TestAuthority()
    _ = try await other.issue(["DNS:localhost"])
    #expect(try await attempt { _ in other.caFile } == .tls(host: "localhost", .unknownAuthority))
  }

  @Test func `a certificate for another name is refused`() async throws {
    #expect(try await attempt(names: ["DNS:example.org"]) { $0.caFile } == .tls(host: "localhost", .nameMismatch))
  }

  @Test func `an expired certificate is refused`() async throws {
    #expect(try await attempt(days: -1) { $0.caFile } == .tls(host: "localhost", .expired))
  }

  @Test(arguments: ["/nonexistent/ca.pem", "/dev/null", "/etc/hostname"])
  func `a CA file without certificates is told before anything is sent`(file: String) async throws {
    guard case .caFile(file, _) = try await attempt(caFile: { _ in file }) else {
      return #expect(Bool(false), "not told")
    }
  }
}
