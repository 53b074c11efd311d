import Testing

@testable import TalkProtocol

/// What others are told of us.
@Suite struct OwnStateTests {
  private func inCall(_ configure: (inout CallSession.Configuration) -> Void = { _ in }) throws -> Rehearsal {
    var stage = try Rehearsal(configure: configure)
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.forget()
    return stage
  }

  private func told(_ effects: [CallEffect], _ recipient: String) -> [PeerMessage.Content] {
    Rehearsal.sent(effects).compactMap {
      guard case .message(let message) = $0.content, case .session(recipient) = message.recipient else { return nil }
      return message.data.content
    }
  }

  @Test func `a raised hand is told to all, to whoever comes later, and lowered again`() throws {
    var stage = try inCall()
    stage.handle(.setHand(raised: true, timestamp: 1000))
    #expect(told(stage.news(), "P") == [.raiseHand(state: true, timestamp: 1000)])
    #expect(stage.reports.contains(.handRaised(true)) && stage.session.hasRaisedHand)
    stage.update(["Q": .speaking])
    #expect(told(stage.news(), "Q").contains(.raiseHand(state: true, timestamp: 1000)))
    stage.handle(.setHand(raised: false, timestamp: 2000))
    #expect(told(stage.news(), "Q") == [.raiseHand(state: false, timestamp: 2000)])
    stage.handle(.setHand(raised: false, timestamp: 3000))
    #expect(stage.news().isEmpty)
  }

  @Test func `who raises the hand before the call has it raised in the call`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom)
    stage.handle(.setHand(raised: true, timestamp: 5))
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking, "P": .speaking])
    #expect(told(stage.effects, "P").contains(.raiseHand(state: true, timestamp: 5)))
  }

  @Test func `a listener has no hand to raise`() throws {
    var stage = try Rehearsal(.listener)
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.forget()
    stage.handle(.setHand(raised: true, timestamp: 5))
    #expect(stage.news().isEmpty)
  }

  @Test func `turning the microphone off and on is told to the others and to the user`() throws {
    var stage = try inCall { $0.startsMuted = true }
    #expect(told(stage.effects, "P").contains(.mute(.audio)))
    stage.handle(.setMuted(false))
    #expect(told(stage.news(), "P") == [.unmute(.audio)])
    #expect(stage.reports.contains(.microphoneMuted(false)))
  }

  @Test func `a moderator who mutes us is obeyed, and the user sees it`() throws {
    var stage = try inCall()
    stage.say(
      .control(Relayed(from: Sender(session: "M"), ControlMessage.forceMute(peer: Rehearsal.own))))
    let news = stage.news()
    #expect(news.contains(.muteMicrophone))
    #expect(Rehearsal.reports(news) == [.mutedByModerator, .microphoneMuted(true)])
    #expect(told(news, "P") == [.mute(.audio)])
  }

  @Test func `users are announced by the server, not by a name of ours`() throws {
    var stage = try Rehearsal { $0.usesAccount = true }
    stage.handle(.start)
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    stage.reply(.joinConversation, 200, Rehearsal.room(["actorType": "users", "actorId": "anna"]))
    stage.reply(.readSignalingSettings, 200, Rehearsal.settings)
    stage.handle(.socketOpened(try #require(stage.sockets.last)))
    stage.say(.welcome(ServerDescription(version: "2", features: Rehearsal.features)))
    stage.greet()
    stage.say(.room(RoomState(roomid: Rehearsal.token)), id: stage.lastID(.room))
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking, "P": .speaking])
    #expect(
      !told(stage.effects, "P").contains { if case .nickChanged = $0 { true } else { false } })
  }

  @Test(arguments: [HTTPRequest.Purpose.readCapabilities, .joinConversation, .readSignalingSettings])
  func `an app password that is not accepted is never sent again`(purpose: HTTPRequest.Purpose) throws {
    var stage = try Rehearsal { $0.usesAccount = true }
    let before: [HTTPRequest.Purpose: Rehearsal.Milestone] = [
      .readCapabilities: .started, .joinConversation: .checked, .readSignalingSettings: .named,
    ]
    stage.proceed(to: try #require(before[purpose]))
    stage.forget()
    stage.reply(purpose, 401)
    #expect(stage.outcome == .failed(.loginRefused))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
  }

  @Test func `an app password that is taken away during a reconnect ends the session`() throws {
    var stage = try inCall { $0.usesAccount = true }
    stage.say(.bye(reason: "going down"))
    stage.advance(.seconds(2))
    stage.forget()
    stage.reply(.joinConversation, 401)
    #expect(stage.outcome == .failed(.loginRefused))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
  }
}
