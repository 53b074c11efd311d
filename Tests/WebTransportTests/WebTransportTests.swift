import TestSupport
import Testing
import Transport
import WebTransport

/// Runs `body` with a server that is stopped afterwards.
func withServer(
  certificate: WebServer.Certificate? = nil, maximumBodySize: Int = 1 << 20, handler: @escaping WebServer.Handler,
  _ body: (_ port: Int) async throws -> Void
) async throws {
  let server = WebServer(certificate: certificate, maximumBodySize: maximumBodySize, handler: handler)
  let port = try await server.listen()
  do {
    try await body(port)
  } catch {
    await server.stop()
    throw error
  }
  await server.stop()
}

let echo: WebServer.Handler = { _ in
  .webSocket { socket in
    for await case .text(let text) in socket.events { socket.send(text) }
  }
}

@Suite(.timeLimit(.minutes(1))) struct WebSocketTests {
  @Test func `text goes there and back in order, whatever it holds`() async throws {
    try await withServer(handler: echo) { port in
      let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/spreed")
      let texts = ["{}", "", "a\u{0}b", "grüße 🎧", String(repeating: "x", count: 300_000)] + (0..<500).map { "\($0)" }
      for text in texts { socket.send(text) }
      var events = socket.events.makeAsyncIterator()
      for text in texts { #expect(await events.next() == .text(text)) }
      socket.close()
      #expect(await events.next() == .closed(.byUs))
      #expect(await events.next() == nil)
    }
  }
}
