import TestSupport
import Testing

@testable import TalkProtocol

/// A `CallSession` with everything around it played by a test: the server, the peer connections and the clock.
struct Rehearsal {
  static let own = "OWN"
  static let token = "abcd1234"
  static let features = ["mcu", "hello-v2", "audio-video-permissions", "welcome"]

  var session: CallSession
  let start = ContinuousClock.now
  var now: ContinuousClock.Instant
  /// All there ever were.
  var effects: [CallEffect] = []
  /// Those since the last look.
  private var fresh = 0

  init(_ role: CallSession.Role = .participant, configure: (inout CallSession.Configuration) -> Void = { _ in }) throws
  {
    let address = try ConversationAddress("https://cloud.example.com/call/\(Self.token)")
    var configuration = CallSession.Configuration(address: address, role: role, displayName: "Bridge")
    configure(&configuration)
    session = CallSession(configuration: configuration, random: SeededRandom(seed: 1))
    now = start
  }

  mutating func handle(_ event: CallSession.Event) {
    effects += session.handle(event, at: now)
  }

  /// Lets time pass, and each deadline on the way be kept.
  mutating func advance(_ duration: Duration) {
    let end = now + duration
    var count = 0
    while let deadline = session.deadline, deadline <= end {
      now = max(now, deadline)
      effects += session.handleTimeout(now)
      count += 1
      guard count < 1000 else {
        Issue.record("a deadline stays in the past: \(session.stage)")
        break
      }
    }
    now = end
  }

  /// The effects since the last call.
  mutating func news() -> [CallEffect] {
    defer { fresh = effects.count }
    return Array(effects[fresh...])
  }

  mutating func forget() { fresh = effects.count }

  // MARK: Looking

  var requests: [HTTPRequest] { effects.compactMap { if case .request(let request) = $0 { request } else { nil } } }
  var lastRequest: HTTPRequest? { requests.last }
  var sockets: [SocketID] { effects.compactMap { if case .openSocket(let id, _) = $0 { id } else { nil } } }
  var outcome: CallOutcome? {
    effects.lazy.compactMap { if case .finish(let outcome) = $0 { outcome } else { nil } }.first
  }
  var reports: [CallEvent] { Self.reports(effects) }
  var sent: [ClientMessage] { Self.sent(effects) }

  static func reports(_ effects: [CallEffect]) -> [CallEvent] {
    effects.compactMap { if case .report(let event) = $0 { event } else { nil } }
  }

  static func sent(_ effects: [CallEffect]) -> [ClientMessage] {
    effects.compactMap { if case .send(_, let text) = $0 { try? ClientMessage(text: text) } else { nil } }
  }

  static func requested(_ effects: [CallEffect]) -> [HTTPRequest.Purpose] {
    effects.compactMap { if case .request(let request) = $0 { request.purpose } else { nil } }
  }

  /// Whom an offer was asked of.
  static func offerRequests(_ effects: [CallEffect]) -> [String] {
    sent(effects).compactMap {
      guard case .message(let message) = $0.content, message.data.content == .requestOffer,
        case .session(let id) = message.recipient
      else { return nil }
      return id
    }
  }

  func lastID(_ kind: MessageTag.Kind) -> String? {
    sent.last { MessageTag($0.id)?.kind == kind }?.id
  }

  var publisher: PeerID? {
    effects.reversed().lazy.compactMap { if case .createPublisher(let id, _) = $0 { id } else { nil } }.first
  }

  func subscriber(of participant: String) -> PeerID? {
    effects.reversed().lazy.compactMap {
      if case .createSubscriber(let id, ParticipantID(session: participant), _, _) = $0 { id } else { nil }
    }.first
  }

  // MARK: The server's part

  private var answered: Set<RequestID> = []

  /// Answers the last request for `purpose`.
  mutating func reply(
    _ purpose: HTTPRequest.Purpose, _ status: Int = 200, _ data: JSONValue = .null, isMaintenance: Bool = false,
    retryAfter: Duration? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    guard let request = requests.last(where: { $0.purpose == purpose }), !answered.contains(request.id) else {
      let last = lastRequest?.purpose.rawValue ?? "nothing"
      Issue.record("\(purpose) was not asked for, last was \(last)", sourceLocation: sourceLocation)
      return
    }
    answered.insert(request.id)
    let body = JSONCoding.encode(JSONValue.object(["ocs": ["meta": ["status": "ok"], "data": data]]))
    handle(
      .reply(
        request.id, HTTPReply(status: status, body: body, retryAfter: retryAfter, isMaintenance: isMaintenance)))
  }

  mutating func fail(_ failure: TransportFailure) {
    if let request = lastRequest { handle(.requestFailed(request.id, failure)) }
  }

  mutating func say(_ content: ServerMessage.Content, id: String? = nil) {
    guard let socket = sockets.last else { return }
    handle(.socketMessage(socket, ServerMessage(id: id, content).text))
  }

  mutating func error(_ code: String, id: String?) { say(.error(SignalingError(code: code, message: "No.")), id: id) }

  mutating func update(_ users: [String: CallFlags], permissions: Permissions? = nil, own: Permissions? = nil) {
    let entries = users.sorted { $0.key < $1.key }.map { id, flags in
      var user = ParticipantsUpdate.User(sessionId: id, inCall: flags)
      user.nextcloudSessionId = "nc-\(id)"
      user.participantPermissions = id == Self.own ? own ?? [.publishAudio, .joinCall] : permissions
      return user
    }
    say(.event(.participants(ParticipantsUpdate(roomid: Self.token, users: entries))))
  }

  mutating func relay(
    _ content: PeerMessage.Content, from sender: String, sid: String? = nil, roomType: String = "video"
  ) {
    say(
      .message(
        Relayed(
          from: Sender(session: sender),
          PeerMessage(content, to: Self.own, from: sender, sid: sid, roomType: roomType))))
  }

  mutating func offer(from sender: String, sid: String, roomType: String = "video") {
    relay(
      .offer(SessionDescriptionPayload(type: "offer", sdp: "offer \(sid)")), from: sender, sid: sid, roomType: roomType)
  }

  static func capabilities(
    features: [String] = ["conversation-v4", "signaling-v3"], call: JSONValue = ["enabled": true]
  ) -> JSONValue {
    [
      "capabilities": [
        "spreed": ["features": .array(features.map(JSONValue.string)), "config": ["call": call], "version": "21"]
      ]
    ]
  }

  static func room(_ fields: [String: JSONValue] = [:]) -> JSONValue {
    let usual: [String: JSONValue] = [
      "token": .string(token), "displayName": "Weekly", "participantType": 4, "actorType": "guests",
      "permissions": 246, "hasCall": true, "sessionId": "NC", "lobbyState": 0, "readOnly": 0,
    ]
    return .object(usual.merging(fields) { _, new in new })
  }

  static let settings: JSONValue = [
    "signalingMode": "external", "server": "https://hpb.example.com/",
    "helloAuthParams": ["1.0": ["userid": nil, "ticket": "TICKET"], "2.0": ["token": "JWT"]],
    "stunservers": [["urls": ["stun:stun.example.com"]]],
    "turnservers": [["urls": ["turn:turn.example.com"], "username": "u", "credential": "c"]],
  ]

  // MARK: The usual course, step by step

  enum Milestone: Int, Comparable {
    case started, checked, joined, named, settled, opened, welcomed, greeted, inRoom, posted, inCall

    static func < (a: Milestone, b: Milestone) -> Bool { a.rawValue < b.rawValue }
  }

  /// Everything goes well until `milestone` has been reached. Others are in the call with the flags given.
  mutating func proceed(
    to milestone: Milestone, room: [String: JSONValue] = [:], others: [String: CallFlags] = [:]
  ) {
    handle(.start)
    if milestone >= .checked { reply(.readCapabilities, 200, Self.capabilities()) }
    if milestone >= .joined { rejoin(to: milestone, room: room, others: others) }
  }

  /// The part of it that is done again after a lost session.
  mutating func rejoin(
    to milestone: Milestone = .inCall, room: [String: JSONValue] = [:], others: [String: CallFlags] = [:],
    own: String = Self.own
  ) {
    reply(.joinConversation, 200, Self.room(room))
    if milestone >= .named { reply(.setGuestName) }
    if milestone >= .settled { reply(.readSignalingSettings, 200, Self.settings) }
    if milestone >= .opened, let socket = sockets.last { handle(.socketOpened(socket)) }
    if milestone >= .welcomed { say(.welcome(ServerDescription(version: "2", features: Self.features))) }
    if milestone >= .greeted { greet(own) }
    if milestone >= .inRoom { say(.room(RoomState(roomid: Self.token)), id: lastID(.room)) }
    if milestone >= .inRoom, session.configuration.role == .listener, lastRequest?.purpose == .listCall {
      reply(.listCall, 200, [["sessionId": "nc-other", "displayName": "Other"]])
    }
    if milestone >= .posted { reply(.joinCall) }
    if milestone >= .inCall {
      let flags: CallFlags = session.configuration.role == .participant ? [.inCall, .audio] : .inCall
      update(others.merging([own: flags]) { _, new in new })
    }
  }

  mutating func greet(_ own: String = Self.own) {
    say(
      .hello(
        HelloReply(
          version: "2.0", sessionid: own, resumeid: "RESUME",
          server: ServerDescription(version: "2", features: Self.features))), id: lastID(.hello))
  }

  /// Our publisher is answered and connected.
  mutating func publish() {
    guard let peer = publisher else { return }
    handle(.peer(peer, .offerReady(sdp: "our offer")))
    relay(.answer(SessionDescriptionPayload(type: "answer", sdp: "answer")), from: Self.own, sid: "S0")
    handle(.peer(peer, .connected))
  }

  /// The participant's stream is offered, answered and connected.
  mutating func receive(_ participant: String, sid: String) {
    offer(from: participant, sid: sid)
    guard let peer = subscriber(of: participant) else { return }
    handle(.peer(peer, .answerReady(sdp: "our answer")))
    handle(.peer(peer, .connected))
  }
}

extension CallFlags {
  static let speaking: CallFlags = [.inCall, .audio]
}

extension Rehearsal {
  /// In the call, publishing, and receiving one participant, `P`.
  static func inCall(_ role: CallSession.Role = .participant) throws -> Rehearsal {
    var stage = try Rehearsal(role)
    stage.proceed(to: .inCall, others: ["P": .speaking])
    stage.publish()
    stage.receive("P", sid: "1")
    stage.forget()
    return stage
  }
}
