import Testing

@testable import TalkProtocol

@Suite struct PublicationTests {
  private func inCall() throws -> Rehearsal {
    var stage = try Rehearsal()
    stage.proceed(to: .inCall)
    return stage
  }

  @Test func `an offer to ourselves is sent once made, then the candidates, all under one name`() throws {
    var stage = try inCall()
    let peer = try #require(stage.publisher)
    let candidate = ICECandidatePayload(candidate: "candidate:1")
    stage.forget()
    stage.handle(.peer(peer, .candidate(candidate)))
    #expect(stage.news().isEmpty)
    stage.handle(.peer(peer, .offerReady(sdp: "O")))
    stage.handle(.peer(peer, .candidate(candidate)))
    let messages = Rehearsal.peerMessages(stage.news())
    #expect(messages.map(\.to) == Array(repeating: Rehearsal.own, count: 3))
    #expect(Set(messages.map(\.sid)).count == 1 && messages[0].sid?.isEmpty == false)
    #expect(messages[0].content == .offer(SessionDescriptionPayload(type: "offer", sdp: "O", nick: "Bridge")))
    #expect(messages[0].roomType == "video")
  }

  @Test func `the answer is applied, whatever its name, and the candidates before it after it`() throws {
    var stage = try inCall()
    let peer = try #require(stage.publisher)
    stage.handle(.peer(peer, .offerReady(sdp: "O")))
    let candidate = ICECandidatePayload(candidate: "candidate:1")
    stage.forget()
    stage.relay(.candidate(candidate), from: Rehearsal.own, sid: "other")
    #expect(stage.news().isEmpty)
    stage.relay(.answer(SessionDescriptionPayload(type: "answer", sdp: "A")), from: Rehearsal.own, sid: "first")
    #expect(stage.news() == [.applyAnswer(peer, sdp: "A"), .addCandidate(peer, candidate)])
    stage.handle(.peer(peer, .candidate(candidate)))
    #expect(Rehearsal.peerMessages(stage.news()).first?.sid == "first", "a living publisher keeps its first name")
    stage.handle(.peer(peer, .connected))
    #expect(Rehearsal.reports(stage.news()).contains(.publishing))
  }

  @Test func `an offer without an answer is repeated every 10 seconds, then the call entered anew`() throws {
    var stage = try inCall()
    stage.handle(.peer(try #require(stage.publisher), .offerReady(sdp: "O")))
    for _ in 0..<2 {
      stage.forget()
      stage.advance(.seconds(10))
      #expect(Rehearsal.peerMessages(stage.news()).count == 1)
    }
    stage.advance(.seconds(12))
    #expect(stage.lastRequest?.purpose == .leaveCall)
  }

  @Test func `a publisher that fails leaves the call, enters it again and publishes anew`() throws {
    var stage = try inCall()
    stage.publish()
    let first = try #require(stage.publisher)
    stage.update(["P": .speaking])
    stage.receive("P", sid: "1")
    let subscriber = try #require(stage.subscriber(of: "P"))
    stage.forget()
    stage.handle(.peer(first, .failed(PeerFailure(.lost, detail: "x"))))
    #expect(stage.news() == [.closePeer(first)])
    stage.advance(.seconds(1))
    let leaving = stage.news()
    #expect(Rehearsal.requested(leaving) == [.leaveCall])
    #expect(leaving.contains(.closePeer(subscriber)), "the server frees all of them")
    stage.update([Rehearsal.own: [], "P": .speaking])
    #expect(stage.outcome == nil, "we asked for it")
    stage.reply(.leaveCall)
    stage.reply(.joinCall)
    #expect(stage.session.phase == .inCall, "nothing a user has to know")
    stage.update([Rehearsal.own: .speaking, "P": .speaking])
    #expect(try #require(stage.publisher) != first)
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
  }

  @Test func `a publisher that fails again and again is given up, and listening goes on`() throws {
    var stage = try inCall()
    stage.publish()
    for pause in [1, 2, 5, 10, 10] {
      stage.handle(.peer(try #require(stage.publisher), .failed(PeerFailure(.lost, detail: "x"))))
      stage.advance(.seconds(pause))
      stage.reply(.leaveCall)
      stage.reply(.joinCall)
      stage.update([Rehearsal.own: .speaking])
    }
    stage.handle(.peer(try #require(stage.publisher), .failed(PeerFailure(.lost, detail: "x"))))
    stage.advance(.seconds(60))
    #expect(stage.requests.count { $0.purpose == .leaveCall } == 5)
    #expect(stage.reports.contains { if case .publishingFailed = $0 { true } else { false } })
    #expect(stage.session.phase == .inCall)
  }

  @Test func `a media server that acknowledges nothing is suspected, but not every time`() throws {
    var stage = try inCall()
    stage.publish()
    stage.handle(.peer(try #require(stage.publisher), .inactive))
    stage.advance(.seconds(1))
    stage.reply(.leaveCall)
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking])
    stage.publish()
    stage.forget()
    stage.handle(.peer(try #require(stage.publisher), .inactive))
    stage.advance(.seconds(5))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
  }

  @Test func `a call left for publishing anew is entered again even without an answer`() throws {
    var stage = try inCall()
    stage.publish()
    stage.handle(.peer(try #require(stage.publisher), .failed(PeerFailure(.lost, detail: "x"))))
    stage.advance(.seconds(1))
    stage.advance(.seconds(5))
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `without the permission nothing is published, and listening goes on`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .posted, room: ["permissions": 135])
    stage.update([Rehearsal.own: .inCall, "P": .speaking], own: Permissions(rawValue: 135))
    #expect(stage.publisher == nil)
    #expect(stage.reports.filter { $0 == .publishingForbidden }.count == 1)
    #expect(Rehearsal.offerRequests(stage.effects) == ["P"])
    stage.forget()
    stage.update([Rehearsal.own: .inCall], own: Permissions(rawValue: 151))
    #expect(Rehearsal.requested(stage.news()) == [.leaveCall], "browsers ask for the streams of those who enter")
    stage.reply(.leaveCall)
    #expect(stage.lastRequest?.purpose == .joinCall && stage.lastRequest?.json["flags"] == 3)
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking, "P": .speaking], own: Permissions(rawValue: 151))
    #expect(stage.publisher != nil, "granted")
    stage.publish()
    #expect(stage.reports.contains(.publishing))
    stage.forget()
    stage.update([Rehearsal.own: .speaking], own: Permissions(rawValue: 135))
    #expect(stage.news() == [.closePeer(try #require(stage.publisher)), .report(.publishingForbidden)])
    stage.update([Rehearsal.own: .inCall], own: Permissions(rawValue: 135))
    #expect(stage.news().isEmpty, "said once")
  }

  @Test func `the permission given to who is alone in the call needs no leaving`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .posted, room: ["permissions": 135])
    stage.update([Rehearsal.own: .inCall], own: Permissions(rawValue: 135))
    stage.forget()
    stage.update([Rehearsal.own: .inCall], own: Permissions(rawValue: 151))
    #expect(Rehearsal.requested(stage.news()) == [.changeCallFlags])
    #expect(stage.lastRequest?.json["flags"] == 3 && stage.lastRequest?.method == .put)
    #expect(stage.publisher != nil)
  }

  @Test func `an offer that is not allowed is tried twice more, then left`() throws {
    var stage = try inCall()
    stage.handle(.peer(try #require(stage.publisher), .offerReady(sdp: "O")))
    for _ in 0..<3 {
      stage.error("not_allowed", id: stage.lastID(.offer))
      stage.advance(.seconds(3))
    }
    #expect(stage.reports.contains(.publishingForbidden))
    #expect(stage.outcome == nil)
    #expect(stage.requests.last?.purpose != .leaveCall)
  }

  @Test func `an offer that the server cannot read is not repeated`() throws {
    var stage = try inCall()
    stage.handle(.peer(try #require(stage.publisher), .offerReady(sdp: "O")))
    stage.error("invalid_sdp", id: stage.lastID(.offer))
    stage.forget()
    stage.advance(.seconds(60))
    #expect(Rehearsal.sent(stage.news()).isEmpty)
    #expect(stage.reports.contains(.publishingFailed("No.")))
  }

  @Test func `when the publisher's first connection finds no path, the session ends`() throws {
    var stage = try inCall()
    stage.handle(.peer(try #require(stage.publisher), .failed(PeerFailure(.noPath, detail: "tried all"))))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.noMediaPath(detail: "tried all")))
  }

  // MARK: State

  @Test func `everybody new is told our state at 0, 1, 2, 4, 8 and 16 seconds`() throws {
    var stage = try inCall()
    stage.publish()
    stage.forget()
    stage.update(["L": .inCall])
    var times: [Int] = []
    for second in 0...40 {
      let told = Rehearsal.peerMessages(stage.news()).filter { $0.to == "L" }.map(\.content)
      if !told.isEmpty {
        #expect(told == [.unmute(.audio), .mute(.video), .nickChanged(name: "Bridge")])
        times.append(second)
      }
      stage.advance(.seconds(1))
    }
    #expect(times == [0, 1, 2, 4, 8, 16])
  }

  @Test func `the data channel is told our state, repeatedly, and again when somebody comes`() throws {
    var stage = try inCall()
    stage.publish()
    let peer = try #require(stage.publisher)
    stage.forget()
    stage.handle(.peer(peer, .dataChannelOpened))
    let state: [DataChannelMessage] = [.audioOn, .videoOff, .nickChanged(name: "Bridge", userid: nil)]
    #expect(Rehearsal.data(stage.news()) == state)
    stage.advance(.seconds(40))
    #expect(Rehearsal.data(stage.news()).count == 5 * 3)
    stage.update(["L": .inCall])
    #expect(Rehearsal.data(stage.news()) == state)
  }

  @Test func `muting is told at once on both ways, and is part of the state from then on`() throws {
    var stage = try inCall()
    stage.publish()
    stage.handle(.peer(try #require(stage.publisher), .dataChannelOpened))
    stage.update(["L": .inCall])
    stage.forget()
    stage.handle(.setMuted(true))
    var effects = stage.news()
    #expect(Rehearsal.data(effects) == [.audioOff])
    #expect(Rehearsal.peerMessages(effects).map(\.content) == [.mute(.audio)])
    stage.handle(.setMuted(true))
    #expect(stage.news().isEmpty)
    stage.advance(.seconds(1))
    effects = stage.news()
    #expect(Rehearsal.data(effects).first == .audioOff)
    #expect(Rehearsal.peerMessages(effects).first?.content == .mute(.audio))
    stage.handle(.setMuted(false))
    #expect(Rehearsal.data(stage.news()) == [.audioOn])
  }

  @Test func `speaking goes over the data channel only, and never while muted`() throws {
    var stage = try inCall()
    stage.publish()
    stage.update(["L": .inCall])
    stage.forget()
    stage.handle(.setSpeaking(true))
    stage.handle(.setSpeaking(true))
    stage.handle(.setMuted(true))
    stage.handle(.setSpeaking(true))
    let effects = stage.news()
    #expect(Rehearsal.data(effects) == [.speaking, .audioOff, .stoppedSpeaking])
    #expect(Rehearsal.peerMessages(effects).map(\.content) == [.mute(.audio)])
  }

  @Test func `a forced mute is obeyed if it is meant for us`() throws {
    var stage = try inCall()
    stage.publish()
    stage.forget()
    stage.say(.control(Relayed(from: Sender(session: "M"), .forceMute(peer: "SOMEBODY"))))
    #expect(stage.news().isEmpty)
    stage.say(.control(Relayed(from: Sender(session: "M"), .forceMute(peer: Rehearsal.own))))
    let effects = stage.news()
    #expect(effects.contains(.muteMicrophone) && effects.contains(.report(.mutedByModerator)))
    #expect(Rehearsal.data(effects) == [.audioOff])
  }

  // MARK: What others tell

  @Test func `names, muting, speaking and hands of others are reported once`() throws {
    var stage = try inCall()
    stage.update(["P": .speaking])
    stage.receive("P", sid: "1")
    let peer = try #require(stage.subscriber(of: "P"))
    stage.forget()
    for _ in 0..<2 {
      stage.relay(.nickChanged(name: "Ann"), from: "P")
      stage.relay(.mute(.audio), from: "P")
      stage.handle(.peer(peer, .dataMessage(#"{"type":"audioOff"}"#)))
      stage.relay(.mute(.video), from: "P")
      stage.relay(.raiseHand(state: true, timestamp: 1), from: "P")
    }
    stage.handle(.peer(peer, .dataMessage(#"{"type":"audioOn"}"#)))
    stage.handle(.peer(peer, .dataMessage(#"{"type":"speaking"}"#)))
    stage.handle(.peer(peer, .dataMessage(#"{"type":"nickChanged","payload":{"name":"Anna","userid":null}}"#)))
    stage.handle(.peer(peer, .dataMessage("garbage")))
    stage.relay(.reaction("👍"), from: "P")
    #expect(
      Rehearsal.reports(stage.news()) == [
        .participantRenamed(ann, name: "Ann"), .participantMuted(ann, true), .participantRaisedHand(ann, true),
        .participantMuted(ann, false), .participantSpeaking(ann, true), .participantRenamed(ann, name: "Anna"),
        .participantReacted(ann, "👍"),
      ])
  }

  @Test func `guests are named by the list of the call, which is asked for while somebody has no name`() throws {
    var stage = try inCall()
    stage.say(.event(.joined([JoinedSession(sessionid: "P", roomsessionid: "nc-P")])))
    stage.update(["P": .speaking])
    stage.forget()
    stage.advance(.seconds(1))
    #expect(Rehearsal.requested(stage.news()) == [.listCall])
    stage.reply(.listCall, 200, [["sessionId": "nc-P", "displayName": ""]])
    stage.advance(.seconds(1))
    stage.reply(.listCall, 200, [["sessionId": "nc-P", "displayName": "Ann"], ["sessionId": "nc-Q"], 5])
    #expect(Rehearsal.reports(stage.news()) == [.participantRenamed(ann, name: "Ann")])
    stage.advance(.seconds(100))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
  }

  @Test func `users bring their name along`() throws {
    var stage = try inCall()
    stage.say(.event(.joined([JoinedSession(sessionid: "P", userid: "ann", displayName: "Ann")])))
    stage.update(["P": .speaking])
    #expect(stage.session.participants.map(\.name) == ["Ann"])
  }
}

extension Rehearsal {
  static func data(_ effects: [CallEffect]) -> [DataChannelMessage] {
    effects.compactMap { if case .sendData(_, let text) = $0 { DataChannelMessage(text: text) } else { nil } }
  }
}
