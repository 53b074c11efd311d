import TalkProtocol
import Testing

@testable import TalkRoom

/// The order of a call and what happens out of order, as tried against a real installation.
@Suite struct SignalingRulesTests {
  /// A guest of the room: its cookie, its Talk session, its socket.
  private struct Guest {
    let socket: Int
    var cookie = ""
    var talkSession = ""
    var session = ""
  }

  private struct Installation {
    var server: TalkServer
    var now = ContinuousClock.now
    var inbox: [Int: [JSONValue]] = [:]
    var closed: [Int: Int?] = [:]
    var media: [MediaCommand] = []
    private var nextSocket = 0

    init() {
      var nextcloud = Nextcloud(signToken: { _ in "token" })
      nextcloud.conversations["abcd1234"] = HostedConversation(token: "abcd1234", name: "Public room")
      server = TalkServer(
        nextcloud: nextcloud,
        hub: SignalingHub { _, auth in
          auth["params"]["token"].string == "token"
            ? .success(.init()) : .failure(.init(code: "invalid_token", message: "The passed token is invalid."))
        })
    }

    mutating func apply(_ effects: [TalkServer.Effect]) {
      for effect in effects {
        switch effect {
        case .send(let socket, let message): inbox[socket, default: []].append(message)
        case .close(let socket, let code):
          closed[socket] = code
          apply(server.handle(.closed(socket), time: 0, at: now))
        case .media(let command): media.append(command)
        case .notify: break
        }
      }
    }

    mutating func http(_ method: String, _ path: String, _ body: JSONValue = .null, as guest: inout Guest)
      -> Nextcloud.Reply
    {
      let (reply, effects) = server.handle(
        .init(
          method: method, path: "/ocs/v2.php/apps/spreed/api/" + path,
          cookies: guest.cookie.isEmpty ? [:] : [Nextcloud.sessionCookieName: guest.cookie], body: body),
        time: 0, at: now)
      guest.cookie = reply.sessionCookie ?? guest.cookie
      apply(effects)
      return reply
    }

    mutating func send(_ message: JSONValue, from guest: Guest) {
      apply(server.handle(.received(guest.socket, message.text), time: 0, at: now))
    }

    mutating func media(_ event: MediaEvent) { apply(server.handle(.media(event), time: 0, at: now)) }

    mutating func pass(_ time: Duration) {
      now += time
      apply(server.handleTimeout(time: 0, at: now))
    }

    mutating func newGuest() -> Guest {
      nextSocket += 1
      return Guest(socket: nextSocket)
    }

    mutating func activate(_ guest: inout Guest) -> Nextcloud.Reply {
      let reply = http("POST", "v4/room/abcd1234/participants/active", [:], as: &guest)
      guest.talkSession = reply.body?["ocs"]["data"]["sessionId"].string ?? ""
      return reply
    }

    mutating func hello(_ guest: inout Guest) {
      apply(server.handle(.opened(guest.socket), time: 0, at: now))
      send(
        ["type": "hello", "id": "1", "hello": ["version": "2.0", "auth": ["params": ["token": "token"]]]], from: guest)
      guest.session = last("hello", for: guest)?["hello"]["sessionid"].string ?? ""
    }

    mutating func enterRoom(_ guest: Guest) {
      send(
        ["type": "room", "id": "2", "room": ["roomid": "abcd1234", "sessionid": .string(guest.talkSession)]],
        from: guest)
    }

    mutating func joinCall(_ guest: inout Guest, flags: Int = 3) -> Int {
      http("POST", "v4/call/abcd1234", ["flags": .int(flags)], as: &guest).status
    }

    /// A guest that did everything in the right order.
    mutating func newCaller() -> Guest {
      var guest = newGuest()
      _ = activate(&guest)
      hello(&guest)
      enterRoom(guest)
      _ = joinCall(&guest)
      return guest
    }

    mutating func newPublisher() -> Guest {
      let guest = newCaller()
      publish(guest)
      media(.publisherConnected(session: guest.session))
      return guest
    }

    mutating func publish(_ guest: Guest, sdp: String = "m=audio") {
      send(
        [
          "type": "message", "id": "p",
          "message": [
            "recipient": ["type": "session", "sessionid": .string(guest.session)],
            "data": [
              "type": "offer", "sid": "77", "roomType": "video", "payload": ["type": "offer", "sdp": .string(sdp)],
            ],
          ],
        ], from: guest)
    }

    mutating func requestOffer(_ publisher: String, from guest: Guest, roomType: String = "video", sid: String? = nil) {
      var data: [String: JSONValue] = ["type": "requestoffer", "roomType": .string(roomType)]
      data["sid"] = sid.map { .string($0) }
      send(
        [
          "type": "message", "id": "r",
          "message": ["recipient": ["type": "session", "sessionid": .string(publisher)], "data": .object(data)],
        ], from: guest)
    }

    func last(_ type: String, for guest: Guest) -> JSONValue? {
      inbox[guest.socket]?.last { $0["type"].string == type }
    }

    func events(for guest: Guest) -> [JSONValue] { inbox[guest.socket]?.compactMap { $0["event"] } ?? [] }

    func lastError(_ guest: Guest) -> String? { last("error", for: guest)?["error"]["code"].string }

    var subscriptions: [String] {
      media.compactMap { if case .subscribe(let handle, _) = $0 { handle } else { nil } }
    }
  }

  @Test func `in the right order a request is answered by an offer with a handle of its own`() {
    var room = Installation()
    let publisher = room.newPublisher()
    let listener = room.newCaller()
    room.requestOffer(publisher.session, from: listener)
    #expect(room.subscriptions.count == 1)
    room.media(.subscriptionOffer(handle: room.subscriptions[0], sdp: "v=0"))
    let offer = room.last("message", for: listener)?["message"]
    #expect(offer?["sender"]["sessionid"].string == publisher.session)
    #expect(offer?["data"]["sid"].string == room.subscriptions[0])
    #expect(offer?["data"]["type"].string == "offer")
    // A second request makes a new connection, one with the current sid updates it.
    room.requestOffer(publisher.session, from: listener)
    #expect(room.media.contains(.closeSubscription(handle: room.subscriptions[0])))
    #expect(room.subscriptions.count == 2)
    room.requestOffer(publisher.session, from: listener, sid: room.subscriptions[1])
    #expect(room.media.last == .updateSubscription(handle: room.subscriptions[1]))
  }

  @Test func `a call joined before the room is never seen, until it is joined again`() {
    var room = Installation()
    let publisher = room.newPublisher()
    var early = room.newGuest()
    _ = room.activate(&early)
    #expect(room.joinCall(&early) == 200)
    room.hello(&early)
    room.enterRoom(early)
    room.requestOffer(publisher.session, from: early)
    #expect(room.lastError(early) == "not_allowed")
    #expect(room.joinCall(&early) == 200)
    room.requestOffer(publisher.session, from: early)
    #expect(room.subscriptions.count == 1)
  }

  @Test func `a fresh hello needs a new call, and sends the older connection away`() {
    var room = Installation()
    let publisher = room.newPublisher()
    let first = room.newCaller()
    var again = room.newGuest()
    again.cookie = first.cookie
    again.talkSession = first.talkSession
    room.hello(&again)
    room.enterRoom(again)
    #expect(room.last("bye", for: first)?["bye"]["reason"].string == "room_session_reconnected")
    room.requestOffer(publisher.session, from: again)
    #expect(room.lastError(again) == "not_allowed")
    _ = room.joinCall(&again)
    room.requestOffer(publisher.session, from: again)
    #expect(room.subscriptions.count == 1)
  }

  @Test func `a stale or missing Talk session is not let into the room`() {
    var room = Installation()
    var guest = room.newGuest()
    _ = room.activate(&guest)
    let stale = guest.talkSession
    _ = room.activate(&guest)
    room.hello(&guest)
    guest.talkSession = stale
    room.enterRoom(guest)
    #expect(room.lastError(guest) == "no_such_room")
    guest.talkSession = ""
    room.enterRoom(guest)
    #expect(room.lastError(guest) == "no_such_room")
  }

  @Test func `activating again disinvites the session and drops its socket`() {
    var room = Installation()
    var guest = room.newCaller()
    let conflict = room.http("POST", "v4/room/abcd1234/participants/active", ["force": false], as: &guest)
    #expect(conflict.status == 409)
    #expect(room.closed.isEmpty)
    #expect(room.activate(&guest).status == 200)
    #expect(room.last("event", for: guest)?["event"]["disinvite"]["reason"].string == "disinvited")
    #expect(room.closed.keys.contains(guest.socket))
    #expect(room.closed[guest.socket]! == nil)
  }

  @Test func `who is not in the call, or unknown, cannot be asked for`() {
    var room = Installation()
    let publisher = room.newPublisher()
    var outside = room.newGuest()
    _ = room.activate(&outside)
    room.hello(&outside)
    room.enterRoom(outside)
    room.requestOffer(publisher.session, from: outside)
    #expect(room.lastError(outside) == "not_allowed")
    let inside = room.newCaller()
    for target in [outside.session, publisher.talkSession, "unknown"] {
      room.inbox[inside.socket] = []
      room.requestOffer(target, from: inside)
      #expect(room.lastError(inside) == "not_allowed")
    }
    room.inbox[inside.socket] = []
    room.requestOffer(inside.session, from: inside)
    #expect(room.inbox[inside.socket]!.isEmpty)
  }

  @Test func `a request waits ten seconds for its publisher`() {
    var room = Installation()
    let late = room.newCaller()
    let listener = room.newCaller()
    room.requestOffer(late.session, from: listener)
    room.pass(.seconds(3))
    room.publish(late)
    #expect(room.subscriptions.isEmpty)
    room.media(.publisherConnected(session: late.session))
    #expect(room.subscriptions.count == 1)

    let silent = room.newCaller()
    room.requestOffer(silent.session, from: listener)
    room.pass(.seconds(11))
    #expect(room.lastError(listener) == "client_not_found")

    room.publish(silent)
    room.requestOffer(silent.session, from: listener)
    room.pass(.seconds(11))
    #expect(room.lastError(listener) == "processing_failed")

    room.requestOffer(late.session, from: listener, roomType: "audio")
    #expect(room.lastError(listener) == "client_not_found")
  }

  @Test func `an answer or candidate needs the right sid or none`() {
    var room = Installation()
    let publisher = room.newPublisher()
    let listener = room.newCaller()
    room.requestOffer(publisher.session, from: listener)
    let handle = room.subscriptions[0]
    func answer(_ sid: String?) -> JSONValue {
      var data: [String: JSONValue] = [
        "type": "answer", "roomType": "video", "payload": ["type": "answer", "sdp": "v=0"],
      ]
      data["sid"] = sid.map { .string($0) }
      return [
        "type": "message", "id": "a",
        "message": ["recipient": ["type": "session", "sessionid": .string(publisher.session)], "data": .object(data)],
      ]
    }
    room.send(answer("wrong"), from: listener)
    #expect(room.lastError(listener) == "processing_failed")
    room.send(answer(handle), from: listener)
    #expect(room.media.last == .subscriptionAnswer(handle: handle, sdp: "v=0"))
    room.media = []
    room.send(answer(nil), from: listener)
    #expect(room.media.last == .subscriptionAnswer(handle: handle, sdp: "v=0"))
    room.send(answer(handle), from: publisher)
    #expect(room.lastError(publisher) == "client_not_found")
  }

  @Test func `permissions decide what may be published, whatever its direction`() {
    var room = Installation()
    room.server.nextcloud.conversations["abcd1234"]!.guestPermissions = [.startCall, .joinCall, .chat]
    let mute = room.newCaller()
    room.publish(mute)
    #expect(room.lastError(mute) == "not_allowed")
    #expect(room.last("event", for: mute)?["event"]["update"]["users"].array?.first?["inCall"].int == 1)
    let effects = room.server.moderate(time: 0, at: room.now) {
      $0.change("abcd1234", time: 0) { $0.guestPermissions = .guestDefault }
    }
    room.apply(effects)
    room.publish(mute)
    #expect(room.media.last == .publish(session: mute.session, sdp: "m=audio"))
  }

  @Test func `a call ended for everybody closes the gate and all media`() {
    var room = Installation()
    let publisher = room.newPublisher()
    let listener = room.newCaller()
    room.apply(room.server.moderate(time: 0, at: room.now) { $0.endCall("abcd1234", time: 0) })
    #expect(room.media.contains(.closePublisher(session: publisher.session)))
    room.requestOffer(publisher.session, from: listener)
    #expect(room.lastError(listener) == "not_allowed")
  }

  @Test func `a lobby keeps guests from call and chat, and cuts a running call`() {
    var room = Installation()
    var guest = room.newCaller()
    room.apply(
      room.server.moderate(time: 0, at: room.now) { $0.change("abcd1234", time: 0) { $0.hasLobby = true } })
    #expect(room.events(for: guest).contains { $0["update"]["users"].array?.first?["inCall"].int == 0 })
    #expect(room.last("room", for: guest)?["room"]["properties"]["lobby-state"].int == 1)
    #expect(room.joinCall(&guest) == 412)
    #expect(room.http("GET", "v1/chat/abcd1234", as: &guest).status == 412)
  }

  @Test func `deadlines: hello in two seconds, a room in ten, thirty to resume`() {
    var room = Installation()
    let silent = room.newGuest()
    room.apply(room.server.handle(.opened(silent.socket), time: 0, at: room.now))
    room.pass(.seconds(2))
    #expect(room.last("bye", for: silent)?["bye"]["reason"].string == "hello_timeout")

    var roomless = room.newGuest()
    room.hello(&roomless)
    room.pass(.seconds(10))
    #expect(room.last("bye", for: roomless)?["bye"]["reason"].string == "room_join_timeout")

    let other = room.newCaller()
    let guest = room.newCaller()
    let resumeID = room.last("hello", for: guest)?["hello"]["resumeid"]
    room.apply(room.server.handle(.closed(guest.socket), time: 0, at: room.now))
    room.pass(.seconds(20))
    let third = room.newCaller()
    let back = room.newGuest()
    room.apply(room.server.handle(.opened(back.socket), time: 0, at: room.now))
    room.send(["type": "hello", "hello": ["version": "2.0", "resumeid": resumeID!]], from: back)
    #expect(room.last("hello", for: back)?["hello"]["sessionid"].string == guest.session)
    let events = room.inbox[back.socket]!.compactMap { $0["event"]["type"].string }
    #expect(events.contains("join"))
    room.requestOffer(third.session, from: back)
    #expect(room.lastError(back) == nil)

    room.apply(room.server.handle(.closed(back.socket), time: 0, at: room.now))
    room.pass(.seconds(31))
    #expect(room.events(for: other).contains { $0["leave"].array == [.string(guest.session)] })
    let late = room.newGuest()
    room.apply(room.server.handle(.opened(late.socket), time: 0, at: room.now))
    room.send(["type": "hello", "hello": ["version": "2.0", "resumeid": resumeID!]], from: late)
    #expect(room.lastError(late) == "no_such_session")
  }

  @Test func `nonsense is answered, too much of it ends the connection`() {
    var room = Installation()
    var guest = room.newGuest()
    room.apply(room.server.handle(.opened(guest.socket), time: 0, at: room.now))
    room.send(["type": "room", "id": "9"], from: guest)
    #expect(room.lastError(guest) == "hello_expected")
    room.apply(room.server.handle(.received(guest.socket, "{nonsense"), time: 0, at: room.now))
    #expect(room.lastError(guest) == "invalid_format")
    room.hello(&guest)
    room.send(["type": "room", "x": .string(String(repeating: "x", count: 70_000))], from: guest)
    #expect(room.closed[guest.socket]! == 1009)
  }
}
