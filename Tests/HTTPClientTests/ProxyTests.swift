import HTTPClient
import TestSupport
import Testing
import Transport
import WebTransport

/// One value of settings leads HTTP and WebSockets through the same proxy, past it, and tells its failures alike.
@Suite(.timeLimit(.minutes(1))) struct ProxyTests {
  private static let handler: WebServer.Handler = { request in
    request.headers["Upgrade"] == nil
      ? .reply(text: "{}") : .webSocket { socket in for await _ in socket.events {} }
  }

  /// What came of an HTTPS request and of a secure WebSocket, to `localhost` at a TLS server.
  private func attempts(
    proxy: (TestAuthority) throws -> ProxySettings
  ) async throws -> (port: Int, http: TransportError?, webSocket: TransportError?) {
    let authority = try TestAuthority()
    let (certificateFile, keyFile) = try await authority.issue(["DNS:localhost"])
    let certificate = WebServer.Certificate(certificateFile: certificateFile, keyFile: keyFile)
    let settings = TransportSettings(caFile: authority.caFile, proxies: try proxy(authority))
    var result: (Int, TransportError?, TransportError?) = (0, nil, nil)
    try await withServer(certificate: certificate, handler: Self.handler) { port in
      result.0 = port
      do throws(TransportError) {
        _ = try await HTTPSession(settings: settings).send(HTTPRequest("GET", "https://localhost:\(port)/"))
      } catch {
        result.1 = error
      }
      do throws(TransportError) {
        try await WebSocket.connect(to: "wss://localhost:\(port)/", settings: settings).close()
      } catch {
        result.2 = error
      }
    }
    return result
  }

  @Test func `both go through the proxy, and TLS is still verified with the server itself`() async throws {
    let proxy = try TestProxy()
    defer { proxy.stop() }
    let (port, http, webSocket) = try await attempts { _ in
      try ProxySettings(environment: ["https_proxy": "http://127.0.0.1:\(proxy.port)"])
    }
    #expect(http == nil)
    #expect(webSocket == nil)
    #expect(proxy.asked == ["localhost:\(port)", "localhost:\(port)"])
  }

  @Test func `the proxy's credentials are sent to it`() async throws {
    let proxy = try TestProxy(credentials: "Basic YWxpY2U6d29uZGVyOmxhbmQ=")
    defer { proxy.stop() }
    let (_, http, webSocket) = try await attempts { _ in
      try ProxySettings(environment: ["all_proxy": "http://alice:wonder%3Aland@127.0.0.1:\(proxy.port)"])
    }
    #expect(http == nil)
    #expect(webSocket == nil)
  }

  @Test func `a proxy that refuses is told as such`() async throws {
    let proxy = try TestProxy(credentials: "Basic x")
    defer { proxy.stop() }
    let (_, http, webSocket) = try await attempts { _ in
      try ProxySettings(environment: ["https_proxy": "http://alice:secret@127.0.0.1:\(proxy.port)"])
    }
    for error in [http, webSocket] {
      guard case .proxy(let reason) = error else {
        #expect(Bool(false), "\(String(describing: error))")
        continue
      }
      #expect(!reason.contains("secret"))
    }
  }

  @Test func `a proxy that is not there is told as such`() async throws {
    let proxy = try TestProxy()
    proxy.stop()
    let (_, http, webSocket) = try await attempts { _ in
      try ProxySettings(environment: ["https_proxy": "http://127.0.0.1:\(proxy.port)"])
    }
    for error in [http, webSocket] {
      guard case .proxy = error else {
        #expect(Bool(false), "\(String(describing: error))")
        continue
      }
    }
  }

  @Test func `exceptions go past the proxy`() async throws {
    let proxy = try TestProxy()
    defer { proxy.stop() }
    let (_, http, webSocket) = try await attempts { _ in
      try ProxySettings(environment: ["https_proxy": "http://127.0.0.1:\(proxy.port)", "no_proxy": "localhost"])
    }
    #expect(http == nil)
    #expect(webSocket == nil)
    #expect(proxy.asked.isEmpty)
  }
}
