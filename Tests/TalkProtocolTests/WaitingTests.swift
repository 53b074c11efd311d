import Testing

@testable import TalkProtocol

@Suite struct WaitingTests {
  @Test func `a listener enters a running call silently, with flag 1, and publishes nothing`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .inCall, others: ["P": .speaking])
    let call = try #require(stage.requests.first { $0.purpose == .joinCall })
    #expect(call.json["flags"] == 1 && call.json["silent"] == true)
    #expect(stage.publisher == nil)
    #expect(Rehearsal.offerRequests(stage.effects) == ["P"])
    stage.handle(.setMuted(false))
    stage.advance(.seconds(20))
    #expect(!Rehearsal.peerMessages(stage.effects).contains { $0.content == .unmute(.audio) })
  }

  @Test func `a participant that is not to start a call waits for one, and then takes part`() throws {
    var stage = try Rehearsal { $0.startsCall = false }
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    #expect(!Rehearsal.requested(stage.effects).contains(.joinCall))
    stage.update(["P": [.inCall, .audio]])
    #expect(stage.lastRequest?.purpose == .joinCall)
    stage.reply(.joinCall)
    stage.update(["P": [.inCall, .audio], Rehearsal.own: [.inCall, .audio]])
    #expect(stage.session.phase == .inCall)
    #expect(stage.effects.contains { if case .createPublisher = $0 { true } else { false } })
  }

  @Test func `a listener never starts a call, and enters when somebody is in it`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    stage.say(.event(.joined([JoinedSession(sessionid: "P")])))
    stage.update(["P": []])
    var recorder = ParticipantsUpdate.User(sessionId: "R", inCall: .inCall)
    recorder.internal = true
    stage.say(.event(.participants(ParticipantsUpdate(roomid: Rehearsal.token, users: [recorder]))))
    stage.say(.event(.participants(.endedForAll(roomid: Rehearsal.token))))
    #expect(!Rehearsal.requested(stage.effects).contains(.joinCall))
    #expect(stage.outcome == nil)
    stage.update(["P": .inCall])
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `a call that is said to run but holds nobody but our old self is not entered`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .greeted)
    stage.say(.room(RoomState(roomid: Rehearsal.token)), id: stage.lastID(.room))
    stage.reply(.listCall, 200, [["sessionId": "NC"]])
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
  }

  @Test func `a call that began while we were on our way into the room is found at once`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    stage.advance(.milliseconds(1))
    stage.reply(.listCall, 200, [["sessionId": "nc-P"]])
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `while waiting, the call is looked for now and then, in case a message was lost`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    for _ in 0..<3 {
      stage.forget()
      stage.advance(.seconds(30))
      #expect(Rehearsal.requested(stage.news()) == [.listCall])
      stage.reply(.listCall, 200, [])
    }
    stage.advance(.seconds(30))
    stage.reply(.listCall, 200, [["sessionId": "nc-P"]])
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `who may not start a call waits until one runs`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    stage.reply(.joinCall, 403)
    #expect(stage.session.phase == .waitingForCall(.mayNotStartCall))
    stage.advance(.seconds(29))
    stage.forget()
    stage.update(["P": .inCall])
    #expect(Rehearsal.requested(stage.news()) == [.joinCall])
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `who is given the right to start a call starts it`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom, room: ["hasCall": false, "permissions": 244])
    stage.reply(.joinCall, 403)
    stage.forget()
    stage.update([Rehearsal.own: []], own: [.custom, .joinCall, .publishAudio])
    #expect(Rehearsal.requested(stage.news()).isEmpty)
    stage.update([Rehearsal.own: []], own: [.custom, .startCall, .joinCall, .publishAudio])
    #expect(Rehearsal.requested(stage.news()) == [.joinCall])
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking], own: [.custom, .startCall, .joinCall, .publishAudio])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `who may not enter a running call is told so`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    stage.reply(.joinCall, 403)
    stage.update(["P": .inCall])
    stage.reply(.joinCall, 403)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.callForbidden))
  }

  @Test func `a connection that is lost while waiting is rebuilt, and the waiting goes on`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .inRoom, room: ["hasCall": false])
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.rejoin(to: .inRoom, room: ["hasCall": false], own: "OWN2")
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    stage.advance(.seconds(300))
    #expect(stage.outcome == nil)
  }
}
