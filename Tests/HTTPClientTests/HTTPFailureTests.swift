import GLibLoop
import HTTPClient
import TestSupport
import Testing
import Transport
import WebTransport

/// The error of a request that must fail.
private func failure(
  _ url: String, settings: TransportSettings = TransportSettings(), timeout: Duration = .seconds(60)
) async -> TransportError? {
  do throws(TransportError) {
    _ = try await HTTPSession(settings: settings).send(HTTPRequest("GET", url, timeout: timeout))
    return nil
  } catch {
    return error
  }
}

@Suite(.timeLimit(.minutes(1))) struct HTTPFailureTests {
  @Test(arguments: ["", "nonsense", "ftp://a/", "http://", "http://a b/", "file:///etc/passwd", "https://u:p@host/"])
  func `what is no web address is refused`(url: String) async {
    guard case .invalidURL = await failure(url) else { return #expect(Bool(false), "\(url) was taken") }
  }

  @Test func `a port that nobody listens on is unreachable`() async throws {
    let server = WebServer { _ in .drop }
    let port = try await server.listen()
    await server.stop()
    #expect(
      await failure("http://127.0.0.1:\(port)/?token=secret")
        == .unreachable(host: "127.0.0.1", reason: "Connection refused"))
  }

  @Test func `a name that does not exist is not found`() async {
    #expect(await failure("https://no-such-host.invalid/?secret") == .hostNotFound(host: "no-such-host.invalid"))
  }

  @Test func `a server that hangs up is told`() async throws {
    let handler: WebServer.Handler = { _ in .drop }
    try await withServer(handler: handler) { port in
      guard case .lost("127.0.0.1", _) = await failure("http://127.0.0.1:\(port)/") else {
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
      let error = await failure("http://127.0.0.1:\(port)/", timeout: .seconds(1))
      #expect(error == .timedOut(host: "127.0.0.1"))
    }
  }

  @Test func `a server that does not finish TLS is given up as one that takes no connection`() async throws {
    let loop = GLibExecutor(name: "deaf")
    let server = WebServer(on: loop) { _ in .drop }
    let port = try await server.listen()
    let isDeaf = Locked(true)
    let deafness = Task { await Deafness(loop).last { isDeaf.withLock { $0 } } }
    let settings = TransportSettings(connectTimeout: .milliseconds(200))
    #expect(await failure("https://127.0.0.1:\(port)/", settings: settings) == .connectTimedOut(host: "127.0.0.1"))
    isDeaf.withLock { $0 = false }
    await deafness.value
    await server.stop()
  }

  @Test func `a cancelled task ends its transfer`() async throws {
    let (events, event) = AsyncStream<String>.makeStream()
    let handler: WebServer.Handler = { _ in
      event.yield("arrived")
      try? await Task.sleep(for: .seconds(600))
      return .reply(200)
    }
    try await withServer(handler: handler) { port in
      var events = events.makeAsyncIterator()
      let session = HTTPSession()
      let attempt = Task { try await session.send(HTTPRequest("GET", "http://127.0.0.1:\(port)/")) }
      #expect(await events.next() == "arrived")
      attempt.cancel()
      await #expect(throws: TransportError.cancelled) { try await attempt.value }
      let late = Task { try await session.send(HTTPRequest("GET", "http://127.0.0.1:\(port)/")) }
      #expect(await events.next() == "arrived")
      await session.close()
      await #expect(throws: TransportError.cancelled) { try await late.value }
      await #expect(throws: TransportError.cancelled) {
        try await session.send(HTTPRequest("GET", "http://127.0.0.1:\(port)/"))
      }
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct RedirectTests {
  private func final(_ path: String, _ session: HTTPSession, _ port: Int, method: String = "GET") async throws
    -> HTTPResponse
  {
    try await session.send(
      HTTPRequest(method, "http://127.0.0.1:\(port)\(path)", body: method == "POST" ? Array("content".utf8) : nil))
  }

  private let handler: WebServer.Handler = { request in
    let parts = request.path.split(separator: "/").map(String.init)
    switch parts.first {
    case "go": return .reply(Int(parts[1])!, headers: ["Location": request.query["to"]!])
    case "circle": return .reply(302, headers: ["Location": "/circle"])
    default: return .reply(text: "\(request.method) \(request.path) \(request.body.count)")
    }
  }

  @Test(arguments: [301, 302, 303, 307, 308])
  func `a redirect to the same origin is followed`(status: Int) async throws {
    try await withServer(handler: handler) { port in
      let session = HTTPSession()
      let response = try await final("/go/\(status)?to=/there", session, port)
      #expect(response.url == "http://127.0.0.1:\(port)/there")
      #expect(String(decoding: response.body, as: UTF8.self) == "GET /there 0")
      let relative = try await final("/go/\(status)?to=../there", session, port)
      #expect(relative.url == "http://127.0.0.1:\(port)/there")
      let posted = try await final("/go/\(status)?to=/there", session, port, method: "POST")
      let expected = status < 307 ? "GET /there 0" : "POST /there 7"
      #expect(String(decoding: posted.body, as: UTF8.self) == expected)
    }
  }

  @Test(arguments: [
    "http://other.invalid/login", "//other.invalid/", "http://127.0.0.1:1/", "ftp://127.0.0.1/", "file:///etc/passwd",
    "http://user@127.0.0.1/",
  ])
  func `a redirect to anywhere else is handed back`(target: String) async throws {
    try await withServer(handler: handler) { port in
      let response = try await final("/go/302?to=\(target)", HTTPSession(), port)
      #expect(response.status == 302)
      #expect(response.headers["Location"] == target)
    }
  }

  @Test func `a circle ends`() async throws {
    try await withServer(handler: handler) { port in
      await #expect(throws: TransportError.lost(host: "127.0.0.1", reason: "it redirects in a circle")) {
        try await final("/circle", HTTPSession(), port)
      }
    }
  }

  @Test func `the way from http to https on the same host is followed`() async throws {
    let authority = try TestAuthority()
    let (certificateFile, keyFile) = try await authority.issue(["IP:127.0.0.1"])
    let certificate = WebServer.Certificate(certificateFile: certificateFile, keyFile: keyFile)
    try await withServer(certificate: certificate, handler: handler) { securePort in
      try await withServer(handler: handler) { port in
        let session = HTTPSession(settings: TransportSettings(caFile: authority.caFile))
        let secure = "https://127.0.0.1:\(securePort)"
        #expect(try await final("/go/301?to=\(secure)/a", session, port).url == "\(secure)/a")
        // And not the way back.
        let back = try await session.send(HTTPRequest("GET", "\(secure)/go/301?to=http://127.0.0.1:\(port)/"))
        #expect(back.status == 301)
      }
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct HTTPTrustTests {
  private func attempt(
    names: [String] = ["DNS:localhost", "IP:127.0.0.1"], days: Int = 2, caFile: (TestAuthority) async throws -> String?
  ) async throws -> TransportError? {
    let authority = try TestAuthority()
    let (certificateFile, keyFile) = try await authority.issue(names, days: days)
    let settings = TransportSettings(caFile: try await caFile(authority))
    let certificate = WebServer.Certificate(certificateFile: certificateFile, keyFile: keyFile)
    let handler: WebServer.Handler = { _ in .reply(200) }
    var result: TransportError?
    try await withServer(certificate: certificate, handler: handler) { port in
      result = await failure("https://localhost:\(port)/", settings: settings)
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
    guard case .tls("localhost", .unknownAuthority) = try await attempt(caFile: { _ in other.caFile }) else {
      return #expect(Bool(false), "not told as unknown")
    }
  }

  @Test func `plain HTTP spoken to a TLS server is told`() async throws {
    let authority = try TestAuthority()
    let (certificateFile, keyFile) = try await authority.issue(["DNS:localhost"])
    let certificate = WebServer.Certificate(certificateFile: certificateFile, keyFile: keyFile)
    let handler: WebServer.Handler = { _ in .reply(200) }
    try await withServer(certificate: certificate, handler: handler) { port in
      guard case .lost("localhost", _) = await failure("http://localhost:\(port)/") else {
        return #expect(Bool(false), "not told as lost")
      }
    }
  }

  @Test func `a certificate for another name is refused`() async throws {
    let error = try await attempt(names: ["DNS:example.org"]) { $0.caFile }
    #expect(error == .tls(host: "localhost", .nameMismatch))
  }

  @Test func `an expired certificate is refused`() async throws {
    #expect(try await attempt(days: -1) { $0.caFile } == .tls(host: "localhost", .expired))
  }

  @Test(arguments: ["/nonexistent/ca.pem", "/dev/null", "/etc/hostname"])
  func `a CA file without certificates is told`(file: String) async throws {
    guard case .caFile(file, _) = try await attempt(caFile: { _ in file }) else {
      return #expect(Bool(false), "not told")
    }
  }
}
