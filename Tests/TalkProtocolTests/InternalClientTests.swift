import Testing

@testable import TalkProtocol

/// Internal clients of the signaling server: hidden, let in everywhere, and told little.
@Suite struct InternalClientTests {
  private static let proof = SecretProof(random: "internal random", checksum: "internal checksum")
  private static let recordingProof = SecretProof(random: "recording random", checksum: "recording checksum")

  private static func stage(
    _ role: CallSession.Role = .listener, isGiven: Bool = false, at moment: Rehearsal.Milestone = .started
  ) throws -> Rehearsal {
    var stage = try Rehearsal(role) {
      let settings = try? JSONCoding.decode(SignalingSettings.self, from: JSONCoding.text(Rehearsal.settings))
      $0.internalAccess = InternalAccess(
        settings: isGiven
          ? .given { settings ?? SignalingSettings(signalingMode: "external") } : .asked { recordingProof }
      ) { proof }
    }
    stage.handle(.start)
    if moment >= .checked { stage.reply(.readCapabilities, 200, Rehearsal.capabilities()) }
    if moment >= .settled, !isGiven { stage.reply(.readSignalingSettings, 200, Rehearsal.settings) }
    if moment >= .opened, let socket = stage.sockets.last { stage.handle(.socketOpened(socket)) }
    if moment >= .welcomed { stage.say(.welcome(ServerDescription(version: "2", features: Rehearsal.features))) }
    if moment >= .greeted { stage.greet() }
    if moment >= .inRoom { stage.say(.room(RoomState(roomid: Rehearsal.token)), id: stage.lastID(.room)) }
    return stage
  }

  /// A list as the signaling server sends it, with ourselves in it.
  private static func list(_ stage: inout Rehearsal, _ users: [String: CallFlags] = [:]) {
    var entries = users.sorted { $0.key < $1.key }.map { ParticipantsUpdate.User(sessionId: $0, inCall: $1) }
    var own = ParticipantsUpdate.User(sessionId: Rehearsal.own, inCall: [])
    own.internal = true
    entries.append(own)
    stage.say(.event(.participants(ParticipantsUpdate(roomid: Rehearsal.token, users: entries))))
  }

  private static func ownFlags(_ stage: Rehearsal) -> [Int] {
    stage.sent.compactMap { message in
      guard case .internal(let body) = message.content, body["type"] == "incall" else { return nil }
      return body["incall"]["incall"].int
    }
  }

  // MARK: The way in

  @Test func `nothing is asked of Nextcloud but the settings, and these with proof`() throws {
    let stage = try Self.stage(at: .inRoom)
    #expect(stage.requests.map(\.purpose) == [.readCapabilities, .readSignalingSettings])
    #expect(stage.requests.last?.proof == Self.recordingProof)
    #expect(stage.requests.first?.proof == nil)
  }

  @Test func `hello proves the internal secret and names the installation`() throws {
    let stage = try Self.stage(at: .welcomed)
    guard case .hello(let hello) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(hello.version == "1.0" && hello.features == ["internal-incall"])
    #expect(hello.auth?.type == "internal" && hello.auth?.url == nil)
    #expect(hello.auth?.params?.random == "internal random" && hello.auth?.params?.token == "internal checksum")
    #expect(hello.auth?.params?.backend == "https://cloud.example.com/")
  }

  @Test func `the room is entered without a session of Nextcloud`() throws {
    let stage = try Self.stage(at: .greeted)
    guard case .room(let room) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(room.roomid == Rehearsal.token && room.sessionid == nil)
  }

  @Test func `given settings are used without asking, even where Nextcloud does not answer`() throws {
    var stage = try Self.stage(isGiven: true)
    stage.fail(.unreachable(detail: "no route"))
    #expect(stage.effects.contains(.openSocket(try #require(stage.sockets.last), url: "wss://hpb.example.com/spreed")))
    #expect(stage.requests.map(\.purpose) == [.readCapabilities])
  }

  @Test(arguments: [true, false])
  func `calls that are encrypted from end to end are refused`(isGiven: Bool) throws {
    var stage = try Self.stage(isGiven: isGiven)
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities(call: ["end-to-end-encryption": true]))
    #expect(stage.outcome == .failed(.endToEndEncrypted))
  }

  // MARK: Refusals

  @Test(arguments: [
    ("invalid_token", CallFailure.internalSecretRefused(isConfigured: true)),
    ("invalid_client_type", .internalSecretRefused(isConfigured: false)),
    ("invalid_backend", .backendUnknownToSignaling(url: "https://cloud.example.com")),
  ])
  func `a refused hello ends it at once, without a second try`(code: String, expected: CallFailure) throws {
    var stage = try Self.stage(at: .welcomed)
    stage.error(code, id: stage.lastID(.hello))
    stage.advance(.seconds(60))
    #expect(stage.outcome == .failed(expected))
    #expect(stage.sockets.count == 1)
    #expect(expected.description.count > 40)
  }

  @Test(arguments: [(401, CallFailure.recordingSecretRefused), (404, .unknownConversation), (429, .rateLimited)])
  func `refused settings end it at once, without a second try`(status: Int, expected: CallFailure) throws {
    var stage = try Self.stage(at: .checked)
    stage.reply(.readSignalingSettings, status)
    stage.advance(.seconds(60))
    #expect(stage.outcome == .failed(expected))
    #expect(stage.requests.count == 2)
  }

  // MARK: The call

  @Test func `it waits until somebody is in the call, then says of itself that it is, and asks for streams`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage)
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    stage.advance(.seconds(300))
    #expect(Self.ownFlags(stage).isEmpty)
    Self.list(&stage, ["P": .speaking])
    #expect(stage.session.phase == .inCall)
    #expect(Self.ownFlags(stage) == [1])
    #expect(Rehearsal.offerRequests(stage.effects) == ["P"])
    #expect(stage.publisher == nil)
    stage.receive("P", sid: "1")
    #expect(stage.reports.contains(.receiving(ParticipantID(session: "P"))))
    #expect(stage.requests.map(\.purpose) == [.readCapabilities, .readSignalingSettings], "no names, no call")
  }

  @Test func `a hidden listener tells nobody anything`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage)
    stage.forget()
    Self.list(&stage, ["P": .speaking])
    stage.advance(.seconds(30))
    #expect(
      Rehearsal.peerMessages(stage.news()).allSatisfy { $0.content == .requestOffer })
  }

  @Test func `one that speaks publishes without asking for the right, and leaves and enters by its flags`() throws {
    var stage = try Self.stage(.participant, at: .inRoom)
    Self.list(&stage)
    Self.list(&stage, ["P": .speaking])
    #expect(Self.ownFlags(stage) == [3])
    stage.publish()
    #expect(stage.reports.contains(.publishing))
    #expect(Rehearsal.peerMessages(stage.effects).contains { $0.content == .nickChanged(name: "Bridge") })
    let peer = try #require(stage.publisher)
    stage.handle(.peer(peer, .failed(PeerFailure(.lost, detail: "gone"))))
    stage.advance(.seconds(2))
    #expect(Self.ownFlags(stage) == [3, 0, 3])
    #expect(stage.publisher != peer)
    #expect(stage.requests.count == 2)
  }

  @Test func `neither the lobby nor a lock nor what lists say of it keeps it out`() throws {
    var stage = try Self.stage(at: .inRoom)
    stage.say(.room(RoomState(roomid: Rehearsal.token, properties: ["lobby-state": 1, "read-only": 1])))
    Self.list(&stage)
    Self.list(&stage, ["P": .speaking])
    Self.list(&stage, ["P": .speaking])
    #expect(stage.session.phase == .inCall)
  }

  // MARK: Old lists

  @Test func `the first list may be old, so that only who can be heard is believed to be in the call`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage, ["P": .speaking])
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    #expect(stage.session.participantCount == 0)
    #expect(Rehearsal.offerRequests(stage.effects) == ["P"])
    for _ in 0..<3 {
      stage.advance(.seconds(10))
      stage.error("client_not_found", id: stage.lastID(.request))
    }
    Self.list(&stage, ["P": .speaking])
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    stage.offer(from: "P", sid: "1")
    #expect(stage.session.phase == .inCall)
    #expect(stage.subscriber(of: "P") != nil)
    #expect(stage.session.participantCount == 1)
  }

  @Test func `whom a later list does not name is not in the call`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage, ["P": .speaking])
    Self.list(&stage, ["Q": .speaking])
    #expect(stage.session.phase == .inCall)
    #expect(stage.session.participants.map(\.id.session) == ["Q"])
  }

  @Test func `who is listed otherwise than before is believed`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage, ["P": .inCall])
    #expect(Rehearsal.offerRequests(stage.effects).isEmpty, "there is nothing to be heard of")
    Self.list(&stage, ["P": .speaking])
    #expect(stage.session.phase == .inCall)
  }

  @Test func `the end for everybody and a leave clear what was only said`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage, ["P": .speaking, "Q": .speaking])
    stage.say(.event(.left(["P"])))
    stage.say(.event(.participants(.endedForAll(roomid: Rehearsal.token))))
    stage.offer(from: "Q", sid: "1")
    #expect(stage.session.phase == .waitingForCall(.nobodyInCall))
    #expect(stage.outcome == nil)
  }

  // MARK: The end, and what is lost on the way

  @Test func `leaving is a goodbye to the signaling server, and over when the socket is closed`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage)
    Self.list(&stage, ["P": .speaking])
    stage.handle(.leave)
    #expect(stage.sent.last?.content == .bye)
    #expect(stage.outcome == nil)
    stage.handle(.socketClosed(try #require(stage.sockets.last), nil))
    #expect(stage.outcome == .left)
    #expect(stage.requests.count == 2)
  }

  @Test func `leaving does not wait for a server that is silent`() throws {
    var stage = try Self.stage(at: .inRoom)
    stage.handle(.leave)
    stage.advance(.seconds(3))
    #expect(stage.outcome == .left)
  }

  @Test func `the end for everybody ends it`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage)
    Self.list(&stage, ["P": .speaking])
    stage.say(.event(.participants(.endedForAll(roomid: Rehearsal.token))))
    stage.advance(.seconds(3))
    #expect(stage.outcome == .callEnded)
  }

  @Test func `a conversation that is deleted ends it`() throws {
    var stage = try Self.stage(at: .inRoom)
    stage.say(.room(RoomState(roomid: "")))
    stage.advance(.seconds(3))
    #expect(stage.outcome == .failed(.conversationGone))
  }

  @Test func `a lost session is built again, with new proof and a new list`() throws {
    var stage = try Self.stage(at: .inRoom)
    Self.list(&stage)
    Self.list(&stage, ["P": .speaking])
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.reply(.readSignalingSettings, 200, Rehearsal.settings)
    #expect(stage.sockets.count == 2)
    stage.handle(.socketOpened(try #require(stage.sockets.last)))
    stage.say(.welcome(ServerDescription(version: "2", features: Rehearsal.features)))
    stage.greet("OWN")
    stage.say(.room(RoomState(roomid: Rehearsal.token)), id: stage.lastID(.room))
    Self.list(&stage, ["P": .speaking])
    stage.offer(from: "P", sid: "2")
    #expect(stage.session.phase == .inCall)
  }

  @Test func `no secret or proof is in what may be logged`() throws {
    let stage = try Self.stage(at: .inRoom)
    for effect in stage.effects {
      for secret in ["random", "checksum"] { #expect(!"\(effect)".contains(secret)) }
    }
  }
}
