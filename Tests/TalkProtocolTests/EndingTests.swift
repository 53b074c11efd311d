import Testing

@testable import TalkProtocol

@Suite struct EndingTests {
  // MARK: Leaving

  @Test func `leaving goes by order: the call, the signaling session, the conversation`() throws {
    var stage = try Rehearsal.inCall()
    let socket = try #require(stage.sockets.last)
    stage.handle(.leave)
    let first = stage.news()
    #expect(Rehearsal.requested(first) == [.leaveCall])
    #expect(first.filter { if case .closePeer = $0 { true } else { false } }.count == 2)
    #expect(Rehearsal.sent(first).isEmpty)
    stage.reply(.leaveCall)
    let second = stage.news()
    #expect(Rehearsal.sent(second).map(\.content) == [.bye])
    #expect(Rehearsal.requested(second) == [.leaveConversation])
    #expect(stage.lastRequest?.url.hasSuffix("v4/room/abcd1234/participants/active") == true)
    stage.say(.event(.disinvited(roomid: Rehearsal.token, reason: "disinvited")))
    #expect(stage.outcome == nil, "that is the answer to leaving")
    stage.reply(.leaveConversation)
    #expect(stage.news() == [.closeSocket(socket), .report(.phase(.finished)), .finish(.left)])
    #expect(stage.session.deadline == nil)
    stage.handle(.leave)
    stage.handle(.start)
    #expect(stage.news().isEmpty, "nothing follows the end")
  }

  @Test func `leaving waits for nobody`() throws {
    var stage = try Rehearsal.inCall()
    stage.handle(.leave)
    stage.advance(.milliseconds(2500))
    #expect(stage.lastRequest?.purpose == .leaveConversation)
    stage.advance(.milliseconds(2500))
    #expect(stage.outcome == .left)
  }

  @Test(arguments: [
    (Rehearsal.Milestone.started, 0), (.checked, 1), (.joined, 1), (.settled, 1), (.welcomed, 1), (.greeted, 1),
    (.inRoom, 2), (.posted, 2), (.inCall, 2),
  ])
  func `leaving works at any time, and leaves what was entered`(milestone: Rehearsal.Milestone, requests: Int) throws {
    var stage = try Rehearsal()
    stage.proceed(to: milestone)
    stage.forget()
    stage.handle(.leave)
    stage.advance(.seconds(6))
    let requested = Rehearsal.requested(stage.news())
    #expect(requested.count == requests)
    #expect(stage.outcome == .left)
  }

  @Test func `a session that never started leaves at once`() throws {
    var stage = try Rehearsal()
    stage.handle(.leave)
    #expect(stage.outcome == .left)
  }

  @Test func `after a failure, leaving takes less than a second`() throws {
    var stage = try Rehearsal.inCall()
    stage.update([Rehearsal.own: []])
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.removedFromCall))
  }

  // MARK: Being sent away

  @Test func `the end of the call for everybody ends the session, and nothing is joined again`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.event(.participants(.endedForAll(roomid: Rehearsal.token))))
    let effects = stage.news()
    #expect(Rehearsal.requested(effects) == [.leaveConversation])
    stage.reply(.leaveConversation)
    #expect(stage.outcome == .callEnded)
  }

  @Test func `not being in the call any more is final once we were seen in it`() throws {
    var stage = try Rehearsal.inCall()
    stage.update([Rehearsal.own: [], "P": .speaking])
    stage.advance(.seconds(60))
    #expect(stage.outcome == .failed(.removedFromCall))
    #expect(!Rehearsal.requested(stage.news()).contains(.joinCall))
  }

  @Test func `not being in the call before we were seen in it is not final`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .posted)
    stage.update([Rehearsal.own: []])
    #expect(stage.outcome == nil)
    stage.update([Rehearsal.own: .speaking])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `a lobby that is closed over our heads is named so`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.room(RoomState(roomid: Rehearsal.token, properties: ["lobby-state": 1])))
    #expect(stage.outcome == nil)
    stage.update([Rehearsal.own: []])
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.lobby))
  }

  @Test func `a disinvitation from our conversation ends the session at once`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.event(.disinvited(roomid: "elsewhere", reason: "disinvited")))
    #expect(stage.outcome == nil)
    stage.say(.event(.disinvited(roomid: Rehearsal.token, reason: "disinvited")))
    #expect(stage.outcome == .failed(.removedFromConversation))
    #expect(Rehearsal.requested(stage.news()).isEmpty, "there is nothing left to leave")
  }

  @Test func `a conversation that is deleted ends the session at once`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.room(RoomState(roomid: "")))
    #expect(stage.outcome == .failed(.conversationGone))
  }

  @Test(arguments: ["room_session_reconnected", "session_resumed"])
  func `a second instance is not fought`(reason: String) throws {
    var stage = try Rehearsal.inCall()
    stage.say(.bye(reason: reason))
    #expect(stage.outcome == .failed(.takenOver))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
  }

  @Test func `a call that moves to another conversation is followed`() throws {
    var stage = try Rehearsal.inCall()
    stage.say(.event(.switchTo(roomid: "next1234")))
    let effects = stage.news()
    #expect(Rehearsal.requested(effects) == [.leaveCall, .joinConversation])
    #expect(Rehearsal.sent(effects).map(\.content) == [.bye])
    #expect(stage.requests.last?.url.contains("/room/next1234/") == true)
    stage.rejoin(to: .posted)
    #expect(stage.requests.last?.url.hasSuffix("/call/next1234") == true)
  }
}
