internal import FoundationEssentials
internal import GLibLoop
internal import Signatures
internal import TalkProtocol
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

  let options: Options
  private let tokens = HelloTokens()
  var server: TalkServer
  private var webServer: WebServer?
  private var forwarding: ForwardingUnit?
  var backend: SignalingBackend?
  private var timer: LoopTimer?
  private var sockets: [Int: WebSocket] = [:]
  private var nextSocket = 0
  var chatWaiters: [Int: CheckedContinuation<Void, Never>] = [:]
  var nextWaiter = 0
  /// As of the last look: when it has moved on, the waiters are woken.
  private var nextMessage = 1

  /// Since a fault of that kind.
  var isOutOfReach = false
  /// The faults in force.
  public internal(set) var faults = RoomFaults()

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

  func moderate(_ change: (inout Nextcloud, _ time: Int) -> [RoomNotification]) async {
    let time = time
    await carryOut(server.moderate(time: time, at: .now) { change(&$0, time) })
  }

  /// Seconds since 1970.
  var time: Int { Int(Date.now.timeIntervalSince1970) }

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

  // MARK: Sockets

  func serve(_ socket: WebSocket) async {
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
  func carryOut(_ effects: [TalkServer.Effect]) async {
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
