import Testing

@testable import TalkProtocol

@Suite struct ReturningTests {
  @Test func `a lost socket is replaced within the window, and the session taken up where it was`() throws {
    var stage = try Rehearsal.inCall()
    stage.handle(.socketClosed(stage.sockets[0], nil))
    #expect(stage.news().contains { if case .report(.phase(.reconnecting)) = $0 { true } else { false } })
    stage.advance(.seconds(1))
    #expect(stage.sockets.count == 2)
    stage.handle(.socketOpened(stage.sockets[1]))
    stage.say(.welcome(ServerDescription(features: Rehearsal.features)))
    guard case .hello(let hello) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(hello.resumeid == "RESUME" && hello.auth == nil)
    stage.greet()
    #expect(stage.session.phase == .inCall)
    stage.advance(.seconds(60))
    let effects = stage.news()
    #expect(Rehearsal.requested(effects).isEmpty, "nothing has to be joined")
    #expect(!effects.contains { if case .closePeer = $0 { true } else { false } }, "media was never interrupted")
  }

  @Test func `what was to be said meanwhile is said after the resumption`() throws {
    var stage = try Rehearsal.inCall()
    stage.update(["Q": .speaking])
    stage.handle(.socketClosed(stage.sockets[0], nil))
    stage.forget()
    stage.handle(.setMuted(true))
    #expect(Rehearsal.sent(stage.news()).isEmpty)
    stage.advance(.seconds(1))
    stage.handle(.socketOpened(stage.sockets[1]))
    stage.say(.welcome(ServerDescription(features: Rehearsal.features)))
    stage.greet()
    let effects = stage.news()
    #expect(Rehearsal.peerMessages(effects).contains { $0.content == .mute(.audio) && $0.to == "Q" })
    #expect(Rehearsal.offerRequests(effects) == ["Q"], "a request that may be lost is repeated")
  }

  @Test func `sockets that fail are tried again until the window closes, then all is done anew`() throws {
    var stage = try Rehearsal.inCall()
    stage.handle(.socketClosed(stage.sockets[0], nil))
    stage.advance(.milliseconds(200))
    let lost = stage.now
    while stage.session.phase == .reconnecting(reason: "the connection to the signaling server was lost") {
      stage.handle(.socketClosed(try #require(stage.sockets.last), .unreachable(detail: "refused")))
      stage.advance(.seconds(1))
      if stage.now - lost > .seconds(40) { break }
    }
    #expect((4...7).contains(stage.sockets.count))
    #expect(stage.now - lost <= .seconds(31))
    stage.advance(.seconds(1))
    #expect(stage.lastRequest?.purpose == .joinConversation)
    #expect(stage.session.participantCount == 1, "whoever was there is not counted out")
  }

  @Test(arguments: ["no_such_session", "too_many_requests", "internal_error"])
  func `a resumption that is refused begins the whole order anew`(code: String) throws {
    var stage = try Rehearsal.inCall()
    let subscriber = try #require(stage.subscriber(of: "P"))
    stage.handle(.socketClosed(stage.sockets[0], nil))
    stage.advance(.seconds(1))
    stage.handle(.socketOpened(stage.sockets[1]))
    stage.say(.welcome(ServerDescription(features: Rehearsal.features)))
    stage.forget()
    stage.error(code, id: stage.lastID(.hello))
    stage.advance(.seconds(1))
    let effects = stage.news()
    #expect(effects.contains(.closePeer(subscriber)))
    #expect(Rehearsal.requested(effects) == [.joinConversation])
    stage.rejoin(others: ["P": .speaking], own: "OWN2")
    #expect(stage.session.phase == .inCall)
    #expect(Rehearsal.offerRequests(stage.news()).contains("P"))
    #expect(stage.publisher != nil)
  }

  @Test func `whoever is not seen again after a new session has left meanwhile`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: "hello_timeout"))
    stage.advance(.seconds(1))
    stage.rejoin(others: ["P2": .speaking], own: "OWN2")
    let reports = Rehearsal.reports(stage.news())
    #expect(reports.contains { if case .participantLeft(let p) = $0 { p.id == ann } else { false } })
    #expect(stage.session.participants.map(\.id.session) == ["P2"])
  }

  @Test func `a server that is down is asked again, ever more rarely, until the limit`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: ""))
    var requests = 0
    while stage.outcome == nil, stage.now - stage.start < .seconds(1200) {
      stage.forget()
      stage.advance(.seconds(1))
      if Rehearsal.requested(stage.news()).contains(.joinConversation) {
        requests += 1
        stage.fail(.unreachable(detail: "refused"))
      }
    }
    #expect((20...60).contains(requests))
    #expect(stage.outcome == .failed(.hostUnreachable(host: "cloud.example.com", detail: "refused")))
  }

  @Test func `a server that says when to come back is not asked earlier`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.reply(.joinConversation, 503, isMaintenance: true, retryAfter: .seconds(120))
    stage.forget()
    stage.advance(.seconds(119))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
    stage.advance(.seconds(1))
    #expect(Rehearsal.requested(stage.news()) == [.readCapabilities], "it may be another one now")
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    #expect(Rehearsal.requested(stage.news()) == [.joinConversation])
  }

  @Test(arguments: [(403, JSONValue.object(["error": "ban"]), CallFailure.banned), (404, .null, .conversationGone)])
  func `a refusal while coming back is final`(status: Int, data: JSONValue, expected: CallFailure) throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.reply(.joinConversation, status, data)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(expected))
  }

  @Test func `a call that others were in and that is gone when it comes back is not started anew by a listener`() throws
  {
    var stage = try Rehearsal.inCall(.listener)
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.rejoin(to: .inRoom, room: ["hasCall": false], own: "OWN2")
    try waitsAMinuteForTheCall(&stage)
  }

  private func waitsAMinuteForTheCall(_ stage: inout Rehearsal) throws {
    stage.forget()
    stage.advance(.seconds(10))
    #expect(stage.outcome == nil, "the others may be on their way back as well")
    for _ in 0..<3 {
      if stage.lastRequest?.purpose == .listCall { stage.reply(.listCall, 200, []) }
      stage.advance(.seconds(30))
    }
    #expect(!Rehearsal.requested(stage.news()).contains(.joinCall))
    #expect(stage.outcome == .callEnded)
  }

  /// Back in the room after a lost session, with nobody in the call any more; the chat is what `messages` say, the newest
  /// first, or cannot be read.
  private func backInTheRoom(_ messages: [String]?, ringing: Bool = false) throws -> Rehearsal {
    var stage = try Rehearsal { $0.ringsOthers = ringing }
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.rejoin(to: .inRoom, room: ["hasCall": false], own: "OWN2")
    stage.forget()
    let request = try #require(stage.lastRequest)
    #expect(request.purpose == .readChat && request.url.contains("setReadMarker=0"))
    if let messages {
      let entries = messages.enumerated().map { index, name -> JSONValue in
        ["id": .number(Double(1000 - index)), "systemMessage": .string(name), "message": ""]
      }
      stage.reply(.readChat, 200, .array(entries))
    } else {
      stage.reply(.readChat, 403)
    }
    return stage
  }

  @Test func `a call that was ended for everyone meanwhile is not started anew`() throws {
    var stage = try backInTheRoom(["", "call_ended_everyone", "call_started", "call_ended"])
    stage.advance(.seconds(5))
    #expect(stage.outcome == .callEnded)
    #expect(!Rehearsal.requested(stage.news()).contains(.joinCall))
  }

  @Test(arguments: [["call_ended", "call_left", "call_started"], ["call_started", "call_ended_everyone"], [""], []])
  func `a call that the others have lost as we did is started again, and rings nobody`(messages: [String]) throws {
    var stage = try backInTheRoom(messages, ringing: true)
    let call = try #require(stage.requests.last)
    #expect(call.purpose == .joinCall && call.json["silent"] == true)
    stage.reply(.joinCall)
    stage.update(["OWN2": .speaking])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `where the chat cannot tell whether the call was ended, the others are waited for`() throws {
    var stage = try backInTheRoom(nil)
    try waitsAMinuteForTheCall(&stage)
  }

  @Test func `others who come back to the call are followed into it`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.rejoin(to: .inRoom, room: ["hasCall": false], own: "OWN2")
    stage.forget()
    stage.update(["P3": .speaking])
    #expect(Rehearsal.requested(stage.news()) == [.joinCall])
  }

  @Test func `our own ghost is nobody`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.rejoin(others: [Rehearsal.own: .speaking], own: "OWN2")
    #expect(stage.session.participants.isEmpty)
    #expect(!Rehearsal.offerRequests(stage.effects).contains(Rehearsal.own))
  }

  @Test func `a ghost of ours does not make a call`() throws {
    var stage = try Rehearsal.inCall(.listener)
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.reply(.joinConversation, 200, Rehearsal.room(["sessionId": "NC2"]))
    stage.reply(.setGuestName)
    stage.reply(.readSignalingSettings, 200, Rehearsal.settings)
    stage.handle(.socketOpened(try #require(stage.sockets.last)))
    stage.say(.welcome(ServerDescription(features: Rehearsal.features)))
    stage.greet("OWN2")
    stage.say(.room(RoomState(roomid: Rehearsal.token)), id: stage.lastID(.room))
    stage.reply(.listCall, 200, [["sessionId": "NC"], ["sessionId": "NC2"]])
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
  }

  @Test func `who was alone in the call starts it again`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.update(["P": []])
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.rejoin(to: .inRoom, room: ["hasCall": false], own: "OWN2")
    #expect(stage.lastRequest?.purpose == .joinCall)
  }
}
