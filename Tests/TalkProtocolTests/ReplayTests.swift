import Testing

@testable import TalkProtocol

/// Plays a recorded client's server to a `CallSession`, and lists what both did in the same words.
struct Replay {
  let rows: [Transcript.Row]
  var session: CallSession
  let start = ContinuousClock.now
  var now: ContinuousClock.Instant

  /// What the recorded client did, and what we did.
  var recorded: [String] = []
  var ours: [String] = []
  var effects: [CallEffect] = []
  var finishes = 0

  private var replies: [HTTPRequest.Purpose: [JSONValue]] = [:]
  private var open: [HTTPRequest.Purpose: RequestID] = [:]
  private var socket: SocketID?
  private var hasOpenRows: Bool
  private var recordedIDs: [String: String] = [:]
  private var ids: [String: [String]] = [:]
  private var counts: [String: Int] = [:]
  private var peers: [String: PeerID] = [:]
  private var isLeaving = false

  init(_ transcript: Transcript, who: String) throws {
    rows = transcript.rows.filter { $0.who == who }
    hasOpenRows = rows.contains { $0.channel == "ws" && $0.direction == "open" }
    let sends = rows.filter { $0.channel == "http" && $0.direction == "send" }
    func body(_ purpose: HTTPRequest.Purpose) -> JSONValue? {
      sends.first { Self.purpose($0.value) == purpose }?.value["body"]
    }
    let url = sends.compactMap { $0.value["url"].string }.first { $0.contains("participants/active") } ?? ""
    let token = url.split(separator: "/").dropLast(2).last.map(String.init) ?? "abcd1234"
    let address = try ConversationAddress("http://localhost:8080/call/\(token)")
    let flags = body(.joinCall)?["flags"].int ?? 3
    var configuration = CallSession.Configuration(
      address: address, role: flags == 1 ? .listener : .participant,
      displayName: body(.setGuestName)?["displayName"].string ?? "")
    configuration.password = body(.joinConversation)?["password"].string
    session = CallSession(configuration: configuration, random: SeededGenerator(state: 7))
    now = start
    // A recorded client asks each thing once per course of events, as we do: its answers are ours, in their order.
    var asked: [String: HTTPRequest.Purpose] = [:]
    for row in rows where row.channel == "http" {
      let url = row.value["url"].string ?? ""
      if row.direction == "send" {
        asked[url] = Self.purpose(row.value)
      } else if let purpose = asked[url] {
        replies[purpose, default: []].append(row.value)
      }
    }
  }

  static func purpose(_ row: JSONValue) -> HTTPRequest.Purpose? {
    let url = row["url"].string ?? ""
    guard url.contains("/ocs/") || url.hasPrefix("/apps/") else { return nil }
    switch (row["method"].string ?? "", url) {
    case ("GET", _) where url.hasSuffix("cloud/capabilities"): return .readCapabilities
    case ("POST", _) where url.hasSuffix("participants/active"): return .joinConversation
    case ("DELETE", _) where url.hasSuffix("participants/active"): return .leaveConversation
    case ("POST", _) where url.contains("/guest/"): return .setGuestName
    case ("GET", _) where url.contains("/signaling/settings"): return .readSignalingSettings
    case ("POST", _) where url.contains("v4/call/"): return .joinCall
    case ("PUT", _) where url.contains("v4/call/"): return .changeCallFlags
    case ("DELETE", _) where url.contains("v4/call/"): return .leaveCall
    case ("GET", _) where url.contains("v4/call/"): return .listCall
    default: return nil
    }
  }

  static func word(_ message: ClientMessage) -> String? {
    switch message.content {
    case .hello: return "hello"
    case .room(let room): return room.roomid.isEmpty ? nil : "room"
    case .message(let message):
      guard case .session(let id) = message.recipient else { return nil }
      switch message.data.content {
      case .offer: return "offer"
      case .answer: return "answer \(id.prefix(6)) \(message.data.sid ?? "")"
      case .requestOffer: return "request \(id.prefix(6))"
      default: return nil
      }
    default: return nil
    }
  }

  /// Plays all of it. `change` may spoil what the server says.
  mutating func run(_ change: (String) -> String? = { $0 }) {
    now = start + .milliseconds(Int((rows.first?.time ?? 0) * 1000))
    handle(.start)
    for row in rows {
      let at = start + .milliseconds(Int(row.time * 1000))
      pass(until: at)
      play(row, change)
    }
  }

  mutating func pass(until end: ContinuousClock.Instant) {
    var count = 0
    while let deadline = session.deadline, deadline <= end, count < 2000 {
      now = max(now, deadline)
      let effects = session.handleTimeout(now)
      perform(effects)
      count += 1
    }
    if count == 2000 { Issue.record("deadlines do not pass") }
    now = max(now, end)
  }

  mutating func handle(_ event: CallSession.Event) { perform(session.handle(event, at: now)) }

  private mutating func play(_ row: Transcript.Row, _ change: (String) -> String?) {
    switch (row.channel, row.direction) {
    case ("http", "send"):
      guard let purpose = Self.purpose(row.value) else { return }
      // Some renamed themselves in the middle.
      let isRenaming = purpose == .setGuestName && recorded.contains(purpose.rawValue)
      if ![.readCapabilities, .listCall, .changeCallFlags].contains(purpose), !isRenaming {
        recorded.append(purpose.rawValue)
      }
      if purpose == .leaveCall, !isLeaving {
        isLeaving = true
        handle(.leave)
      }
    case ("http", "recv"): break
    case ("ws", "open"): if let socket { handle(.socketOpened(socket)) }
    case ("ws", "close"), ("ws", "abort"): if let socket { handle(.socketClosed(socket, nil)) }
    case ("ws", "send"):
      guard let message = try? ClientMessage(text: row.text), let word = Self.word(message) else { return }
      recorded.append(word)
      if let id = message.id { recordedIDs[id] = "\(word)#\(counts[word, default: 0])" }
      counts[word, default: 0] += 1
    case ("ws", "recv"):
      guard let socket, let text = change(translate(row)) else { return }
      handle(.socketMessage(socket, text))
    case ("pc", "state"):
      guard let name = row.value["pc"].string else { return }
      let key = name == "pub" ? "pub" : String(name.dropFirst(4).prefix(6))
      guard let peer = peers[key] else { return }
      switch row.value["connection"].string {
      case "connected": handle(.peer(peer, .connected))
      case "closed": handle(.peer(peer, .closed))
      case "failed": handle(.peer(peer, .failed(PeerFailure(.lost, detail: ""))))
      default: break
      }
    default: break
    }
  }

  /// The answer to the recorded client's n-th message of a kind is the answer to ours.
  private func translate(_ row: Transcript.Row) -> String {
    guard var message = row.value["msg"].object, let id = message["id"]?.string else { return row.text }
    guard let reference = recordedIDs[id] else { return row.text }
    let parts = reference.split(separator: "#")
    if let index = Int(parts[1]), let known = ids[String(parts[0])], index < known.count {
      message["id"] = .string(known[index])
    }
    return JSONCoding.text(JSONValue.object(message))
  }

  private mutating func perform(_ new: [CallEffect]) {
    effects += new
    for effect in new {
      switch effect {
      case .request(let request): answer(request)
      case .openSocket(let id, _):
        socket = id
        if !hasOpenRows { handle(.socketOpened(id)) }
      case .closeSocket(let id): if socket == id { socket = nil }
      case .send(_, let text):
        guard let message = try? ClientMessage(text: text), let word = Self.word(message) else { continue }
        ours.append(word)
        ids[word, default: []].append(message.id ?? "")
      case .createPublisher(let id, _):
        peers["pub"] = id
        handle(.peer(id, .offerReady(sdp: "offer")))
      case .createSubscriber(let id, let participant, _, _):
        peers[String(participant.session.prefix(6))] = id
        handle(.peer(id, .answerReady(sdp: "answer")))
      case .applyOffer(let id, _): handle(.peer(id, .answerReady(sdp: "answer")))
      case .finish: finishes += 1
      default: break
      }
    }
  }

  private mutating func answer(_ request: HTTPRequest) {
    if ![.readCapabilities, .listCall, .changeCallFlags].contains(request.purpose) {
      ours.append(request.purpose.rawValue)
    }
    let reply: HTTPReply
    if var known = replies[request.purpose], !known.isEmpty {
      let row = known.removeFirst()
      replies[request.purpose] = known
      reply = HTTPReply(status: row["status"].int ?? 200, body: JSONCoding.encode(row["body"]))
    } else {
      let data: JSONValue =
        switch request.purpose {
        case .readCapabilities: Rehearsal.capabilities()
        case .listCall: [["sessionId": "somebody else"]]
        default: .null
        }
      let status = request.purpose == .leaveCall || request.purpose == .leaveConversation ? 200 : 404
      let isAnswered = request.purpose == .readCapabilities || request.purpose == .listCall
      reply = HTTPReply(
        status: isAnswered ? 200 : status, body: JSONCoding.encode(JSONValue.object(["ocs": ["data": data]])))
    }
    // Joining the call is answered after the signaling server has spread the news, as it was recorded.
    if request.purpose != .joinCall || reply.status != 200 { handle(.reply(request.id, reply)) }
  }
}

@Suite struct ReplayTests {
  /// Sessions of guests that went by the order, whatever happened to them.
  static let sessions: [(String, String)] = [
    ("listen-only-publisher-already-there", "Listener"), ("listen-only-publisher-already-there", "Publisher"),
    ("guest-first-publisher-later", "Publisher"), ("guest-participant-list", "Listener"),
    ("guest-participant-list", "Anna Publisher"), ("mute-unmute", "Publisher"), ("chromium-both", "Chromium listener"),
    ("chromium-both", "Chromium publisher"), ("chromium-publisher-audio", "Listener"),
    ("chromium-publisher-audio", "Chromium"), ("chromium-publisher-audio-dc", "Listener"),
    ("chromium-publisher-audio-video", "Listener"), ("chromium-publisher-audio-video-simulcast", "Listener"),
    ("chromium-listener-turn-relay", "Chromium listener"), ("audio-only-from-av-publisher", "L plain"),
    ("audio-only-from-av-publisher", "L rejects video"), ("experiments-hpb-2.0.2", "A listen flags1"),
    ("publisher-leaves", "Publisher-leaves-call"),
    ("long-run-and-token-expiry", "Long listener"), ("long-run-and-token-expiry", "Long publisher"),
    ("room-made-private", "Guest"),
  ]

  @Test(arguments: sessions)
  func `given what the server said to a recorded client, we do what it did, in its order`(
    name: String, who: String
  ) throws {
    var replay = try Replay(Transcript(name), who: who)
    replay.run()
    replay.pass(until: replay.now + .seconds(10))
    #expect(!replay.recorded.isEmpty)
    #expect(replay.ours == replay.recorded)
    #expect(replay.finishes == 1)
  }

  @Test(arguments: Transcript.names)
  func `whatever a server says, the rules are kept`(name: String) throws {
    let transcript = try Transcript(name)
    for who in Set(transcript.rows.filter { $0.channel == "ws" }.map(\.who)).sorted() {
      var replay = try Replay(transcript, who: who)
      replay.run()
      replay.handle(.leave)
      replay.pass(until: replay.now + .seconds(10))
      #expect(replay.finishes == 1, "\(who)")
      checkRules(replay.effects, who)
    }
  }

  @Test(arguments: Transcript.names)
  func `a server that talks nonsense brings nothing down`(name: String) throws {
    let transcript = try Transcript(name)
    let clients = Set(transcript.rows.filter { $0.channel == "ws" }.map(\.who)).sorted()
    for seed in 0..<UInt64(max(1, 8 / max(1, clients.count))) {
      for who in clients {
        var random = SeededGenerator(state: seed)
        var replay = try Replay(transcript, who: who)
        replay.run { Self.spoil($0, &random) }
        for number in 1...40 {
          let peer = PeerID(number: number)
          let events: [PeerEvent] = [
            .failed(PeerFailure(.lost, detail: "")), .closed, .inactive, .active, .connected, .dataChannelOpened,
            .answerReady(sdp: ""), .offerReady(sdp: ""), .dataMessage("{}"),
            .candidate(ICECandidatePayload(candidate: "")),
          ]
          if let event = events.randomElement(using: &random) { replay.handle(.peer(peer, event)) }
        }
        replay.pass(until: replay.now + .seconds(100))
        replay.handle(.leave)
        replay.pass(until: replay.now + .seconds(10))
        #expect(replay.finishes == 1, "\(who), seed \(seed)")
        checkRules(replay.effects, who)
      }
    }
  }

  /// Now and then: nothing, half of it, a wrong byte, a wrong word, or a number where a word was.
  private static func spoil(_ text: String, _ random: inout SeededGenerator) -> String? {
    switch Int.random(in: 0..<20, using: &random) {
    case 0: return nil
    case 1: return String(text.prefix(Int.random(in: 0...text.count, using: &random)))
    case 2, 3:
      var bytes = Array(text.utf8)
      for _ in 0..<3 {
        if let index = bytes.indices.randomElement(using: &random) {
          bytes[index] = .random(in: 0...255, using: &random)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    case 4, 5, 6:
      var words = text.split(separator: "\"", omittingEmptySubsequences: false)
      if let one = words.indices.randomElement(using: &random), let other = words.indices.randomElement(using: &random)
      {
        words.swapAt(one, other)
      }
      return words.joined(separator: "\"")
    case 7:
      return text.replacing(":{", with: ":[{", maxReplacements: 1).replacing("}}", with: "}]}", maxReplacements: 1)
    case 8: return text.replacing("true", with: "-1").replacing(":3,", with: ":1e99,").replacing("null", with: "{}")
    default: return text
    }
  }

  /// What must hold in whatever order things come.
  private func checkRules(_ effects: [CallEffect], _ who: String) {
    var isInRoom = false
    var openPeers: Set<PeerID> = []
    var openSockets: Set<SocketID> = []
    for (index, effect) in effects.enumerated() {
      switch effect {
      case .request(let request):
        if request.purpose == .joinConversation { isInRoom = false }
        if request.purpose == .joinCall, !isInRoom { Issue.record("\(who): the call before the room") }
      case .send(let socket, let text):
        if !openSockets.contains(socket) { Issue.record("\(who): a message without a socket") }
        if text.contains(#""id":"room-"#) { isInRoom = true }
      case .openSocket(let id, _): openSockets.insert(id)
      case .closeSocket(let id): openSockets.remove(id)
      case .createPublisher(let id, _), .createSubscriber(let id, _, _, _): openPeers.insert(id)
      case .closePeer(let id):
        if openPeers.remove(id) == nil { Issue.record("\(who): \(id) is closed twice") }
      case .applyAnswer(let id, _), .applyOffer(let id, _), .addCandidate(let id, _), .sendData(let id, _):
        if !openPeers.contains(id) { Issue.record("\(who): \(id) is used after its end") }
      case .finish:
        if index != effects.count - 1 { Issue.record("\(who): something follows the end") }
        if !openPeers.isEmpty { Issue.record("\(who): \(openPeers.count) peers stay open") }
      case .muteMicrophone, .report: break
      }
    }
  }
}
