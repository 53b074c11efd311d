import Testing

@testable import TalkProtocol

@Suite struct SubscriptionTests {
  private func inCall(_ others: [String: CallFlags] = ["P": .speaking]) throws -> Rehearsal {
    var stage = try Rehearsal()
    stage.proceed(to: .inCall, others: others)
    stage.publish()
    return stage
  }

  @Test(arguments: [
    (CallFlags.inCall, false), (CallFlags([.inCall, .audio]), true), (CallFlags([.inCall, .video]), true),
    (CallFlags([.inCall, .audio, .video]), true), (CallFlags(), false), (CallFlags.audio, false),
    (CallFlags([.inCall, .phone]), false),
  ])
  func `whoever is in the call with sound or picture is asked for a stream`(flags: CallFlags, asked: Bool) throws {
    let stage = try inCall(["P": flags])
    #expect(Rehearsal.offerRequests(stage.effects) == (asked ? ["P"] : []))
  }

  @Test func `services are asked like people, telephones never`() throws {
    var stage = try inCall([:])
    var service = ParticipantsUpdate.User(sessionId: "SIP", inCall: .speaking)
    service.internal = true
    var phone = ParticipantsUpdate.User(sessionId: "PHONE", inCall: [.inCall, .audio, .phone])
    phone.virtual = true
    stage.say(.event(.participants(ParticipantsUpdate(roomid: Rehearsal.token, users: [service, phone]))))
    #expect(Rehearsal.offerRequests(stage.effects) == ["SIP"])
    #expect(stage.session.participantCount == 1, "the telephone is a person, the bridge is not")
  }

  @Test func `a stream that is offered is answered under the name the server gave it`() throws {
    var stage = try inCall()
    stage.forget()
    stage.offer(from: "P", sid: "77")
    let peer = try #require(stage.subscriber(of: "P"))
    #expect(
      stage.news().contains(
        .createSubscriber(
          peer, participant: ParticipantID(session: "P"), offer: "offer 77",
          iceServers: [
            ICEServer(urls: ["stun:stun.example.com"]),
            ICEServer(urls: ["turn:turn.example.com"], username: "u", credential: "c"),
          ])))
    let candidate = ICECandidatePayload(candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0)
    stage.handle(.peer(peer, .candidate(candidate)))
    #expect(Rehearsal.sent(stage.news()).isEmpty, "candidates wait for the answer")
    stage.handle(.peer(peer, .answerReady(sdp: "A")))
    stage.handle(.peer(peer, .candidate(candidate)))
    let messages = Rehearsal.peerMessages(stage.news())
    #expect(messages.map(\.sid) == ["77", "77", "77"])
    #expect(messages.map(\.to) == ["P", "P", "P"])
    #expect(messages[0].content == .answer(SessionDescriptionPayload(type: "answer", sdp: "A", nick: "Bridge")))
    #expect(messages[1].content == .candidate(candidate) && messages[2].content == .candidate(candidate))
    stage.handle(.peer(peer, .connected))
    #expect(stage.reports.contains(.receiving(ParticipantID(session: "P"))))
  }

  @Test func `candidates that come before their offer are kept for it, those of another are not`() throws {
    var stage = try inCall()
    let early = ICECandidatePayload(candidate: "candidate:early")
    stage.relay(.candidate(early), from: "P", sid: "77")
    stage.relay(.candidate(ICECandidatePayload(candidate: "candidate:other")), from: "P", sid: "66")
    for number in 0..<100 {
      stage.relay(.candidate(ICECandidatePayload(candidate: "candidate:\(number)")), from: "P", sid: "55")
    }
    stage.forget()
    stage.offer(from: "P", sid: "77")
    let added = stage.news().compactMap { if case .addCandidate(_, let candidate) = $0 { candidate } else { nil } }
    #expect(added == [early])
  }

  @Test func `the same name is a renegotiation, another a new connection`() throws {
    var stage = try inCall()
    stage.receive("P", sid: "77")
    let first = try #require(stage.subscriber(of: "P"))
    stage.forget()
    stage.offer(from: "P", sid: "77")
    #expect(stage.news() == [.applyOffer(first, sdp: "offer 77")])
    stage.handle(.peer(first, .answerReady(sdp: "A2")))
    #expect(Rehearsal.peerMessages(stage.news()).map(\.sid) == ["77"])
    stage.offer(from: "P", sid: "88")
    let second = try #require(stage.subscriber(of: "P"))
    #expect(second != first)
    #expect(stage.news().first == .closePeer(first))
  }

  @Test func `screens, and offers of people who are not in the call, are ignored`() throws {
    var stage = try inCall()
    stage.forget()
    stage.offer(from: "P", sid: "9", roomType: "screen")
    stage.offer(from: "STRANGER", sid: "9")
    #expect(stage.news().isEmpty)
  }

  @Test func `a stream that the server does not find is asked for again at once, for the server has waited`() throws {
    var stage = try inCall()
    for _ in 0..<5 {
      stage.advance(.seconds(10))
      stage.forget()
      stage.error("client_not_found", id: stage.lastID(.request))
      #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
    }
  }

  @Test func `a server that finds nothing without waiting is not asked in a loop`() throws {
    var stage = try inCall()
    stage.forget()
    stage.error("client_not_found", id: stage.lastID(.request))
    #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
    stage.advance(.seconds(1))
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
  }

  @Test(arguments: ["not_allowed", "processing_failed", "internal_error"])
  func `after other errors it is asked again after 1, 2, 5, 10 and 10 seconds`(code: String) throws {
    var stage = try inCall()
    for pause in [1, 2, 5, 10, 10] {
      stage.forget()
      stage.error(code, id: stage.lastID(.request))
      stage.advance(.seconds(pause) - .milliseconds(1))
      #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
      stage.advance(.milliseconds(1))
      #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
    }
  }

  @Test func `an error about an older request changes nothing`() throws {
    var stage = try inCall()
    let old = stage.lastID(.request)
    stage.advance(.seconds(13))
    stage.forget()
    stage.error("not_allowed", id: old)
    stage.advance(.seconds(5))
    #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
  }

  @Test func `a request without any answer is repeated, later than the server's own limit`() throws {
    var stage = try inCall()
    stage.forget()
    stage.advance(.milliseconds(10_500))
    #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
    stage.advance(.seconds(2))
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
    stage.receive("P", sid: "1")
    stage.forget()
    stage.advance(.seconds(100))
    #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
  }

  @Test(arguments: [PeerEvent.failed(PeerFailure(.lost, detail: "x")), .closed])
  func `a stream that breaks is asked for at once, and closed before`(event: PeerEvent) throws {
    var stage = try inCall()
    stage.receive("P", sid: "77")
    let peer = try #require(stage.subscriber(of: "P"))
    stage.forget()
    stage.handle(.peer(peer, event))
    let effects = stage.news()
    #expect(effects.first == .closePeer(peer))
    #expect(Rehearsal.offerRequests(effects) == ["P"])
    stage.handle(.peer(peer, event))
    #expect(stage.news().isEmpty, "it is gone")
    stage.offer(from: "P", sid: "78")
    let next = try #require(stage.subscriber(of: "P"))
    stage.forget()
    stage.handle(.peer(next, .failed(PeerFailure(.lost, detail: "x"))))
    #expect(Rehearsal.offerRequests(stage.news()).isEmpty, "the second time in a row it waits")
    stage.advance(.seconds(2))
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
  }

  @Test func `an answer that the server refuses drops the connection`() throws {
    var stage = try inCall()
    stage.offer(from: "P", sid: "77")
    let peer = try #require(stage.subscriber(of: "P"))
    stage.handle(.peer(peer, .answerReady(sdp: "A")))
    stage.forget()
    stage.error("processing_failed", id: stage.lastID(.answer))
    #expect(stage.news() == [.closePeer(peer)])
    stage.advance(.seconds(1))
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
  }

  @Test func `an answer for which the server has no connection any more is followed by a request at once, and once`()
    throws
  {
    var stage = try inCall()
    for isFirst in [true, false] {
      stage.offer(from: "P", sid: isFirst ? "77" : "78")
      let peer = try #require(stage.subscriber(of: "P"))
      stage.handle(.peer(peer, .answerReady(sdp: "A")))
      stage.handle(.peer(peer, .candidate(ICECandidatePayload(candidate: "candidate:1"))))
      stage.forget()
      // The server says so of the candidate, too.
      stage.error("client_not_found", id: stage.lastID(.answer))
      stage.error("client_not_found", id: stage.lastID(.candidate))
      let effects = stage.news()
      #expect(effects.first == .closePeer(peer))
      #expect(Rehearsal.offerRequests(effects) == (isFirst ? ["P"] : []), "in a loop it waits")
      stage.advance(.seconds(2))
    }
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
  }

  @Test func `muting changes flags and nothing else`() throws {
    var stage = try inCall()
    stage.receive("P", sid: "77")
    stage.forget()
    stage.update(["P": .inCall])
    stage.update(["P": .speaking])
    let effects = stage.news()
    #expect(effects == [.report(.participantMuted(ann, true)), .report(.participantMuted(ann, false))])
  }

  @Test func `whoever leaves the call or the room is closed and forgotten`() throws {
    for leaves in [true, false] {
      var stage = try inCall(["P": .speaking, "Q": .speaking])
      stage.receive("P", sid: "77")
      let peer = try #require(stage.subscriber(of: "P"))
      stage.forget()
      if leaves { stage.say(.event(.left(["P"]))) } else { stage.update(["P": []]) }
      let effects = stage.news()
      #expect(effects.contains(.closePeer(peer)))
      #expect(
        Rehearsal.reports(effects).contains { if case .participantLeft(let p) = $0 { p.id == ann } else { false } })
      #expect(stage.session.participants.map(\.id.session) == ["Q"])
      stage.handle(.peer(peer, .closed))
      stage.advance(.seconds(9))
      #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
    }
  }

  @Test func `a silent stream is asked for again, ever more rarely, unless its owner is muted`() throws {
    var stage = try inCall()
    stage.receive("P", sid: "1")
    let peer = try #require(stage.subscriber(of: "P"))
    stage.relay(.mute(.audio), from: "P")
    stage.forget()
    stage.handle(.peer(peer, .inactive))
    #expect(stage.news().isEmpty)
    stage.relay(.unmute(.audio), from: "P")
    stage.forget()
    stage.handle(.peer(peer, .inactive))
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
    #expect(!stage.effects.contains(.closePeer(peer)), "the old one stays until there is a new one")
    stage.receive("P", sid: "2")
    let second = try #require(stage.subscriber(of: "P"))
    stage.forget()
    stage.handle(.peer(second, .inactive))
    #expect(Rehearsal.offerRequests(stage.news()).isEmpty)
    stage.advance(.seconds(11))
    stage.handle(.peer(second, .inactive))
    #expect(Rehearsal.offerRequests(stage.news()) == ["P"])
  }

  @Test func `a media server that was restarted without a word is noticed, and the call entered anew`() throws {
    var stage = try inCall()
    stage.receive("P", sid: "1")
    let peer = try #require(stage.subscriber(of: "P"))
    let publisher = try #require(stage.publisher)
    stage.handle(.peer(peer, .inactive))
    stage.forget()
    stage.error("processing_failed", id: stage.lastID(.request))
    #expect(stage.news().contains(.closePeer(publisher)))
    stage.advance(.seconds(1))
    #expect(stage.lastRequest?.purpose == .leaveCall)
    stage.reply(.leaveCall)
    #expect(stage.lastRequest?.purpose == .joinCall)
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking, "P": .speaking])
    #expect(stage.publisher != publisher)
    #expect(Rehearsal.offerRequests(stage.news()).last == "P")
  }

  @Test func `a stream that ends while others work says nothing about the media server`() throws {
    var stage = try inCall(["P": .speaking, "Q": .speaking])
    stage.receive("P", sid: "1")
    stage.receive("Q", sid: "2")
    stage.handle(.peer(try #require(stage.subscriber(of: "P")), .inactive))
    stage.forget()
    stage.error("client_not_found", id: stage.lastID(.request))
    stage.advance(.seconds(5))
    #expect(!Rehearsal.requested(stage.news()).contains(.leaveCall))
  }

  @Test(arguments: [PeerFailure.Kind.noPath, .handshake])
  func `when the very first connection finds no path, none will`(kind: PeerFailure.Kind) throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.offer(from: "P", sid: "1")
    let peer = try #require(stage.subscriber(of: "P"))
    stage.handle(.peer(peer, .failed(PeerFailure(kind, detail: "tried host and relay"))))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.noMediaPath(detail: "tried host and relay")))
  }
}

let ann = ParticipantID(session: "P")

extension Rehearsal {
  static func peerMessages(_ effects: [CallEffect]) -> [PeerMessage] {
    sent(effects).compactMap { if case .message(let message) = $0.content { message.data } else { nil } }
  }
}
