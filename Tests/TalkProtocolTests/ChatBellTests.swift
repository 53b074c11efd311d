import Testing

@testable import TalkProtocol

/// The signaling server rings when there may be something new in the chat.
@Suite struct ChatBellTests {
  private typealias Effect = ChatBell.Effect

  /// A bell and the servers around it, played by the test.
  private struct Belfry {
    var bell: ChatBell
    var now = ContinuousClock.now
    var socket: SocketID?
    var requests: [HTTPRequest] = []
    var sent: [ClientMessage] = []

    init() throws {
      bell = ChatBell(try ConversationAddress("https://cloud.example.com/call/abcd1234"))
    }

    /// Keeps what went out, and returns the rest: `hasBell` and `rang`.
    mutating func note(_ effects: [Effect]) -> [Effect] {
      for case .transport(let effect) in effects {
        switch effect {
        case .request(let request): requests.append(request)
        case .openSocket(let id, _): socket = id
        case .closeSocket(let id): if id == socket { socket = nil }
        case .send(_, let text): if let message = try? ClientMessage(text: text) { sent.append(message) }
        default: Issue.record("\(effect)")
        }
      }
      return effects.filter { if case .transport = $0 { false } else { true } }
    }

    mutating func enter(as session: String = "NC") -> [Effect] { note(bell.entered(as: session, at: now)) }

    mutating func settings(_ status: Int = 200, _ settings: JSONValue? = nil) throws -> [Effect] {
      let data =
        settings ?? [
          "signalingMode": "external", "server": "https://hpb.example.com",
          "helloAuthParams": ["1.0": ["ticket": "t"], "2.0": ["token": "jwt"]],
        ]
      let body = JSONCoding.encode(JSONValue.object(["ocs": ["meta": ["status": "ok"], "data": data]]))
      let id = try #require(requests.last).id
      return note(bell.handle(.reply(id, HTTPReply(status: status, body: body)), at: now))
    }

    mutating func open() throws -> [Effect] {
      note(bell.handle(.socketOpened(try #require(socket)), at: now))
    }

    mutating func receive(_ content: ServerMessage.Content, id: String? = nil) throws -> [Effect] {
      note(bell.handle(.socketMessage(try #require(socket), ServerMessage(id: id, content).text), at: now))
    }

    mutating func hello(session: String = "OWN") throws -> [Effect] {
      _ = try open()
      _ = try receive(.welcome(ServerDescription(version: "2", features: ["hello-v2"])))
      let hello = HelloReply(version: "2.0", sessionid: session, resumeid: "resume")
      return try receive(.hello(hello), id: try #require(sent.last).id)
    }

    mutating func room() throws -> [Effect] {
      try receive(.room(RoomState(roomid: "abcd1234")), id: try #require(sent.last).id)
    }

    mutating func closeSocket() throws -> [Effect] {
      note(bell.handle(.socketClosed(try #require(socket), nil), at: now))
    }

    mutating func advance(_ duration: Duration) -> [Effect] {
      let end = now + duration
      var effects: [Effect] = []
      while let deadline = bell.deadline, deadline <= end {
        now = max(now, deadline)
        effects += note(bell.handleTimeout(now))
      }
      now = end
      return effects
    }
  }

  private static let hint = ServerMessage.Content.event(
    .roomMessage(roomid: "abcd1234", data: ["type": "chat", "chat": ["refresh": true]]))

  private static func hung() throws -> Belfry {
    var belfry = try Belfry()
    #expect(belfry.enter() == [])
    #expect(try belfry.settings() == [])
    #expect(try belfry.hello() == [])
    guard case .room(let room) = belfry.sent.last?.content else {
      Issue.record("the room is not asked for: \(belfry.sent)")
      return belfry
    }
    #expect(room == RoomRequest(roomid: "abcd1234", sessionid: "NC"))
    #expect(try belfry.room() == [.hasBell(true)])
    return belfry
  }

  @Test func `in the room each hint rings, and each relayed message, and nothing else`() throws {
    var belfry = try Self.hung()
    #expect(try belfry.receive(Self.hint) == [.rang])
    let relayed: JSONValue = ["type": "chat", "chat": ["comment": ["id": 7, "message": "hej"]]]
    #expect(try belfry.receive(.event(.roomMessage(roomid: "abcd1234", data: relayed))) == [.rang])
    let recording: JSONValue = ["type": "recording", "recording": ["status": 1]]
    #expect(try belfry.receive(.event(.roomMessage(roomid: "abcd1234", data: recording))) == [])
    #expect(try belfry.receive(.unknown(type: "new", .null)) == [])
    #expect(belfry.bell.handle(.socketMessage(try #require(belfry.socket), "no JSON"), at: belfry.now) == [])
  }

  @Test func `a lost socket is resumed, and the bell is silent meanwhile`() throws {
    var belfry = try Self.hung()
    #expect(try belfry.closeSocket() == [.hasBell(false)])
    #expect(belfry.advance(.seconds(1)) == [])
    #expect(try belfry.hello() == [.hasBell(true)])
    #expect(try belfry.receive(Self.hint) == [.rang])
    #expect(belfry.requests.count == 1)
  }

  @Test func `a session that was not kept is made anew`() throws {
    var belfry = try Self.hung()
    _ = try belfry.closeSocket()
    _ = belfry.advance(.milliseconds(300))
    #expect(try belfry.hello(session: "OTHER") == [])
    #expect(belfry.advance(.seconds(2)) == [])
    #expect(belfry.requests.count == 2)
    #expect(try belfry.settings() == [])
    #expect(try belfry.hello() == [])
    #expect(try belfry.room() == [.hasBell(true)])
  }

  @Test func `a new session in Nextcloud enters anew`() throws {
    var belfry = try Self.hung()
    #expect(belfry.enter() == [])
    #expect(belfry.requests.count == 1)
    #expect(belfry.enter(as: "NEW") == [.hasBell(false)])
    #expect(belfry.requests.count == 2)
  }

  @Test func `without a signaling server nothing rings and nothing is asked again`() throws {
    for settings: JSONValue in [
      ["signalingMode": "internal"],
      ["signalingMode": "external", "server": "https://h", "federation": ["server": "https://other"]],
    ] {
      var belfry = try Belfry()
      _ = belfry.enter()
      #expect(try belfry.settings(200, settings) == [])
      #expect(belfry.bell.deadline == nil)
      #expect(belfry.socket == nil)
    }
  }

  @Test func `whatever fails is tried again, ever more seldom`() throws {
    var belfry = try Belfry()
    _ = belfry.enter()
    #expect(try belfry.settings(503) == [])
    _ = belfry.advance(.seconds(1))
    #expect(belfry.requests.count == 2)
    _ = try belfry.settings()
    #expect(try belfry.closeSocket() == [])
    _ = belfry.advance(.seconds(5))
    #expect(belfry.requests.count == 3)
    _ = try belfry.settings()
    _ = try belfry.hello()
    let refusal = ServerMessage.Content.error(SignalingError(code: "no_such_room", message: "no"))
    #expect(try belfry.receive(refusal, id: belfry.sent.last?.id) == [])
    #expect(belfry.socket == nil)
    _ = belfry.advance(.seconds(15))
    #expect(belfry.requests.count == 4)
    for _ in 0..<10 {
      _ = belfry.note(
        belfry.bell.handle(.requestFailed(try #require(belfry.requests.last).id, .timedOut), at: belfry.now))
      _ = belfry.advance(.seconds(300))
    }
    #expect(belfry.requests.count == 14)
  }

  @Test func `a goodbye or a removal ends the ringing`() throws {
    for ending in [
      ServerMessage.Content.bye(reason: "session_resumed"),
      .event(.disinvited(roomid: "abcd1234", reason: "deleted")),
    ] {
      var belfry = try Self.hung()
      #expect(try belfry.receive(ending) == [.hasBell(false)])
    }
  }

  @Test func `closing says goodbye`() throws {
    var belfry = try Self.hung()
    #expect(belfry.note(belfry.bell.close()) == [.hasBell(false)])
    #expect(belfry.sent.last?.content == .bye)
    #expect(belfry.socket == nil && belfry.bell.deadline == nil)
  }
}
