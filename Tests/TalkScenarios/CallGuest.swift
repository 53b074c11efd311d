internal import GLibLoop
internal import HTTPClient
public import TalkProtocol
internal import TestSupport
internal import Transport
public import WebTransport

/// A guest that does each step of a call by hand, right or wrong, and sees raw answers: what the rules of a server are
/// tried with, an embedded room's or a real one's. It shares no logic with the client under development.
public actor CallGuest {
  /// An HTTP reply.
  public struct Reply: Sendable {
    public let status: Int
    public let headers: @Sendable (String) -> String?
    /// The whole body, `null` where it is no JSON.
    public let body: JSONValue
    /// What the OCS envelope holds.
    public var data: JSONValue { body["ocs"]["data"] }
  }

  public nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  /// The installation's address.
  public nonisolated let base: String
  public nonisolated let token: String
  /// The local address that media uses.
  nonisolated let mediaAddress: String
  private let http = HTTPSession()
  private var socket: WebSocket?
  private var reader: Task<Void, Never>?
  private var nextID = 0

  /// The Talk session of the last `activate`.
  public var talkSession = ""
  /// The signaling session of the last `hello`, and what resumes it.
  public private(set) var session = ""
  public private(set) var resumeID = ""
  /// All that came over the socket, in order.
  public private(set) var inbox: [JSONValue] = []
  /// How the last socket ended; nil while it is open.
  public private(set) var closure: WebSocketClosure?

  // Media, see CallGuest+Media.swift.
  var publisher: MediaPeer?
  var publisherID = ""
  /// By session of the publisher.
  var subscriptions: [String: Subscription] = [:]
  /// Connections that are given up, or meant not to come about.
  var unheard: [MediaPeer] = []
  /// The message that carried the last answer to an offer.
  public internal(set) var answerID = ""
  /// Whether subscriptions open a data channel.
  public var opensChannels = true
  public var answersOffers = true
  /// The `sid` in answers, made from that of the offer.
  private(set) var answerSID: @Sendable (String) -> String? = { $0 }

  public init(base: String, token: String, mediaAddress: String = "127.0.0.1") {
    self.base = base
    self.token = token
    self.mediaAddress = mediaAddress
  }

  public func setOpensChannels(_ opens: Bool) { opensChannels = opens }
  public func setAnswersOffers(_ answers: Bool) { answersOffers = answers }
  public func setAnswerSID(_ sid: @escaping @Sendable (String) -> String?) { answerSID = sid }

  // MARK: HTTP

  /// - Parameter path: Below `/ocs/v2.php/apps/spreed/api/`, or a whole path where it begins with `/`.
  @discardableResult
  public func request(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> Reply {
    let url = base + (path.hasPrefix("/") ? path : "/ocs/v2.php/apps/spreed/api/" + path)
    var headers: HTTPHeaders = ["OCS-APIRequest": "true", "Accept": "application/json"]
    if body != nil { headers["Content-Type"] = "application/json" }
    let response = try await http.send(
      HTTPRequest(method, url, headers: headers, body: body.map { JSONCoding.encode($0) }))
    let json = try? JSONCoding.decode(JSONValue.self, from: response.body)
    return Reply(status: response.status, headers: { response.headers[$0] }, body: json ?? .null)
  }

  /// `POST participants/active`; the new Talk session is kept.
  @discardableResult
  public func activate(password: String? = nil, force: Bool? = nil) async throws -> Reply {
    var body: [String: JSONValue] = [:]
    body["password"] = password.map { .string($0) }
    body["force"] = force.map { .bool($0) }
    let reply = try await request("POST", "v4/room/\(token)/participants/active", .object(body))
    if reply.status == 200, let session = reply.data["sessionId"].string { talkSession = session }
    return reply
  }

  @discardableResult
  public func rename(_ name: String) async throws -> Reply {
    try await request("POST", "v1/guest/\(token)/name", ["displayName": .string(name)])
  }

  public func settings() async throws -> JSONValue {
    try await request("GET", "v3/signaling/settings?token=\(token)").data
  }

  /// `POST call`.
  @discardableResult
  public func joinCall(flags: Int = 3, consent: Bool? = nil) async throws -> Reply {
    var body: [String: JSONValue] = ["flags": .number(Double(flags)), "silent": true]
    body["recordingConsent"] = consent.map { .bool($0) }
    return try await request("POST", "v4/call/\(token)", .object(body))
  }

  @discardableResult
  public func leaveCall() async throws -> Reply { try await request("DELETE", "v4/call/\(token)") }

  // MARK: The socket

  /// Opens a socket, in place of any earlier one.
  public func connect(to server: String? = nil) async throws {
    let address: String
    if let server { address = server } else { address = try await settings()["server"].string ?? "" }
    let socket = try await WebSocket.connect(to: address.replacing(/^http/, with: "ws") + "/spreed")
    self.socket?.abort()
    self.socket = socket
    closure = nil
    reader = Task { [weak self] in
      for await event in socket.events { await self?.received(event, on: socket) }
    }
  }

  private func received(_ event: WebSocketEvent, on socket: WebSocket) {
    guard socket === self.socket else { return }
    switch event {
    case .text(let text):
      let message = (try? JSONCoding.decode(JSONValue.self, from: text)) ?? .null
      inbox.append(message)
      if message["type"] == "hello" {
        session = message["hello"]["sessionid"].string ?? ""
        resumeID = message["hello"]["resumeid"].string ?? ""
      }
      if message["type"] == "message" { receivedMedia(message["message"]) }
    case .closed(let closure): self.closure = closure
    }
  }

  /// Sends a message with an id of its own.
  @discardableResult
  public func send(_ type: String, _ body: JSONValue) -> String {
    nextID += 1
    let id = String(nextID)
    send(text: JSONCoding.text(JSONValue.object(["id": .string(id), "type": .string(type), type: body])))
    return id
  }

  public func send(text: String) { socket?.send(text) }

  /// Drops the socket without a close frame.
  public func drop() { socket?.abort() }

  /// The first message that matches, of those that came since `start` (an index of `inbox`) or will come.
  @discardableResult
  public func message(
    _ what: String, since start: Int = 0, within limit: Duration = .seconds(20),
    where matches: @Sendable (JSONValue) -> Bool
  ) async throws -> JSONValue {
    var found: JSONValue?
    try await eventually(within: limit, what) {
      found = inbox.dropFirst(start).first(where: matches)
      return found != nil
    }
    return found!
  }

  /// The answer to the message of this id.
  public func answer(to id: String) async throws -> JSONValue {
    try await message("an answer to \(id)") { $0["id"].string == id }
  }

  /// The answer, or the error code, that a message gets.
  public func answerType(to id: String) async throws -> String {
    let answer = try await answer(to: id)
    return answer["error"]["code"].string ?? answer["type"].string ?? ""
  }

  /// A full `hello`, with settings fetched for it.
  @discardableResult
  public func hello(version: String = "2.0", params: JSONValue? = nil) async throws -> JSONValue {
    var params = params
    if params == nil { params = try await settings()["helloAuthParams"][version] }
    let auth: JSONValue = [
      "url": .string(base + "/ocs/v2.php/apps/spreed/api/v3/signaling/backend"), "params": params ?? .null,
    ]
    return try await answer(to: send("hello", ["version": .string(version), "features": [], "auth": auth]))
  }

  @discardableResult
  public func resume() async throws -> JSONValue {
    try await answer(to: send("hello", ["version": "2.0", "resumeid": .string(resumeID)]))
  }

  /// Enters the room on the socket and waits for the reply.
  @discardableResult
  public func enterRoom(talkSession: String? = nil) async throws -> JSONValue {
    let session: JSONValue = .string(talkSession ?? self.talkSession)
    return try await answer(to: send("room", ["roomid": .string(token), "sessionid": session]))
  }

  /// Waits until the server has dealt with everything that was sent to it from within the room: it takes a socket's
  /// messages in order, and answers who enters a room that it is in (`already_joined`).
  public func flush() async throws { try await enterRoom() }

  /// Everything in the right order up to `POST call`.
  public func enterCall(flags: Int = 3, name: String? = nil) async throws {
    try await activate()
    if let name { try await rename(name) }
    try await connect()
    try await hello()
    try await enterRoom()
    try await joinCall(flags: flags)
    let session = session
    try await message("the own call flags") { message in
      message["event"]["update"]["users"].array?.contains { $0["sessionId"].string == session } ?? false
    }
  }

  /// Sends data to a session.
  @discardableResult
  public func send(to recipient: String, _ data: [String: JSONValue]) -> String {
    send("message", ["recipient": ["type": "session", "sessionid": .string(recipient)], "data": .object(data)])
  }

  /// Ends everything without a word.
  public func close() async {
    reader?.cancel()
    socket?.abort()
    socket = nil
    await endMedia()
    await http.close()
  }
}
