internal import TalkProtocol
internal import TestSupport

extension Experiment {
  /// All of them.
  public static let all = ordering + membership + asking + publishing + moderation + sessions

  // MARK: The order of joining

  static let ordering: [Experiment] = [
    Experiment("A", "the right order, flags 1, nothing published", "offer, heard") { setting in
      let guest = try await setting.caller(flags: 1)
      return [try await guest.ask(for: setting.publisher), try await guest.hear(setting.publisher)]
    },
    Experiment("A2", "flags 3", "offer") { setting in
      [try await setting.caller(flags: 3).ask(for: setting.publisher)]
    },
    Experiment("A3", "flags 7", "offer") { setting in
      [try await setting.caller(flags: 7).ask(for: setting.publisher)]
    },
    Experiment("B", "published before asking", "answer, offer, heard") { setting in
      let guest = try await setting.caller()
      return [
        try await guest.publish(), try await guest.ask(for: setting.publisher),
        try await guest.hear(setting.publisher),
      ]
    },
    Experiment("C", "published after asking", "offer, answer, heard") { setting in
      let guest = try await setting.caller()
      return [
        try await guest.ask(for: setting.publisher), try await guest.publish(),
        try await guest.hear(setting.publisher),
      ]
    },
    Experiment("D", "call before hello; then again", "200, not_allowed, 200, offer") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      let early = try await guest.joinCall().status
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let refused = try await guest.ask(for: setting.publisher)
      let again = try await guest.joinCall().status
      return ["\(early)", refused, "\(again)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("D2", "call before hello; then the flags changed", "not_allowed, 200, offer") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.joinCall()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let refused = try await guest.ask(for: setting.publisher)
      let status = try await guest.request("PUT", "v4/call/\(setting.token)", ["flags": 7]).status
      return [refused, "\(status)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("D3", "call before hello; then left and joined", "not_allowed, offer") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.joinCall()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let refused = try await guest.ask(for: setting.publisher)
      try await guest.leaveCall()
      try await guest.joinCall()
      return [refused, try await guest.ask(for: setting.publisher)]
    },
    Experiment("E", "call after hello but before the room", "not_allowed") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.joinCall()
      try await guest.enterRoom()
      return [try await guest.ask(for: setting.publisher)]
    },
    Experiment("P5", "call before the room: publishing works all the same", "answer, connected, not_allowed") {
      setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.joinCall()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let answer = try await guest.publish()
      try await eventually("a connection") { await guest.publisherIsConnected }
      let other = try await setting.caller()
      return [answer, "connected", try await other.ask(for: guest.session)]
    },
    Experiment("S", "asked as soon as the call is answered", "offer") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      try await guest.joinCall()
      return [try await guest.ask(for: setting.publisher)]
    },
    Experiment("V", "hello 1.0", "1.0, offer") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      let version = try await guest.hello(version: "1.0")["hello"]["version"].string ?? "refused"
      try await guest.enterRoom()
      try await guest.joinCall()
      return [version, try await guest.ask(for: setting.publisher)]
    },
    Experiment("P9", "a new socket with a fresh hello; then the call again", "offer, room, not_allowed, offer") {
      setting in
      let guest = try await setting.caller()
      let first = try await guest.ask(for: setting.publisher)
      await guest.drop()
      try await eventually("the end of the socket") { await guest.closure != nil }
      try await guest.connect()
      try await guest.hello()
      let entered = try await guest.enterRoom()["type"].string ?? ""
      let refused = try await guest.ask(for: setting.publisher)
      try await guest.joinCall()
      return [first, entered, refused, try await guest.ask(for: setting.publisher)]
    },
  ]

  // MARK: Being in the room and in the call

  static let membership: [Experiment] = [
    Experiment("G", "activated again after the room", "200, disinvited, closed") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let status = try await guest.activate().status
      let event = try await guest.message("a disinvitation") { $0["event"]["type"] == "disinvite" }
      try await eventually("the end of the socket") { await guest.closure != nil }
      return ["\(status)", event["event"]["disinvite"]["reason"].string ?? "", "closed"]
    },
    Experiment("G3", "activated again without force while in the call", "409, offer") { setting in
      let guest = try await setting.caller()
      let status = try await guest.activate(force: false).status
      return ["\(status)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("G4", "activated again while receiving", "offer, heard, closed, ended") { setting in
      let guest = try await setting.caller()
      let offer = try await guest.ask(for: setting.publisher)
      let heard = try await guest.hear(setting.publisher)
      try await guest.activate()
      try await eventually("the end of the socket") { await guest.closure != nil }
      try await eventually("the end of the connection") {
        await guest.subscriptionHasEnded(of: setting.publisher)
      }
      return [offer, heard, "closed", "ended"]
    },
    Experiment("G2", "activated twice before the socket", "offer") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.enterCall()
      return [try await guest.ask(for: setting.publisher)]
    },
    Experiment("H", "the room with a stale Talk session; then with the newest", "no_such_room, room, offer") {
      setting in
      let guest = await setting.guest()
      try await guest.activate()
      let stale = await guest.talkSession
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      let refused = try await guest.enterRoom(talkSession: stale)["error"]["code"].string ?? ""
      let entered = try await guest.enterRoom()["type"].string ?? ""
      try await guest.joinCall()
      return [refused, entered, try await guest.ask(for: setting.publisher)]
    },
    Experiment(
      "P1", "the room without a Talk session; then with it, then the call again",
      "no_such_room, 200, not_allowed, not_allowed, offer"
    ) { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      let id = await guest.send("room", ["roomid": .string(setting.token)])
      let refused = try await guest.answerType(to: id)
      let status = try await guest.joinCall().status
      let outside = try await guest.ask(for: setting.publisher)
      try await guest.enterRoom()
      let unseen = try await guest.ask(for: setting.publisher)
      try await guest.joinCall()
      return [refused, "\(status)", outside, unseen, try await guest.ask(for: setting.publisher)]
    },
    Experiment("I", "in the room but not in the call", "not_allowed") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      return [try await guest.ask(for: setting.publisher)]
    },
    Experiment("I2", "in the call but never in the room", "200, not_allowed") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      let status = try await guest.joinCall().status
      return ["\(status)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("O", "flags 0", "200, not_allowed") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let status = try await guest.joinCall(flags: 0).status
      return ["\(status)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("P4", "never in the room: publishing works all the same", "answer, connected, not_allowed") {
      setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      let answer = try await guest.publish()
      try await eventually("a connection") { await guest.publisherIsConnected }
      let other = try await setting.caller()
      return [answer, "connected", try await other.ask(for: guest.session)]
    },
    Experiment("P6", "the page and the settings again during the call", "200, offer") { setting in
      let guest = try await setting.caller()
      let page = try await guest.request("GET", "/call/\(setting.token)").status
      _ = try await guest.settings()
      return ["\(page)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("P7", "the call without the cookies of the activation", "404, not_allowed") { setting in
      let guest = await setting.guest()
      try await guest.activate()
      try await guest.connect()
      try await guest.hello()
      try await guest.enterRoom()
      let status = try await setting.guest().joinCall().status
      return ["\(status)", try await guest.ask(for: setting.publisher)]
    },
    Experiment("P8", "the ids of the list of peers are not those of signaling", "200, not_allowed") { setting in
      let guest = try await setting.caller()
      let peers = try await guest.request("GET", "v4/call/\(setting.token)")
      let id = peers.data.array?.first?["sessionId"].string ?? ""
      return ["\(peers.status)", try await guest.ask(for: id)]
    },
    Experiment("R", "the call without activation", "404") { setting in
      ["\(try await setting.guest().joinCall().status)"]
    },
    Experiment("W", "left the call while receiving; joined again", "offer, heard, ended, not_allowed, offer, heard") {
      setting in
      let guest = try await setting.caller()
      let offer = try await guest.ask(for: setting.publisher)
      let heard = try await guest.hear(setting.publisher)
      try await guest.leaveCall()
      try await eventually("the end of the connection") {
        await guest.subscriptionHasEnded(of: setting.publisher)
      }
      let refused = try await guest.ask(for: setting.publisher)
      try await guest.joinCall()
      let again = try await guest.ask(for: setting.publisher)
      return [offer, heard, "ended", refused, again, try await guest.hear(setting.publisher)]
    },
  ]

  // MARK: Asking for an offer

  static let asking: [Experiment] = [
    Experiment("L", "asked for itself", "silence") { setting in
      let guest = try await setting.caller()
      return [try await guest.ask(for: guest.session, within: setting.patience + .milliseconds(500))]
    },
    Experiment("M", "asked for nobody", "not_allowed") { setting in
      [try await setting.caller().ask(for: "nobody")]
    },
    Experiment("N", "asked for a screen that is not shared", "client_not_found after the wait") { setting in
      let guest = try await setting.caller()
      return [try await setting.timed { try await guest.ask(for: setting.publisher, roomType: "screen") }]
    },
    Experiment("N2", "asked for room type audio", "client_not_found at once") { setting in
      let guest = try await setting.caller()
      return [try await setting.timed { try await guest.ask(for: setting.publisher, roomType: "audio") }]
    },
    Experiment("U", "asked twice", "offer, offer, another handle, heard") { setting in
      let guest = try await setting.caller()
      let offer = try await guest.ask(for: setting.publisher)
      let first = await guest.handle(of: setting.publisher)
      let again = try await guest.ask(for: setting.publisher)
      let isNew = await guest.handle(of: setting.publisher) != first
      return [offer, again, isNew ? "another handle" : "the same", try await guest.hearAtLast(setting.publisher)]
    },
    Experiment("U2", "asked with the current sid", "offer, heard, offer, the same handle, heard") { setting in
      let guest = try await setting.caller()
      let offer = try await guest.ask(for: setting.publisher)
      let heard = try await guest.hear(setting.publisher)
      let handle = await guest.handle(of: setting.publisher)
      let again = try await guest.ask(for: setting.publisher, sid: handle)
      let isSame = await guest.handle(of: setting.publisher) == handle
      return [
        offer, heard, again, isSame ? "the same handle" : "another", try await guest.hear(setting.publisher),
      ]
    },
    Experiment("U3", "asked with a made-up sid", "offer, offer, another handle, heard") { setting in
      let guest = try await setting.caller()
      let offer = try await guest.ask(for: setting.publisher)
      let handle = await guest.handle(of: setting.publisher)
      let again = try await guest.ask(for: setting.publisher, sid: "12345")
      let isNew = await guest.handle(of: setting.publisher) != handle
      return [offer, again, isNew ? "another handle" : "the same", try await guest.hearAtLast(setting.publisher)]
    },
    Experiment("sid 999", "answered with a wrong sid", "offer, processing_failed") { setting in
      let guest = try await setting.caller()
      await guest.setAnswerSID { _ in "999" }
      let offer = try await guest.ask(for: setting.publisher)
      return [offer, try await guest.answerType(to: guest.answerID)]
    },
    Experiment("no sid", "answered without sid", "offer, heard") { setting in
      let guest = try await setting.caller()
      await guest.setAnswerSID { _ in nil }
      return [try await guest.ask(for: setting.publisher), try await guest.hear(setting.publisher)]
    },
    Experiment("K", "the target is not in the call, then publishes, then joins", "not_allowed, not_allowed, offer") {
      setting in
      let guest = try await setting.caller()
      let target = await setting.guest()
      try await target.activate()
      try await target.connect()
      try await target.hello()
      try await target.enterRoom()
      let outside = try await guest.ask(for: target.session)
      try await target.publishAndConnect()
      let publishing = try await guest.ask(for: target.session)
      try await target.joinCall()
      return [outside, publishing, try await guest.ask(for: target.session)]
    },
    Experiment("J", "the target publishes after it was asked for", "offer, heard") { setting in
      let guest = try await setting.caller()
      let target = try await setting.caller()
      let session = await target.session
      async let offer = guest.ask(for: session)
      try await Task.sleep(for: setting.patience / 4)
      try await target.publishAndConnect()
      return [try await offer, try await guest.hear(session)]
    },
    Experiment(
      "J2", "the target publishes too late", "client_not_found after the wait, no offer by itself, offer"
    ) { setting in
      let guest = try await setting.caller()
      let target = try await setting.caller()
      let session = await target.session
      let refused = try await setting.timed { try await guest.ask(for: session) }
      try await target.publishAndConnect()
      try await Task.sleep(for: .milliseconds(500))
      let unasked = await guest.handle(of: session).isEmpty ? "no offer by itself" : "an offer by itself"
      return [refused, unasked, try await guest.ask(for: session)]
    },
    Experiment("never connects", "the target's own connection does not come about", "processing_failed after the wait")
    {
      setting in
      let guest = try await setting.caller()
      let target = try await setting.caller()
      try await target.publish(takesAnswer: false)
      let session = await target.session
      return [try await setting.timed { try await guest.ask(for: session) }]
    },
    Experiment("Q", "the target has flags 1 and publishes", "offer, heard") { setting in
      let guest = try await setting.caller()
      let target = try await setting.caller(flags: 1)
      try await target.publishAndConnect()
      return [try await guest.ask(for: target.session), try await guest.hear(target.session)]
    },
  ]
}

extension Experiment.Setting {
  /// Adds to an outcome whether it took as long as the server waits for publishers.
  func timed(_ body: () async throws -> String) async throws -> String {
    let start = ContinuousClock.now
    let outcome = try await body()
    return outcome + (ContinuousClock.now - start < patience / 2 ? " at once" : " after the wait")
  }
}
