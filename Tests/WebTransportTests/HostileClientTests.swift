import Glibc
import TestSupport
import Testing
import WebTransport

/// What a peer may send that is no good, and what becomes of the socket.
@Suite(.timeLimit(.minutes(1))) struct HostileClientTests {
  /// How the server's socket ends when `attack` is done to it.
  private func end(_ attack: (RawClient) -> Void) async throws -> [WebSocketEvent] {
    let (ends, end) = AsyncStream<[WebSocketEvent]>.makeStream()
    let handler: WebServer.Handler = { _ in
      .webSocket(options: .init(maximumMessageSize: 65_536)) { socket in
        var seen: [WebSocketEvent] = []
        for await event in socket.events { seen.append(event) }
        end.yield(seen)
      }
    }
    var result: [WebSocketEvent] = []
    try await withServer(handler: handler) { port in
      let client = try RawClient(port: port)
      client.upgrade()
      attack(client)
      for await seen in ends {
        result = seen
        break
      }
    }
    return result
  }

  private func isLost(_ events: [WebSocketEvent]) -> Bool {
    guard events.count == 1, case .closed(.lost) = events[0] else { return false }
    return true
  }

  @Test func `fragments count together`() async throws {
    let events = try await end { client in
      let part = [UInt8](repeating: 0x20, count: 60_000)
      client.sendFrame(opcode: 1, isFinal: false, part)
      // Until the server hangs up.
      while client.sendFrame(opcode: 0, isFinal: false, part) { usleep(20_000) }
    }
    #expect(
      events == [.closed(.lost(reason: "it sent a larger message than the 65536 bytes that are accepted"))])
  }

  @Test func `fragments make one message`() async throws {
    let events = try await end { client in
      client.sendFrame(opcode: 1, isFinal: false, Array("gr".utf8))
      client.sendFrame(opcode: 9, isFinal: true, Array("a ping between".utf8))
      client.sendFrame(opcode: 0, isFinal: false, [0xC3])
      client.sendFrame(opcode: 0, isFinal: true, [0xBC] + Array("ße".utf8))
      client.sendFrame(opcode: 8, isFinal: true, [0x03, 0xE8])
    }
    #expect(events == [.text("grüße"), .closed(.byPeer(code: 1000, reason: ""))])
  }

  @Test(arguments: [
    [0x81, 0x85, 0, 0, 0, 0, 0xFF, 0xFE, 0x41, 0x41, 0x41],  // no UTF-8
    [0x81, 0x05, 0x41, 0x41, 0x41, 0x41, 0x41],  // not masked
    [0xF1, 0x81, 0, 0, 0, 0, 0x41],  // reserved bits
    [0x83, 0x80, 0, 0, 0, 0],  // an unknown opcode
    [0x80, 0x80, 0, 0, 0, 0],  // a continuation of nothing
    [0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],  // 2^64 - 1 bytes
    [0x82, 0x81, 0, 0, 0, 0, 0x41],  // binary
  ])
  func `what is no text message ends the socket`(bytes: [UInt8]) async throws {
    // A peer that does not answer the closing handshake either: the end must not wait for it for long.
    #expect(isLost(try await end { $0.send(bytes) }))
  }

  @Test func `random bytes never trap`() async throws {
    var random = SeededRandom(seed: 7)
    for _ in 0..<30 {
      let bytes = random.bytes(2000)
      let events = try await end { $0.send(bytes) }
      #expect(!events.isEmpty)
    }
  }

  @Test func `requests that are no HTTP leave the server standing`() async throws {
    var random = SeededRandom(seed: 8)
    let handler: WebServer.Handler = { _ in .webSocket { socket in for await _ in socket.events {} } }
    try await withServer(handler: handler) { port in
      for _ in 0..<50 {
        let client = try RawClient(port: port)
        client.send("GET /\(random.next()) HTTP/1.1\r\n")
        client.send(random.bytes(500))
        client.send("\r\n\r\n")
      }
      let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
      socket.close()
    }
  }
}
