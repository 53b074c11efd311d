import Testing

@testable import TalkProtocol

@Suite struct LobbyTests {
  private static let closed: [String: JSONValue] = ["lobbyState": 1, "lobbyTimer": 1_800_000_000]

  /// In the conversation, in front of its closed lobby.
  private func waiting(_ role: CallSession.Role = .participant, _ room: [String: JSONValue] = closed) throws
    -> Rehearsal
  {
    var stage = try Rehearsal(role) { $0.waitsInLobby = true }
    stage.proceed(to: .inRoom, room: room)
    stage.forget()
    return stage
  }

  private func properties(_ lobby: JSONValue) -> ServerMessage.Content {
    .room(RoomState(roomid: Rehearsal.token, properties: ["lobby-state": lobby]))
  }

  @Test func `who waits in the lobby is in the conversation and does not ask for the call`() throws {
    var stage = try waiting()
    #expect(stage.session.phase == .waitingInLobby(opensAt: 1_800_000_000))
    #expect(stage.session.phase.description.contains("2027-01-15 08:00:00 UTC"))
    #expect(!Rehearsal.requested(stage.effects).contains(.joinCall))
    stage.advance(.seconds(5))
    #expect(stage.outcome == nil)
  }

  @Test func `when signaling tells that the lobby is open, we enter at once`() throws {
    var stage = try waiting()
    stage.say(properties(0))
    #expect(Rehearsal.requested(stage.news()) == [.joinCall])
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `a lobby that opens by its clock is found open`() throws {
    var stage = try waiting()
    stage.advance(.seconds(20))
    #expect(Rehearsal.requested(stage.news()) == [.readConversation])
    stage.reply(.readConversation, 200, Rehearsal.room(Self.closed))
    stage.advance(.seconds(20))
    #expect(stage.lastRequest?.url.hasSuffix("/api/v4/room/abcd1234") == true)
    stage.reply(.readConversation, 200, Rehearsal.room(["lobbyState": 0]))
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `without a time the server is asked for one`() throws {
    var stage = try waiting(.participant, ["lobbyState": 1])
    #expect(stage.session.phase == .waitingInLobby(opensAt: nil))
    stage.advance(.zero)
    stage.reply(.readConversation, 200, Rehearsal.room(Self.closed))
    #expect(stage.session.phase == .waitingInLobby(opensAt: 1_800_000_000))
  }

  @Test func `a server that is asked too often is left alone as long as it says`() throws {
    var stage = try waiting()
    stage.advance(.seconds(20))
    stage.reply(.readConversation, 429, retryAfter: .seconds(300))
    stage.forget()
    stage.advance(.seconds(299))
    #expect(stage.news().isEmpty)
    stage.advance(.seconds(1))
    #expect(Rehearsal.requested(stage.news()) == [.readConversation])
  }

  @Test func `who is made a moderator walks in`() throws {
    var stage = try waiting()
    stage.update([Rehearsal.own: []], own: Permissions(rawValue: 254))
    #expect(Rehearsal.requested(stage.news()) == [.joinCall])
  }

  @Test func `who may ignore the lobby does`() throws {
    let stage = try waiting(.participant, ["lobbyState": 1, "permissions": 254])
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `a lobby that closes during the call is waited out, and the call entered again`() throws {
    var stage = try Rehearsal { $0.waitsInLobby = true }
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.publish()
    stage.receive("P", sid: "1")
    stage.say(properties(1))
    stage.forget()
    stage.update([Rehearsal.own: []])
    #expect(stage.news().filter { if case .closePeer = $0 { true } else { false } }.count == 2)
    #expect(stage.session.phase == .waitingInLobby(opensAt: nil))
    stage.say(properties(0))
    #expect(stage.lastRequest?.purpose == .joinCall)
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking, "P": .speaking])
    #expect(stage.session.phase == .inCall)
    #expect(Rehearsal.offerRequests(stage.effects) == ["P", "P"])
  }

  @Test func `a call that is refused because of the lobby is waited for`() throws {
    var stage = try Rehearsal { $0.waitsInLobby = true }
    stage.proceed(to: .inRoom)
    stage.reply(.joinCall, 412)
    #expect(stage.session.phase == .waitingInLobby(opensAt: nil))
    #expect(stage.outcome == nil)
  }

  @Test func `a lobby that opens while its refusal is on the way is found open soon, and not in a loop`() throws {
    var stage = try waiting()
    stage.say(properties(0))
    for pause in [1, 2, 5] {
      stage.reply(.joinCall, 412)
      #expect(stage.session.phase == .waitingInLobby(opensAt: 1_800_000_000))
      stage.forget()
      stage.advance(.seconds(pause) - .milliseconds(1))
      #expect(stage.news().isEmpty)
      stage.advance(.milliseconds(1))
      stage.reply(.readConversation, 200, Rehearsal.room(["lobbyState": 0, "lobbyTimer": 1_800_000_000]))
      #expect(Rehearsal.requested(stage.news()) == [.readConversation, .joinCall])
    }
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `a listener waits for the lobby first, then for the call`() throws {
    var stage = try waiting(.listener, ["lobbyState": 1, "lobbyTimer": 5, "hasCall": false])
    stage.say(properties(0))
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    stage.say(properties(1))
    #expect(stage.session.phase == .waitingInLobby(opensAt: 5))
  }

  @Test func `a conversation that is deleted meanwhile is named so`() throws {
    var stage = try waiting()
    stage.advance(.seconds(20))
    stage.reply(.readConversation, 404)
    #expect(stage.outcome == .failed(.conversationGone))
  }

  @Test func `leaving the lobby leaves the conversation`() throws {
    var stage = try waiting()
    stage.handle(.leave)
    #expect(Rehearsal.requested(stage.news()) == [.leaveConversation])
  }

  @Test func `maintenance is waited out by who waits already, as long as it takes`() throws {
    var stage = try waiting()
    stage.handle(.socketClosed(try #require(stage.sockets.last), nil))
    for _ in 0..<40 {
      stage.advance(.seconds(300))
      switch stage.lastRequest?.purpose {
      case .joinConversation?, .readCapabilities?:
        let purpose = try #require(stage.lastRequest?.purpose)
        stage.reply(purpose, 503, isMaintenance: true, retryAfter: .seconds(120))
      default: stage.handle(.socketClosed(try #require(stage.sockets.last), .unreachable(detail: "down")))
      }
      try #require(stage.outcome == nil)
    }
    stage.advance(.seconds(300))
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    stage.rejoin(to: .inRoom, room: ["lobbyState": 0])
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test func `too many requests during a reconnect are followed by minutes of silence`() throws {
    var stage = try waiting()
    stage.handle(.socketClosed(try #require(stage.sockets.last), nil))
    while stage.lastRequest?.purpose != .joinConversation || stage.requests.count < 5 {
      stage.advance(.seconds(10))
      if stage.sockets.count > 1 { stage.handle(.socketClosed(stage.sockets.last!, .unreachable(detail: "down"))) }
      try #require(stage.outcome == nil && stage.now - stage.start < .seconds(300))
    }
    stage.reply(.joinConversation, 429)
    stage.forget()
    stage.advance(.seconds(119))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
    stage.advance(.seconds(60))
    #expect(Rehearsal.requested(stage.news()) == [.joinConversation])
  }
}
