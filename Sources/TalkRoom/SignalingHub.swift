internal import TalkProtocol

/// The signaling server's side of the socket protocol, as `nextcloud-spreed-signaling` (the HPB) speaks it with an SFU
/// behind it. Pure: messages, notifications and time come in, effects come out.
///
/// It keeps the real server's rules because clients trip over them: hello within 2 s, a room within 10 s, 64 KiB a
/// message, 30 s to resume, and above all the in-call gate: a `requestoffer` is answered only between sessions that a
/// *notification after their room join* has put in the call.
struct SignalingHub {
  typealias SocketID = Int
  typealias RequestID = Int

  /// How long the server waits. The defaults are the real server's.
  struct Deadlines: Sendable {
    var hello: Duration = .seconds(2)
    var room: Duration = .seconds(10)
    var resume: Duration = .seconds(30)
    /// For a publisher to appear and to be connected after a `requestoffer`.
    var media: Duration = .seconds(10)
  }

  enum Event {
    case opened(SocketID)
    case received(SocketID, String)
    case closed(SocketID)
    /// The backend's answer to `Effect.joinRoom`.
    case roomJoined(RequestID, Result<RoomAdmission, Refusal>)
    case notification(RoomNotification)
    case media(MediaEvent)
  }

  enum Effect: Equatable {
    case send(SocketID, JSONValue)
    /// With a close frame of this code, or by just dropping the connection.
    case close(SocketID, code: Int?)
    case joinRoom(RequestID, room: String, talkSession: String, userID: String)
    case leaveRoom(room: String, talkSession: String, userID: String)
    case media(MediaCommand)
  }

  /// Why somebody is turned away: goes to the client as an `error` message.
  struct Refusal: Error, Equatable {
    var code: String
    var message: String
  }

  /// What the backend says about a session that may enter a room.
  struct RoomAdmission: Equatable {
    var properties: JSONValue
    /// Nil: everything is allowed.
    var permissions: Set<String>?
  }

  /// Who a `hello` belongs to.
  struct Identity: Equatable {
    /// Empty for guests.
    var userID = ""
    var isInternal = false
  }

  /// A room that the backend has been asked about.
  struct PendingJoin {
    let request: RequestID
    let room: String
    let talkSession: String
    /// The id of the client's message.
    let id: JSONValue?
  }

  struct Session {
    let id: String
    let resumeID: String
    let identity: Identity
    /// What an internal client says of itself.
    var ownFlags = 0
    var socket: SocketID?
    var room: String?
    var talkSession: String?
    var permissions: Set<String>?
    /// Set while no room is joined (guests) or the socket is gone.
    var deadline: ContinuousClock.Instant?
    var pending: [JSONValue] = []
    var pendingJoin: PendingJoin?
  }

  struct Room {
    var properties: JSONValue
    /// In order of joining.
    var sessions: [String] = []
    /// Sessions that passed the gate, with their flags.
    var inCall: [String: Int] = [:]
    /// Those of Nextcloud's last list of the call. A call's end for everybody does not change it, as with the real server.
    var listed: [JSONValue] = []
    /// The last participant entries sent, for the snapshot after a resume.
    var entries: [String: JSONValue] = [:]
  }

  static let version = "1.2.4~talkroom"
  static let features: [JSONValue] = [
    "audio-video-permissions", "dialout", "hello-v2", "incall-all", "mcu", "recipient-call", "simulcast", "switchto",
    "transient-data", "update-sdp", "virtual-sessions", "welcome",
  ]
  static let largestMessage = 64 * 1024
  private static let mostPending = 1000

  let deadlines: Deadlines
  /// Checks a hello's `auth`: version, then the `auth` object.
  let authenticate: @Sendable (String, JSONValue) -> Result<Identity, Refusal>
  private var random: any RandomNumberGenerator & Sendable

  var sockets: [SocketID: ContinuousClock.Instant] = [:]
  var sessionOfSocket: [SocketID: String] = [:]
  var sessions: [String: Session] = [:]
  var rooms: [String: Room] = [:]
  var media = MediaState()
  private var nextRequest = 0

  init(
    deadlines: Deadlines = Deadlines(), random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
    authenticate: @escaping @Sendable (String, JSONValue) -> Result<Identity, Refusal>
  ) {
    self.deadlines = deadlines
    self.random = random
    self.authenticate = authenticate
  }

  /// When `handleTimeout` is due.
  var deadline: ContinuousClock.Instant? {
    let waits = sockets.values.map { $0 } + sessions.values.compactMap(\.deadline) + media.waiting.map(\.deadline)
    return waits.min()
  }

  mutating func handle(_ event: Event, at now: ContinuousClock.Instant) -> [Effect] {
    switch event {
    case .opened(let socket):
      sockets[socket] = now + deadlines.hello
      return [
        .send(
          socket,
          ["type": "welcome", "welcome": ["version": .string(Self.version), "features": .array(Self.features)]])
      ]
    case .received(let socket, let text): return received(text, on: socket, at: now)
    case .closed(let socket): return closed(socket, at: now)
    case .roomJoined(let request, let result): return roomJoined(request, result, at: now)
    case .notification(let notification): return handle(notification, at: now)
    case .media(let event): return handle(event, at: now)
    }
  }

  mutating func handleTimeout(at now: ContinuousClock.Instant) -> [Effect] {
    var effects: [Effect] = []
    for (socket, deadline) in sockets where deadline <= now {
      sockets[socket] = nil
      effects += [.send(socket, Self.bye("hello_timeout")), .close(socket, code: 1000)]
    }
    for session in sessions.values where session.deadline.map({ $0 <= now }) ?? false {
      if let socket = session.socket {
        sessionOfSocket[socket] = nil
        effects += [.send(socket, Self.bye("room_join_timeout")), .close(socket, code: 1000)]
      }
      effects += end(session.id)
    }
    return effects + mediaTimeout(at: now)
  }

  // MARK: Sockets and sessions

  private mutating func received(_ text: String, on socket: SocketID, at now: ContinuousClock.Instant) -> [Effect] {
    guard text.utf8.count <= Self.largestMessage else {
      return [.close(socket, code: 1009)] + closed(socket, at: now)
    }
    guard let message = JSONValue(parsing: text.utf8), let type = message["type"].string else {
      return [.send(socket, Self.error("invalid_format", "Invalid data format.", id: nil))]
    }
    let id: JSONValue? = message["id"] == .null ? nil : message["id"]
    guard let sessionID = sessionOfSocket[socket] else {
      guard sockets[socket] != nil else { return [] }
      guard type == "hello" else {
        return [.send(socket, Self.error("hello_expected", "Expected Hello request.", id: id))]
      }
      return hello(message["hello"], id: id, on: socket, at: now)
    }
    let body = message[type]
    switch type {
    case "room": return room(body, id: id, from: sessionID, at: now)
    case "message": return relay(body, id: id, from: sessionID, at: now)
    case "control": return control(body, from: sessionID)
    case "bye":
      sessionOfSocket[socket] = nil
      sockets[socket] = nil
      let reply: JSONValue = ["type": "bye"]
      return [.send(socket, reply.merging(id.map { ["id": $0] } ?? [:])), .close(socket, code: 1000)] + end(sessionID)
    case "internal": return internalMessage(body, from: sessionID)
    case "transient":
      return [.send(socket, Self.error("not_allowed", "Not allowed to change transient data.", id: id))]
    default: return [.send(socket, Self.error("invalid_format", "Invalid data format.", id: id))]
    }
  }

  private mutating func hello(
    _ hello: JSONValue, id: JSONValue?, on socket: SocketID, at now: ContinuousClock.Instant
  ) -> [Effect] {
    if let resumeID = hello["resumeid"].string {
      guard var session = sessions.values.first(where: { $0.resumeID == resumeID }) else {
        return [.send(socket, Self.error("no_such_session", "The session to resume does not exist.", id: id))]
      }
      var effects: [Effect] = []
      if let old = session.socket {
        sessionOfSocket[old] = nil
        effects += [.send(old, Self.bye("session_resumed")), .close(old, code: 1000)]
      }
      sockets[socket] = nil
      sessionOfSocket[socket] = session.id
      session.socket = socket
      session.deadline = session.room == nil && session.identity == Identity() ? now + deadlines.room : nil
      let pending = session.pending
      session.pending = []
      sessions[session.id] = session
      effects.append(.send(socket, helloReply(session, id: id, version: hello["version"].string ?? "2.0")))
      effects += pending.map { .send(socket, $0) }
      if let room = session.room, let state = rooms[room], !state.entries.isEmpty {
        effects.append(.send(socket, Self.participantsUpdate(room: room, users: state.entries.values.map { $0 })))
      }
      return effects
    }
    guard let version = hello["version"].string, ["1.0", "2.0"].contains(version) else {
      return [.send(socket, Self.error("invalid_hello_version", "The hello version is not supported.", id: id))]
    }
    switch authenticate(version, hello["auth"]) {
    case .failure(let refusal):
      sockets[socket] = now + deadlines.hello
      return [.send(socket, Self.error(refusal.code, refusal.message, id: id))]
    case .success(let identity):
      var session = Session(id: drawID(66), resumeID: drawID(120), identity: identity, socket: socket)
      if identity == Identity() { session.deadline = now + deadlines.room }
      // Clients of before that feature are taken to speak.
      let setsFlags = hello["features"].array?.contains("internal-incall") ?? false
      if identity.isInternal { session.ownFlags = setsFlags ? 0 : 3 }
      sessions[session.id] = session
      sockets[socket] = nil
      sessionOfSocket[socket] = session.id
      return [.send(socket, helloReply(session, id: id, version: version))]
    }
  }

  private func helloReply(_ session: Session, id: JSONValue?, version: String) -> JSONValue {
    let reply: JSONValue = [
      "type": "hello",
      "hello": [
        "version": .string(version), "sessionid": .string(session.id), "resumeid": .string(session.resumeID),
        "userid": .string(session.identity.userID),
        "server": ["version": .string(Self.version), "features": .array(Self.features)],
      ],
    ]
    return reply.merging(id.map { ["id": $0] } ?? [:])
  }

  private mutating func closed(_ socket: SocketID, at now: ContinuousClock.Instant) -> [Effect] {
    sockets[socket] = nil
    guard let id = sessionOfSocket.removeValue(forKey: socket), sessions[id] != nil else { return [] }
    sessions[id]!.socket = nil
    sessions[id]!.deadline = now + deadlines.resume
    return []
  }

  /// Forgets a session: its room learns that it left, the backend too, its media ends.
  mutating func end(_ id: String) -> [Effect] {
    guard let session = sessions[id] else { return [] }
    // One that is in no room may publish all the same.
    var effects = leaveRoom(id) + endMedia(of: id)
    if let room = session.room, let talkSession = session.talkSession, !session.identity.isInternal {
      effects.append(.leaveRoom(room: room, talkSession: talkSession, userID: session.identity.userID))
    }
    sessions[id] = nil
    return effects
  }

  /// Forgets everything, as a process that is killed does.
  mutating func restart() -> [Effect] {
    let ended = sessions.keys.sorted().flatMap { endMedia(of: $0) }
    let open = Array(sockets.keys) + Array(sessionOfSocket.keys)
    (sockets, sessionOfSocket, sessions, rooms, media) = ([:], [:], [:], [:], MediaState())
    return ended + open.map { .close($0, code: nil) }
  }

  /// Sends to a session, or keeps the message for its resume.
  mutating func send(_ message: JSONValue, to id: String) -> [Effect] {
    guard let session = sessions[id] else { return [] }
    if let socket = session.socket { return [.send(socket, message)] }
    // Of several hints that there is something in the chat the real server replays one.
    if session.pending.contains(message) { return [] }
    if session.pending.count < Self.mostPending { sessions[id]!.pending.append(message) }
    return []
  }

  /// A random identifier of so many characters.
  mutating func drawID(_ length: Int) -> String {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    return String((0..<length).map { _ in alphabet.randomElement(using: &random)! })
  }

  /// A handle as Janus draws them: a decimal number of up to 53 bits.
  mutating func drawHandle() -> String { String(UInt64.random(in: 1 << 48..<1 << 53, using: &random)) }

  mutating func newRequest() -> RequestID {
    nextRequest += 1
    return nextRequest
  }

  static func bye(_ reason: String) -> JSONValue { ["type": "bye", "bye": ["reason": .string(reason)]] }

  static func error(_ code: String, _ message: String, id: JSONValue?, details: JSONValue? = nil) -> JSONValue {
    let error: JSONValue = ["code": .string(code), "message": .string(message)]
    let reply: JSONValue = ["type": "error", "error": error.merging(details.map { ["details": $0] } ?? [:])]
    return reply.merging(id.map { ["id": $0] } ?? [:])
  }

  static func participantsUpdate(room: String, users: [JSONValue]) -> JSONValue {
    [
      "type": "event",
      "event": [
        "target": "participants", "type": "update", "update": ["roomid": .string(room), "users": .array(users)],
      ],
    ]
  }

  static func roomEvent(_ type: String, _ payload: JSONValue) -> JSONValue {
    ["type": "event", "event": .object(["target": "room", "type": .string(type), type: payload])]
  }
}
