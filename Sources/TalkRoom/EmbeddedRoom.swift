internal import FoundationEssentials
internal import GLibLoop
internal import Glibc
internal import Signatures
internal import TalkProtocol
internal import Transport
internal import WebTransport

/// A small Talk server in this process: the OCS calls of a guest, the signaling socket and a forwarding unit, on one port.
///
/// It serves the demo, whoever wants to try the program without a server, and the tests; with `ExternalSignaling` it is
/// the Nextcloud of a real signaling server instead. It lives on the network loop. Call `stop` before letting go of it.
public actor EmbeddedRoom {
  public struct Options: Sendable {
    /// An IP address of this machine; the sound goes over it too.
    public var address = "127.0.0.1"
    /// 0: any free port.
    public var port = 0
    public var installation = Installation()
    public var deadlines = Deadlines()
    public var externalSignaling: ExternalSignaling?
    /// What the signaling settings offer: `stun:` addresses.
    public var stunServers: [String] = []
    public var turnServers: [TURNServer] = []
    /// What internal clients of the signaling side must know; nil: there are none.
    public var internalSecret: String?
    /// What a recording server must know; nil: there is none.
    public var recordingSecret: String?
    /// With certificate and key, PEM files, the room speaks HTTPS.
    public var certificateFile: String?
    public var keyFile: String?
    /// Hears all that passes between the room and its clients, secrets included; on the room's loop.
    public var observer: (@Sendable (RoomTraffic) -> Void)?

    public init() {}
  }

  /// How long the signaling side waits; the defaults are a real server's.
  public struct Deadlines: Sendable {
    /// For `hello` after the socket opened.
    public var hello: Duration = .seconds(2)
    /// For a guest to enter a room.
    public var room: Duration = .seconds(10)
    /// For a session whose socket is gone to come back.
    public var resume: Duration = .seconds(30)
    /// For a publisher to appear, and to be connected, after it was asked for.
    public var media: Duration = .seconds(10)

    public init() {}
  }

  /// A real signaling server (HPB) that uses this room as its Nextcloud.
  public struct ExternalSignaling: Sendable {
    /// Its address, `http://host:port`.
    public var url: String
    /// The secret it shares with Nextcloud.
    public var secret: String

    public init(url: String, secret: String) {
      self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
      self.secret = secret
    }
  }

  /// A TURN server with the secret from which its passwords are made.
  public struct TURNServer: Sendable {
    /// `turn:` and `turns:` addresses.
    public var urls: [String]
    public var secret: String

    public init(urls: [String], secret: String) {
      self.urls = urls
      self.secret = secret
    }
  }

  public nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  private let options: Options
  private let tokens = HelloTokens()
  private var server: TalkServer
  private var webServer: WebServer?
  private var forwarding: ForwardingUnit?
  private var backend: SignalingBackend?
  private var timer: LoopTimer?
  private var sockets: [Int: WebSocket] = [:]
  private var nextSocket = 0
  private var chatWaiters: [Int: CheckedContinuation<Void, Never>] = [:]
  private var nextWaiter = 0
  /// As of the last look: when it has moved on, the waiters are woken.
  private var nextMessage = 1

  /// Since a fault of that kind.
  private var isOutOfReach = false
  /// The faults in force.
  public private(set) var faults = RoomFaults()

  public init(_ options: Options = Options(), conversations: [HostedConversation]) {
    self.options = options
    let tokens = tokens
    tokens.admitInternalClients(knowing: options.internalSecret)
    var nextcloud = Nextcloud { tokens.issue(for: $0) }
    nextcloud.helloTokenKey = tokens.publicKeyPEM
    nextcloud.installation = options.installation
    for conversation in conversations { nextcloud.conversations[conversation.token] = conversation }
    let deadlines = SignalingHub.Deadlines(
      hello: options.deadlines.hello, room: options.deadlines.room, resume: options.deadlines.resume,
      media: options.deadlines.media)
    let hub = SignalingHub(deadlines: deadlines) { tokens.authenticate(version: $0, $1) }
    server = TalkServer(nextcloud: nextcloud, hub: hub, usesOwnHub: options.externalSignaling == nil)
  }

  /// Opens the port.
  /// - Returns: The address of the installation, `http://127.0.0.1:PORT`; a conversation's is `/call/TOKEN` below it.
  public func start() async throws -> String {
    var certificate: WebServer.Certificate?
    if let certificateFile = options.certificateFile, let keyFile = options.keyFile {
      certificate = .init(certificateFile: certificateFile, keyFile: keyFile)
    }
    let webServer = WebServer(certificate: certificate) { [weak self] request in
      await self?.respond(to: request) ?? .drop
    }
    let port = try await webServer.listen(address: options.address, port: options.port)
    self.webServer = webServer
    let host = options.address.contains(":") ? "[\(options.address)]" : options.address
    let base = "\(certificate == nil ? "http" : "https")://\(host):\(port)" + options.installation.path
    tokens.serve(base)
    forwarding = try ForwardingUnit(address: options.address) { [weak self] event in
      self?.assumeIsolated { $0.handle(.media(event)) }
    }
    pass(faults)
    timer = LoopTimer(on: .network, in: self) { $0.timeIsUp() }
    if let external = options.externalSignaling { backend = SignalingBackend(external, base: base) }
    server.nextcloud.signaling.base = base
    server.nextcloud.signaling.server = options.externalSignaling?.url ?? base + "/standalone-signaling"
    server.nextcloud.signaling.stunServers = options.stunServers.map { ["urls": [.string($0)]] }
    server.nextcloud.signaling.turnServers = options.turnServers.map { turn in
      let username = "\(time + 86_400):talkroom"
      let credential = HMAC.sha1(key: turn.secret.utf8, message: username.utf8)
      return [
        "urls": .array(turn.urls.map { .string($0) }), "username": .string(username),
        "credential": .string(Data(credential).base64EncodedString()),
      ]
    }
    return base
  }

  /// Closes the port, drops every socket and ends all media.
  public func stop() async {
    timer?.invalidate()
    timer = nil
    wakeChatWaiters()
    sockets = [:]
    await webServer?.stop()
    webServer = nil
    await backend?.close()
    backend = nil
    await forwarding?.close()
    forwarding = nil
  }

  // MARK: What a moderator or an admin does

  /// Changes how the room misbehaves, from now on.
  public func setFaults(_ change: @Sendable (inout RoomFaults) -> Void) {
    change(&faults)
    pass(faults)
  }

  private func pass(_ faults: RoomFaults) {
    tokens.shiftClock(by: faults.nextcloudClockShift)
    forwarding?.assumeIsolated { $0.setFaults(faults) }
  }

  /// Changes a conversation's rules while it runs; those who are in it learn what Talk would tell them.
  public func change(_ token: String, _ change: @Sendable (inout HostedConversation) -> Void) async {
    await moderate { $0.change(token, time: $1, change) }
  }

  /// Ends the call for everybody.
  public func endCall(_ token: String) async { await moderate { $0.endCall(token, time: $1) } }

  /// Removes the participants of this display name.
  public func remove(_ name: String, from token: String) async {
    await moderate { nextcloud, _ in nextcloud.evict(token) { $0.displayName == name } }
  }

  /// Sends the participants of this display name to another conversation, as a moderator who opens or closes breakout rooms.
  public func send(_ name: String, from token: String, to target: String) async {
    await moderate { nextcloud, _ in nextcloud.send(token, to: target) { $0.displayName == name } }
  }

  /// Makes the participants of this display name moderators: they may do everything, for instance start a call where
  /// guests may not.
  public func promote(_ name: String, in token: String) async {
    await moderate { nextcloud, _ in nextcloud.promote(token) { $0.displayName == name } }
  }

  /// Writes messages into a conversation's chat, under a name.
  public func write(_ texts: [String], as name: String, in token: String) async {
    await moderate { $0.write(texts, as: name, in: token, time: $1) }
  }

  /// The messages that people have written into a conversation's chat, oldest first.
  public func texts(in token: String) -> [String] {
    (server.nextcloud.chat[token] ?? []).filter { $0["messageType"] == "comment" }.compactMap { $0["message"].string }
  }

  /// Forgets who is in a conversation and its call, as Talk does with sessions that it has not heard of for long.
  public func forgetSessions(in token: String) async { await moderate { $0.forget(token, time: $1) } }

  /// Deletes a conversation, with everybody still in it.
  public func delete(_ token: String) async { await moderate { nextcloud, _ in nextcloud.delete(token) } }

  /// Adds a user to the installation, perhaps with an app password.
  public func addUser(_ name: String, displayName: String, appPassword: String? = nil) {
    server.nextcloud.accounts.add(name, displayName: displayName, appPassword: appPassword)
  }

  /// A user says yes to every login that waits for that.
  public func grantLogins(to user: String) { server.nextcloud.accounts.grant(to: user) }

  /// How many app passwords of a user are good.
  public func appPasswordCount(of user: String) -> Int {
    server.nextcloud.accounts.appPasswords.count { $0.user == user }
  }

  /// Takes all app passwords of a user away.
  public func revokeAppPasswords(of user: String) { server.nextcloud.accounts.revoke(of: user) }

  /// How often somebody named a conversation that he cannot see, or gave a wrong password: what counts against an address.
  public var failedAttempts: Int { server.nextcloud.failedAttempts }

  /// How many requests came with a login that is not good.
  public var refusedLogins: Int { server.nextcloud.accounts.refusedLogins }

  /// Puts the installation into maintenance mode, in which it tells clients to come back after so many seconds, or out of it.
  public func setMaintenance(_ isInMaintenance: Bool, pause: Int = 120) {
    server.nextcloud.isInMaintenance = isInMaintenance
    server.nextcloud.maintenancePause = pause
  }

  /// Tells clients that the installation has no signaling server, or that it has one.
  public func setInternalSignaling(_ isInternal: Bool) { server.nextcloud.signaling.isInternal = isInternal }

  /// Drops every signaling socket without a close frame, as a network failure would.
  public func dropSockets() {
    for socket in sockets.values { socket.abort() }
  }

  /// What a crash and restart of the signaling server is: every socket drops, no session is remembered.
  public func restartSignaling() { carryOutNow(server.restartSignaling()) }

  private func moderate(_ change: (inout Nextcloud, _ time: Int) -> [RoomNotification]) async {
    let time = time
    await carryOut(server.moderate(time: time, at: .now) { change(&$0, time) })
  }

  // MARK: What is going on

  /// Who is in the conversation: display names, sorted.
  public func names(_ token: String) -> [String] {
    server.nextcloud.participants.filter { $0.token == token }.map(\.displayName).sorted()
  }

  /// Who is in the call: display names, sorted.
  public func namesInCall(_ token: String) -> [String] {
    server.nextcloud.participants.filter { $0.token == token && $0.isInCall }.map(\.displayName).sorted()
  }

  /// The call flags of the participant of this display name; nil where there is none.
  public func callFlags(of name: String, in token: String) -> Int? {
    server.nextcloud.participants.first { $0.token == token && $0.displayName == name }?.flags
  }

  /// How many packets of each publisher reached at least one subscriber, by display name.
  public func packetsForwarded(_ token: String) -> [String: Int] {
    let packets = forwarding?.assumeIsolated { $0.packetsForwarded } ?? [:]
    var byName: [String: Int] = [:]
    for (session, count) in packets {
      guard let talkSession = server.hub.sessions[session]?.talkSession,
        let participant = server.nextcloud.participant(talkSession: talkSession, in: token)
      else { continue }
      byName[participant.displayName, default: 0] += count
    }
    return byName
  }

  // MARK: HTTP

  private var time: Int { Int(Date.now.timeIntervalSince1970) }

  private func respond(to request: WebRequest) async -> WebResponse {
    if let redirection = faults.redirection {
      return .reply(redirection.status, headers: ["Location": redirection.base + request.path])
    }
    if faults.isUntrusted {
      let page = "<p>Access through untrusted domain. Edit the “trusted_domains” setting in config/config.php.</p>"
      return .reply(400, headers: ["Content-Type": "text/html; charset=utf-8"], text: page)
    }
    guard request.path.hasPrefix(options.installation.path + "/") else { return .reply(404, text: "Not Found") }
    return await respond(
      below: WebRequest(
        method: request.method, path: String(request.path.dropFirst(options.installation.path.count)),
        queryString: request.queryString, headers: request.headers, body: request.body))
  }

  private func respond(below request: WebRequest) async -> WebResponse {
    if faults.replyDelay > .zero { try? await Task.sleep(for: faults.replyDelay) }
    if isOutOfReach { return .drop }
    if faults.droppedRequests.contains(where: { request.path.hasSuffix($0) }) { return .drop }
    if Self.takes(request, from: &faults.lostRequests) { return .drop }
    if let status = faults.refusedRequests.first(where: { request.path.hasSuffix($0.key) })?.value {
      return webResponse(server.nextcloud.failure(status))
    }
    if request.path == "/standalone-signaling/api/v1/welcome", !server.nextcloud.signaling.isInternal {
      return .reply(
        200, text: #"{"nextcloud-spreed-signaling":"Welcome","version":"\#(SignalingHub.version)"}"#)
    }
    if request.path == "/standalone-signaling/spreed" {
      if let status = faults.refusedHandshake { return .reply(status, text: "{}") }
      return .webSocket(options: .init(maximumMessageSize: SignalingHub.largestMessage)) { [weak self] socket in
        await self?.serve(socket)
      }
    }
    if request.path == SignalingBackend.path, let backend {
      guard let body = backend.verified(request) else { return .reply(403, text: "{}") }
      return await backendReply(to: body)
    }
    var body = JSONValue(parsing: request.body) ?? .null
    if body == .null, !request.body.isEmpty { body = .object(request.form.mapValues { .string($0) }) }
    var wanted = Nextcloud.Request(
      method: request.method, path: request.path, query: request.query, cookies: request.cookies, body: body,
      login: Self.login(request.headers["Authorization"]), isRecorder: isRecorder(request))
    let title = "\(request.method) \(request.path)"
    options.observer?(.init(.received, title, String(decoding: request.body, as: UTF8.self)))
    var (reply, effects) = server.handle(wanted, time: time, at: .now)
    defer { options.observer?(.init(.sent, title, reply.text)) }
    await carryOut(effects)
    if let wait = reply.waitsForChat {
      await chatGrows(within: wait)
      wanted.query["timeout"] = "0"
      (reply, effects) = server.handle(wanted, time: time, at: .now)
      await carryOut(effects)
    }
    if Self.takes(request, from: &faults.lostReplies) { return .drop }
    if let last = faults.lastRequest, Self.matches(request, last) { isOutOfReach = true }
    return isOutOfReach ? .drop : webResponse(reply)
  }

  /// Whether it comes from a recording server that knows the secret; nil where it does not claim to.
  private func isRecorder(_ request: WebRequest) -> Bool? {
    guard let random = request.headers["Talk-Recording-Random"],
      let checksum = request.headers["Talk-Recording-Checksum"]
    else { return nil }
    guard let secret = options.recordingSecret, random.count >= 32 else { return false }
    let expected = HMAC.sha256(key: secret.utf8, message: Array(random.utf8) + request.body).hexadecimal
    return isEqualInConstantTime(Array(expected.utf8), Array(checksum.utf8))
  }

  /// Reads HTTP's Basic scheme (RFC 7617).
  private static func login(_ header: String?) -> Nextcloud.Login? {
    guard let header, header.lowercased().hasPrefix("basic "),
      let data = Data(base64Encoded: String(header.dropFirst("basic ".count))),
      let text = String(data: data, encoding: .utf8), let colon = text.firstIndex(of: ":")
    else { return nil }
    return Nextcloud.Login(user: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
  }

  /// Whether a fault that happens so many times happens now.
  private static func takes(_ request: WebRequest, from faults: inout [String: Int]) -> Bool {
    let key = faults.keys.first { matches(request, $0) }
    guard let key, let left = faults[key], left > 0 else { return false }
    faults[key] = left - 1
    return true
  }

  /// RFC 9110 §5.6.7.
  private static func dateHeader(_ seconds: Int) -> String {
    var (seconds, parts) = (time_t(seconds), tm())
    gmtime_r(&seconds, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      // In English, for this program never leaves the C locale.
      let count = strftime(text.baseAddress!, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
      return count > 0 ? String(cString: text.baseAddress!) : ""
    }
  }

  /// Whether a request has this method and end of path.
  private static func matches(_ request: WebRequest, _ description: String) -> Bool {
    let words = description.split(separator: " ")
    return words.count == 2 && request.method == words[0] && request.path.hasSuffix(words[1])
  }

  private func webResponse(_ reply: Nextcloud.Reply) -> WebResponse {
    var headers: HTTPHeaders = [:]
    for (name, value) in reply.headers { headers[name] = value }
    if faults.nextcloudClockShift != .zero {
      headers["Date"] = Self.dateHeader(time + Int(faults.nextcloudClockShift.components.seconds))
    }
    if let cookie = reply.sessionCookie {
      headers["Set-Cookie"] = "\(Nextcloud.sessionCookieName)=\(cookie); path=/; HttpOnly; SameSite=Lax"
    }
    if let page = reply.page {
      headers["Content-Type"] = "text/html; charset=utf-8"
      return .reply(reply.status, headers: headers, text: page)
    }
    guard let body = reply.body else { return .reply(reply.status, headers: headers) }
    return .reply(reply.status, headers: headers, text: body.text)
  }

  /// What the real signaling server asks of its Nextcloud.
  private func backendReply(to body: JSONValue) async -> WebResponse {
    let token = body["room"]["roomid"].string ?? ""
    let talkSession = body["room"]["sessionid"].string ?? ""
    guard body["type"].string == "room" else {
      return webResponse(server.nextcloud.ok(SignalingBackend.answer(to: body)))
    }
    if body["room"]["action"].string == "leave" {
      await moderate { $0.sessionLeft(talkSession, room: token, time: $1) }
      return webResponse(server.nextcloud.ok(SignalingBackend.answer(to: body)))
    }
    let admission = server.nextcloud.admission(token, talkSession: talkSession)
    return webResponse(server.nextcloud.ok(SignalingBackend.answer(admission, room: token)))
  }

  private func chatGrows(within wait: Duration) async {
    nextWaiter += 1
    let id = nextWaiter
    let timer = LoopTimer(on: .network) { [weak self] in
      self?.assumeIsolated { $0.chatWaiters.removeValue(forKey: id)?.resume() }
    }
    timer.schedule(at: .now + wait)
    await withCheckedContinuation { chatWaiters[id] = $0 }
    timer.invalidate()
  }

  private func wakeChatWaiters() {
    let waiters = chatWaiters.values
    chatWaiters = [:]
    for waiter in waiters { waiter.resume() }
  }

  // MARK: Sockets

  private func serve(_ socket: WebSocket) async {
    nextSocket += 1
    let id = nextSocket
    sockets[id] = socket
    handle(.opened(id))
    for await event in socket.events {
      guard case .text(let text) = event else { break }
      options.observer?(.init(.received, "message", text))
      if !isFaulty(text, on: id) { handle(.received(id, text)) }
    }
    sockets[id] = nil
    handle(.closed(id))
  }

  /// Carries out a fault on a message; true where that is all that happens to it.
  private func isFaulty(_ text: String, on socket: Int) -> Bool {
    guard !faults.ignoredMessages.isEmpty || !faults.refusedMessages.isEmpty,
      let message = JSONValue(parsing: text.utf8), let type = message["type"].string
    else { return false }
    let inner = message["message"]["data"]["type"].string ?? type
    if faults.ignoredMessages.contains(type) || faults.ignoredMessages.contains(inner) { return true }
    guard let code = faults.refusedMessages[type] ?? faults.refusedMessages[inner] else { return false }
    let id: JSONValue? = message["id"] == .null ? nil : message["id"]
    sockets[socket]?.send(SignalingHub.error(code, "Refused on demand.", id: id).text)
    return true
  }

  // MARK: Effects

  private func handle(_ event: SignalingHub.Event) {
    carryOutNow(server.handle(event, time: time, at: .now))
  }

  private func timeIsUp() { carryOutNow(server.handleTimeout(time: time, at: .now)) }

  /// Carries out effects; those for a real signaling server are waited for, as Nextcloud does before it replies.
  private func carryOut(_ effects: [TalkServer.Effect]) async {
    carryOutNow(effects)
    for case .notify(let notification) in effects { await backend?.deliver(notification) }
  }

  private func carryOutNow(_ effects: [TalkServer.Effect]) {
    for effect in effects {
      switch effect {
      case .send(let socket, let message):
        options.observer?(.init(.sent, "message", message.text))
        sockets[socket]?.send(message.text)
      case .close(let socket, .some(let code)): sockets[socket]?.close(code: code)
      case .close(let socket, nil): sockets[socket]?.abort()
      case .media(let command): forwarding?.assumeIsolated { $0.carryOut(command) }
      case .notify: break
      }
    }
    if server.nextcloud.nextMessage != nextMessage {
      nextMessage = server.nextcloud.nextMessage
      wakeChatWaiters()
    }
    if let deadline = server.deadline { timer?.schedule(at: deadline) } else { timer?.cancel() }
  }
}
