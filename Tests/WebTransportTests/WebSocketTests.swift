import GLibLoop
import TestSupport
import Testing
import Transport
import WebTransport

private let echo: WebServer.Handler = { _ in
  .webSocket { socket in
    for await case .text(let text) in socket.events { socket.send(text) }
  }
}

/// The last event of a socket, all messages before it passed over.
private func closure(of socket: WebSocket) async -> WebSocketClosure? {
  for await event in socket.events { if case .closed(let closure) = event { return closure } }
  return nil
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

  @Test func `the request reaches the handler with its path, query and headers`() async throws {
    let handler: WebServer.Handler = { request in
      guard request.path == "/sub/spreed", request.query == ["a": "1 2", "b": "ü"], request.headers["x-test"] == "yes",
        request.headers["User-Agent"] == "talkbridge/1"
      else { return .reply(404) }
      return .webSocket { _ in }
    }
    try await withServer(handler: handler) { port in
      let socket = try await WebSocket.connect(
        to: "ws://127.0.0.1:\(port)/sub/spreed?a=1+2&b=%C3%BC", headers: ["X-Test": "yes"],
        settings: TransportSettings(userAgent: "talkbridge/1"))
      #expect(await closure(of: socket) == .byPeer(code: 1000, reason: ""))
    }
  }

  @Test func `the peer's code and reason arrive`() async throws {
    let handler: WebServer.Handler = { _ in
      .webSocket { socket in socket.close(code: 4001, reason: String(repeating: "ü", count: 100)) }
    }
    try await withServer(handler: handler) { port in
      let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
      #expect(await closure(of: socket) == .byPeer(code: 4001, reason: String(repeating: "ü", count: 61)))
    }
  }

  @Test func `what was sent before closing arrives before the close`() async throws {
    let (ends, end) = AsyncStream<[WebSocketEvent]>.makeStream()
    let handler: WebServer.Handler = { _ in
      .webSocket { socket in
        var seen: [WebSocketEvent] = []
        for await event in socket.events { seen.append(event) }
        end.yield(seen)
      }
    }
    try await withServer(handler: handler) { port in
      do {
        let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
        socket.send("last words")
        socket.close(code: 1001, reason: "bye")
        socket.send("too late")
      }
      var ends = ends.makeAsyncIterator()
      #expect(await ends.next() == [.text("last words"), .closed(.byPeer(code: 1001, reason: "bye"))])
    }
  }

  @Test func `a dropped connection is told as lost, on either side`() async throws {
    let (ends, end) = AsyncStream<WebSocketClosure?>.makeStream()
    let handler: WebServer.Handler = { request in
      .webSocket { socket in
        if request.path == "/server-drops" { socket.abort() }
        end.yield(await closure(of: socket))
      }
    }
    try await withServer(handler: handler) { port in
      var ends = ends.makeAsyncIterator()
      let dropped = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/server-drops")
      guard case .lost = await closure(of: dropped) else { return #expect(Bool(false), "the drop was not told") }
      #expect(await ends.next() == .byUs)
      let dropping = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/client-drops")
      dropping.abort()
      #expect(await closure(of: dropping) == .byUs)
      guard case .lost = await ends.next() else { return #expect(Bool(false), "the drop was not told") }
    }
  }

  @Test func `a socket that is let go of is dropped`() async throws {
    let (ends, end) = AsyncStream<WebSocketClosure?>.makeStream()
    let handler: WebServer.Handler = { _ in .webSocket { socket in end.yield(await closure(of: socket)) } }
    try await withServer(handler: handler) { port in
      _ = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
      var ends = ends.makeAsyncIterator()
      guard case .lost = await ends.next() else { return #expect(Bool(false), "the drop was not told") }
    }
  }

  @Test func `a socket that is over holds nothing, whatever is still asked of it`() async throws {
    try await withServer(handler: echo) { port in
      weak var remains: WebSocket?
      do {
        let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
        remains = socket
        socket.abort()
        #expect(await closure(of: socket) == .byUs)
        socket.send("late")
        socket.close()
      }
      try await eventually("the end of the socket") { remains == nil }
    }
  }

  @Test func `a message over the limit ends the socket`() async throws {
    let (ends, end) = AsyncStream<WebSocketClosure?>.makeStream()
    let handler: WebServer.Handler = { _ in
      .webSocket(options: .init(maximumMessageSize: 65_536)) { socket in
        var events = socket.events.makeAsyncIterator()
        guard case .text(let text) = await events.next(), text.utf8.count == 65_536 else { return }
        if case .closed(let closure) = await events.next() { end.yield(closure) }
      }
    }
    try await withServer(handler: handler) { port in
      let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
      socket.send(String(repeating: "x", count: 65_536))
      socket.send(String(repeating: "x", count: 65_537))
      var ends = ends.makeAsyncIterator()
      guard case .lost(let reason) = await ends.next() else { return #expect(Bool(false), "the excess was not told") }
      #expect(reason.contains("max-incoming-payload-size"))
      guard case .lost = await closure(of: socket) else { return #expect(Bool(false), "the end was not told") }
    }
  }

  @Test func `a reader that stalls costs the socket, not the memory`() async throws {
    let handler: WebServer.Handler = { _ in
      .webSocket { socket in
        for _ in 0..<100 { socket.send(String(repeating: "x", count: 1000)) }
        for await _ in socket.events {}
      }
    }
    try await withServer(handler: handler) { port in
      let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/", options: .init(maximumBacklog: 50_000))
      try await Task.sleep(for: .milliseconds(100))
      var received = 0
      for await event in socket.events {
        if case .closed(let closure) = event {
          #expect(closure == .lost(reason: "its messages were not read in time"))
        } else {
          received += 1
        }
      }
      #expect(received == 44)  // 1128 bytes each
    }
  }

  @Test func `pings keep a silent socket and find a dead one`() async throws {
    try await withServer(handler: echo) { port in
      let options = WebSocket.Options(pingInterval: .seconds(1))
      let live = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/", options: options)
      let loop = GLibExecutor(name: "deaf")
      let isDeaf = Locked(true)
      let deafServer = WebServer(on: loop) { _ in
        .webSocket { _ in await Deafness(loop).last { isDeaf.withLock { $0 } } }
      }
      let dead = try await WebSocket.connect(
        to: "ws://127.0.0.1:\(try await deafServer.listen())/", options: options)
      #expect(await closure(of: dead) == .lost(reason: "it did not answer for 3.0 seconds"))
      isDeaf.withLock { $0 = false }
      await deafServer.stop()
      live.send("still here")
      var events = live.events.makeAsyncIterator()
      #expect(await events.next() == .text("still here"))
    }
  }

  @Test func `stopping the server drops its sockets`() async throws {
    let server = WebServer(handler: echo)
    let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(try await server.listen())/")
    await server.stop()
    guard case .lost = await closure(of: socket) else { return #expect(Bool(false), "the end was not told") }
  }

  @Test func `a hundred sockets at once`() async throws {
    try await withServer(handler: echo) { port in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<100 {
          group.addTask {
            let socket = try await WebSocket.connect(to: "ws://127.0.0.1:\(port)/")
            var events = socket.events.makeAsyncIterator()
            socket.send("\(number)")
            return await events.next() == .text("\(number)")
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }
}
