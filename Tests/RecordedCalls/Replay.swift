public import TalkProtocol
internal import TestSupport

/// Plays a recorded client's server to a `CallSession`, and lists what both did in the same words.
public struct Replay {
  let rows: [Transcript.Row]
  private var session: CallSession
  private let start = ContinuousClock.now
  public private(set) var now: ContinuousClock.Instant

  /// What the recorded client did, and what we did.
  public private(set) var recorded: [String] = []
  public private(set) var ours: [String] = []
  public private(set) var effects: [CallEffect] = []
  public private(set) var finishes = 0
  /// Whether a deadline stayed in the past.
  public private(set) var hasStalled = false

  private var replies: [HTTPRequest.Purpose: [JSONValue]] = [:]
  private var open: [HTTPRequest.Purpose: RequestID] = [:]
  private var socket: SocketID?
  private var hasOpenRows: Bool
  private var recordedIDs: [String: String] = [:]
  private var ids: [String: [String]] = [:]
  private var counts: [String: Int] = [:]
  private var peers: [String: PeerID] = [:]
  private var isLeaving = false
  private var spoilReply: ([UInt8]) -> [UInt8] = { $0 }

  public init(_ transcript: Transcript, who: String) throws {
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
    session = CallSession(configuration: configuration, random: SeededRandom(seed: 7))
    now = start
    // A recorded client asks each thing once per course of events, as we do: its answers are ours, in their order.
    var asked: [String: HTTPRequest.Purpose] = [:]
    for row in rows where row.channel == "http" {
      let url = row.value["url"].string ?? ""
      if row.direction == "send" {
        asked[url] = Self.purpose(row.value)
      } else if row.direction == "recv", let purpose = asked[url] {
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

  /// Plays all of it.
  /// - Parameters:
  ///   - messages: May spoil, multiply or drop what the server says.
  ///   - replies: May spoil the bodies of its answers.
  public mutating func run(
    messages: (String) -> [String] = { [$0] }, replies: @escaping ([UInt8]) -> [UInt8] = { $0 }
  ) {
    spoilReply = replies
    now = start + (rows.first?.time ?? .zero)
    handle(.start)
    for row in rows {
      pass(until: start + row.time)
      play(row, messages)
    }
  }

  public mutating func pass(until end: ContinuousClock.Instant) {
    var count = 0
    while let deadline = session.deadline, deadline <= end, count < 2000 {
      now = max(now, deadline)
      let effects = session.handleTimeout(now)
      perform(effects)
      count += 1
    }
    if count == 2000 { hasStalled = true }
    now = max(now, end)
  }

  public mutating func handle(_ event: CallSession.Event) { perform(session.handle(event, at: now)) }

  private mutating func play(_ row: Transcript.Row, _ change: (String) -> [String]) {
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
      for text in change(translate(row)) {
        guard let socket else { return }
        handle(.socketMessage(socket, text))
      }
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
      reply = HTTPReply(status: row["status"].int ?? 200, body: spoilReply(JSONCoding.encode(row["body"])))
    } else {
      let data: JSONValue =
        switch request.purpose {
        case .readCapabilities:
          ["capabilities": ["spreed": ["features": ["conversation-v4", "signaling-v3"], "config": [:]]]]
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
