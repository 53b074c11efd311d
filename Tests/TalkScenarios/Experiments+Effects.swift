internal import TalkProtocol
internal import TalkRoom
internal import TestSupport

extension Experiment {
  // MARK: Publishing, states

  static let publishing: [Experiment] = [
    Experiment("mute to the deaf", "states reach only who has opened a channel", "1: one, nothing") { setting in
      let speaker = try await setting.speaker(in: setting.ownToken)
      let session = await speaker.session
      let listener = try await setting.caller(in: setting.ownToken)
      let deaf = try await setting.caller(in: setting.ownToken)
      await deaf.setOpensChannels(false)
      for guest in [listener, deaf] {
        _ = try await guest.ask(for: session)
        try await guest.hear(session)
      }
      // What is said before the server has seen the listener's channel is lost.
      try await eventually("the text") {
        try await speaker.say("one")
        try await Task.sleep(for: .milliseconds(100))
        return await !listener.texts(of: session).isEmpty
      }
      let unheard = await deaf.texts(of: session)
      return [await listener.texts(of: session)[0], unheard.isEmpty ? "nothing" : unheard[0]]
    },
    Experiment("levels", "audio levels and one unbroken stream of numbers arrive", "heard, 20, one source, unbroken") {
      setting in
      let guest = try await setting.caller()
      _ = try await guest.ask(for: setting.publisher)
      let heard = try await guest.hear(setting.publisher, packets: 50)
      let levels = await guest.levels(of: setting.publisher).map { "\($0)" }.joined(separator: "+")
      let (sources, breaks) = await guest.continuity(of: setting.publisher)
      return [heard, levels, sources == 1 ? "one source" : "\(sources)", breaks == 0 ? "unbroken" : "\(breaks) breaks"]
    },
    Experiment("republish", "a second connection on a live publisher is answered, not heard", "answer, not heard") {
      setting in
      let speaker = try await setting.speaker(in: setting.ownToken, mark: 2)
      let session = await speaker.session
      let answer = try await speaker.publish(mark: 3)
      let listener = try await setting.caller(in: setting.ownToken)
      _ = try await listener.ask(for: session, within: setting.patience + .seconds(2))
      try await Task.sleep(for: .seconds(1))
      return [answer, await listener.marks(of: session).contains(3) ? "heard" : "not heard"]
    },
    Experiment("publish again", "left the call, joined, published with a new connection", "answer, offer, heard, 3") {
      setting in
      let speaker = try await setting.speaker(in: setting.ownToken, mark: 2)
      try await speaker.leaveCall()
      try await eventually("the end of the publisher") { await speaker.publisherHasEnded }
      try await speaker.joinCall()
      let answer = try await speaker.publish(mark: 3)
      let listener = try await setting.caller(in: setting.ownToken)
      let session = await speaker.session
      let offer = try await listener.ask(for: session)
      let heard = try await listener.hear(session)
      return [answer, offer, heard, await listener.marks(of: session).map { "\($0)" }.joined(separator: "+")]
    },
    Experiment(
      "gone publisher", "a publisher leaves the call: its listener's connection stays, silent",
      "offer, heard, silent, open, not_allowed"
    ) { setting in
      let speaker = try await setting.speaker(in: setting.ownToken)
      let session = await speaker.session
      let listener = try await setting.caller(in: setting.ownToken)
      let offer = try await listener.ask(for: session)
      let heard = try await listener.hear(session)
      try await speaker.leaveCall()
      try await eventually("the end of the publisher") { await speaker.publisherHasEnded }
      let packets = await listener.packetsHeard(of: session)
      try await Task.sleep(for: .seconds(1))
      let isSilent = await listener.packetsHeard(of: session) <= packets + 2
      let isOpen = await !listener.subscriptionHasEnded(of: session)
      return [
        offer, heard, isSilent ? "silent" : "heard", isOpen ? "open" : "ended", try await listener.ask(for: session),
      ]
    },
    Experiment(
      "return", "a publisher leaves the call and comes back: heard only after another request",
      "silent, offer, heard, 3"
    ) { setting in
      let speaker = try await setting.speaker(in: setting.ownToken, mark: 2)
      let session = await speaker.session
      let listener = try await setting.caller(in: setting.ownToken)
      _ = try await listener.ask(for: session)
      try await listener.hear(session)
      try await speaker.leaveCall()
      try await eventually("the end of the publisher") { await speaker.publisherHasEnded }
      try await speaker.joinCall()
      try await speaker.publishAndConnect(mark: 3)
      try await Task.sleep(for: .milliseconds(500))
      let isSilent = await !listener.marks(of: session).contains(3)
      let offer = try await listener.ask(for: session)
      let heard = try await listener.hearAtLast(session)
      let marks = await listener.marks(of: session).map { "\($0)" }.joined(separator: "+")
      return [isSilent ? "silent" : "heard", offer, heard, marks]
    },
    Experiment(
      "permission", "no permission to publish; granted; taken back",
      "1, not_allowed, offer, answer, connected, ended"
    ) { setting in
      let token = setting.ownToken
      await setting.room.change(token) { $0.guestPermissions.remove(.publishAudio) }
      let guest = try await setting.caller(in: token)
      let session = await guest.session
      let update = try await guest.message("the own flags") { $0["event"]["update"]["users"].array != nil }
      let flags = update["event"]["update"]["users"].array?.first { $0["sessionId"].string == session }?["inCall"].int
      let refused = try await guest.publish()
      // Somebody else, a moderator, may publish, and is heard.
      await setting.room.change(token) { $0.guestPermissions = .guestDefault }
      let speaker = try await setting.speaker(in: token)
      let offer = try await guest.ask(for: speaker.session)
      let answer = try await guest.publish()
      try await eventually("a connection") { await guest.publisherIsConnected }
      await setting.room.change(token) { $0.guestPermissions.remove(.publishAudio) }
      try await eventually("the end of the publisher") { await guest.publisherHasEnded }
      return ["\(flags ?? -1)", refused, offer, answer, "connected", "ended"]
    },
  ]

  // MARK: What moderators do

  static let moderation: [Experiment] = [
    Experiment("end for all", "a moderator ends the call for everybody", "heard, ended, not_allowed, 200") { setting in
      let token = setting.ownToken
      let speaker = try await setting.speaker(in: token)
      let session = await speaker.session
      let guest = try await setting.caller(in: token)
      _ = try await guest.ask(for: session)
      let heard = try await guest.hear(session)
      await setting.room.endCall(token)
      try await guest.message("the end of the call") {
        $0["event"]["update"]["all"] == true && $0["event"]["update"]["incall"] == 0
      }
      try await eventually("the end of the connection") { await guest.subscriptionHasEnded(of: session) }
      let refused = try await guest.ask(for: session)
      return [heard, "ended", refused, "\(try await guest.joinCall().status)"]
    },
    Experiment("removal", "a moderator removes a guest", "disinvited, closed, left, 404") { setting in
      let token = setting.ownToken
      let other = try await setting.caller(in: token)
      let guest = await setting.guest(in: token)
      try await guest.enterCall(name: "Removed")
      let session = await guest.session
      await setting.room.remove("Removed", from: token)
      let event = try await guest.message("a disinvitation") { $0["event"]["type"] == "disinvite" }
      try await eventually("the end of the socket") { await guest.closure != nil }
      try await other.message("the leave") { $0["event"]["leave"].array?.contains(.string(session)) ?? false }
      let reason = event["event"]["disinvite"]["reason"].string ?? ""
      return [reason, "closed", "left", "\(try await guest.joinCall().status)"]
    },
    Experiment("deletion", "the conversation is deleted", "no room, open") { setting in
      let guest = try await setting.caller(in: setting.ownToken)
      await setting.room.delete(setting.ownToken)
      try await guest.message("the news") { $0["type"] == "room" && $0["room"]["roomid"] == "" }
      return ["no room", await guest.closure == nil ? "open" : "closed"]
    },
    Experiment("lobby", "a lobby is opened and closed during the call", "0, 1, open, 412, 0, 200") { setting in
      let token = setting.ownToken
      let guest = try await setting.caller(in: token)
      let session = await guest.session
      await setting.room.change(token) { $0.hasLobby = true }
      try await guest.message("the end of the call") { message in
        message["event"]["update"]["users"].array?.contains {
          $0["sessionId"].string == session && $0["inCall"] == 0
        } ?? false
      }
      try await guest.message("the lobby") { $0["room"]["properties"]["lobby-state"] == 1 }
      let isOpen = await guest.closure == nil
      let refused = try await guest.joinCall().status
      let start = await guest.inbox.count
      await setting.room.change(token) { $0.hasLobby = false }
      try await guest.message("the open lobby", since: start) { $0["room"]["properties"]["lobby-state"] == 0 }
      return ["0", "1", isOpen ? "open" : "closed", "\(refused)", "0", "\(try await guest.joinCall().status)"]
    },
    Experiment("rename", "a guest renames itself, another sees it", "Benno") { setting in
      let other = try await setting.caller(in: setting.ownToken)
      let guest = try await setting.caller(in: setting.ownToken)
      let session = await guest.session
      try await guest.rename("Benno")
      let update = try await other.message("the new name") { message in
        message["event"]["update"]["users"].array?.contains {
          $0["sessionId"].string == session && $0["displayName"] == "Benno"
        } ?? false
      }
      let user = update["event"]["update"]["users"].array?.first { $0["sessionId"].string == session }
      return [user?["displayName"].string ?? ""]
    },
    Experiment("chat hint", "something is said in the chat", "201, refresh") { setting in
      let guest = try await setting.caller(in: setting.ownToken)
      let start = await guest.inbox.count
      let status = try await guest.request("POST", "v1/chat/\(setting.ownToken)", ["message": "x"]).status
      try await guest.message("the hint", since: start) {
        $0["event"]["message"]["data"]["chat"]["refresh"] == true
      }
      return ["\(status)", "refresh"]
    },
    Experiment("force mute", "a guest's order vanishes, a moderator's arrives", "forceMute, of the moderator") {
      setting in
      let token = setting.ownToken
      let guest = try await setting.caller(in: token)
      let moderator = await setting.guest(in: token)
      try await moderator.enterCall(name: "Mona")
      let session = await guest.session
      func order(as role: String) -> JSONValue {
        [
          "recipient": ["type": "session", "sessionid": .string(session)],
          "data": ["action": "forceMute", "peerId": .string(session), "role": .string(role)],
        ]
      }
      await moderator.send("control", order(as: "guest"))
      try await moderator.flush()
      await setting.room.promote("Mona", in: token)
      try await moderator.message("the promotion") { message in
        message["event"]["update"]["users"].array?.contains { $0["participantType"] == 6 } ?? false
      }
      await moderator.send("control", order(as: "moderator"))
      let first = try await guest.message("the order") { $0["type"] == "control" }["control"]["data"]
      return [first["action"].string ?? "", "of the \(first["role"].string ?? "")"]
    },
  ]

  // MARK: Sessions

  static let sessions: [Experiment] = [
    Experiment("resume", "a dropped socket is resumed", "heard, the same session, heard, offer") { setting in
      let guest = try await setting.caller()
      _ = try await guest.ask(for: setting.publisher)
      let heard = try await guest.hear(setting.publisher)
      let session = await guest.session
      await guest.drop()
      try await eventually("the end of the socket") { await guest.closure != nil }
      try await guest.connect()
      let resumed = try await guest.resume()["hello"]["sessionid"].string == session
      return [
        heard, resumed ? "the same session" : "another", try await guest.hear(setting.publisher),
        try await guest.ask(for: setting.publisher),
      ]
    },
    Experiment("garbage", "a made-up resume id", "no_such_session, hello") { setting in
      let guest = await setting.guest()
      try await guest.connect()
      let id = await guest.send("hello", ["version": "2.0", "resumeid": "garbage"])
      return [try await guest.answerType(to: id), try await guest.hello()["type"].string ?? ""]
    },
    Experiment("two sockets", "the same Talk session on two sockets", "room, room_session_reconnected") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let second = await setting.guest()
      try await second.connect()
      try await second.hello()
      let entered = try await second.enterRoom(talkSession: guest.talkSession)["type"].string ?? ""
      let bye = try await guest.message("a farewell") { $0["type"] == "bye" }
      return [entered, bye["bye"]["reason"].string ?? ""]
    },
    Experiment("already there", "the same room twice", "room, already_joined") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      let first = try await guest.enterRoom()["type"].string ?? ""
      return [first, try await guest.enterRoom()["error"]["code"].string ?? ""]
    },
    Experiment(
      "refusals", "messages that are refused", "hello_expected, invalid_backend, invalid_token, invalid_format"
    ) {
      setting in
      let guest = await setting.guest()
      try await guest.connect()
      let room: JSONValue = ["roomid": .string(setting.token), "sessionid": "x"]
      let early = try await guest.answerType(to: guest.send("room", room))
      let token = try await guest.settings()["helloAuthParams"]["2.0"]
      let elsewhere: JSONValue = [
        "url": "http://evil.example/ocs/v2.php/apps/spreed/api/v3/signaling/backend", "params": token,
      ]
      let backend = try await guest.answerType(
        to: guest.send("hello", ["version": "2.0", "auth": elsewhere]))
      let forged = try await guest.hello(params: ["token": "abc"])["error"]["code"].string ?? ""
      await guest.send(text: "{nonsense")
      let nonsense = try await guest.message("an error") { $0["error"]["code"] == "invalid_format" }
      return [early, backend, forged, nonsense["error"]["code"].string ?? ""]
    },
    Experiment("hello timeout", "no hello", "hello_timeout, closed") { setting in
      let guest = await setting.guest()
      try await guest.connect()
      let bye = try await guest.message("a farewell") { $0["type"] == "bye" }
      try await eventually("the end of the socket") { await guest.closure != nil }
      return [bye["bye"]["reason"].string ?? "", "closed"]
    },
    Experiment("room timeout", "no room", "room_join_timeout, closed") { setting in
      let guest = await setting.guest()
      try await guest.connect()
      try await guest.hello()
      let bye = try await guest.message("a farewell") { $0["type"] == "bye" }
      try await eventually("the end of the socket") { await guest.closure != nil }
      return [bye["bye"]["reason"].string ?? "", "closed"]
    },
    Experiment("bye", "a session says bye", "bye, left, 404") { setting in
      let other = try await setting.caller(in: setting.ownToken)
      let guest = try await setting.caller(in: setting.ownToken)
      let session = await guest.session
      let answer = try await guest.answerType(to: guest.send("bye", [:]))
      try await other.message("the leave") { $0["event"]["leave"].array?.contains(.string(session)) ?? false }
      // The signaling server tells Talk, which forgets the session.
      try await eventually("the end of the Talk session") { try await guest.joinCall().status == 404 }
      return [answer, "left", "404"]
    },
  ]
}
