/// The connection to the signaling server: socket, welcome, hello, and taking a session up again after a lost socket.
struct SignalingLink: Sendable {
  typealias Instant = ContinuousClock.Instant

  /// What the server knows us by.
  struct Session: Hashable, Sendable {
    var id: String
    var resumeID: String?
    var version: String
    var server: ServerDescription
    var url: String
  }

  /// What a step came to, for the owner to act on.
  enum Outcome: Hashable {
    case established(Session)
    case resumed(Session)
    /// The socket is away; the session is not lost yet.
    case interrupted
    /// The session is over and a new one is needed.
    case lost(detail: String)
    /// There never was a session.
    case failed(CallFailure)
    /// The token for hello is too old or not accepted: fetch settings again, then `open` again.
    case tokenRejected(SignalingError)
  }

  private enum Greeting {
    case new(SignalingSettings)
    /// `since` is when the socket was lost.
    case resume(Session, since: Instant, attempt: Int)
  }

  private enum State {
    case closed
    case opening(SocketID, Greeting, until: Instant)
    case awaitingWelcome(SocketID, Greeting, until: Instant)
    case awaitingHello(SocketID, Greeting, id: String, version: String, ServerDescription, until: Instant)
    case open(SocketID, Session)
    case interrupted(Session, since: Instant, attempt: Int, retryAt: Instant)
  }

  private let address: ConversationAddress
  private let timing: CallTiming
  /// For an internal client.
  private let internalProof: (@Sendable () -> SecretProof)?
  private var state = State.closed
  /// When the handshake at hand has to be through.
  private var handshakeEnd: Instant?

  init(_ configuration: CallSession.Configuration) {
    address = configuration.address
    timing = configuration.timing
    internalProof = configuration.internalAccess?.proof
  }

  var session: Session? {
    switch state {
    case .open(_, let session), .interrupted(let session, _, _, _): session
    case .opening(_, .resume(let session, _, _), _), .awaitingWelcome(_, .resume(let session, _, _), _),
      .awaitingHello(_, .resume(let session, _, _), _, _, _, _):
      session
    default: nil
    }
  }

  var socket: SocketID? {
    switch state {
    case .opening(let id, _, _), .awaitingWelcome(let id, _, _), .awaitingHello(let id, _, _, _, _, _),
      .open(let id, _):
      id
    case .closed, .interrupted: nil
    }
  }

  var isOpen: Bool { if case .open = state { true } else { false } }

  var deadline: Instant? {
    switch state {
    case .closed, .open: nil
    case .opening(_, _, let until), .awaitingWelcome(_, _, let until), .awaitingHello(_, _, _, _, _, let until): until
    case .interrupted(_, _, _, let retryAt): retryAt
    }
  }

  // MARK: Commands

  /// Begins a new session.
  mutating func open(_ settings: SignalingSettings, at now: Instant, _ outbox: inout Outbox) -> Outcome? {
    close(&outbox)
    guard let url = settings.socketURL else { return .failed(.noSignalingServer) }
    dial(url, .new(settings), at: now, &outbox)
    return nil
  }

  mutating func close(_ outbox: inout Outbox) {
    if let socket { outbox.emit(.closeSocket(socket)) }
    outbox.socketLost()
    state = .closed
  }

  private mutating func dial(_ url: String, _ greeting: Greeting, at now: Instant, _ outbox: inout Outbox) {
    let id = SocketID(number: outbox.nextNumber())
    handshakeEnd = now + timing.handshake
    state = .opening(id, greeting, until: now + timing.handshake)
    outbox.emit(.openSocket(id, url: url))
  }

  // MARK: Events

  mutating func socketOpened(_ id: SocketID, at now: Instant) {
    guard case .opening(id, let greeting, let end) = state else { return }
    state = .awaitingWelcome(id, greeting, until: min(now + timing.welcome, end))
  }

  mutating func socketClosed(
    _ id: SocketID, _ failure: TransportFailure?, at now: Instant, _ outbox: inout Outbox
  ) -> Outcome? {
    switch state {
    case .opening(id, let greeting, _), .awaitingWelcome(id, let greeting, _),
      .awaitingHello(id, let greeting, _, _, _, _):
      if case .tls(let detail) = failure, case .new(let settings) = greeting {
        close(&outbox)
        return .failed(.tlsFailure(host: settings.server ?? "the signaling server", detail: detail))
      }
      return handshakeFailed(greeting, failure.map(Self.describe) ?? "it closed the connection", at: now, &outbox)
    case .open(id, let session): return interrupted(session, at: now, &outbox)
    default: return nil
    }
  }

  /// Messages of the handshake. Others are the owner's: then the answer is `nil` and nothing has changed.
  mutating func received(_ message: ServerMessage, at now: Instant, _ outbox: inout Outbox) -> Outcome? {
    switch (state, message.content) {
    case (.awaitingWelcome(let id, let greeting, _), .welcome(let server)):
      return greet(id, greeting, server, at: now, &outbox)
    case (.awaitingHello(let id, let greeting, let expected, let version, let server, _), .hello(let reply))
    where message.id == expected:
      let url: String
      switch greeting {
      case .new(let settings): url = settings.socketURL ?? ""
      case .resume(let old, _, _): url = old.url
      }
      let session = Session(
        id: reply.sessionid, resumeID: reply.resumeid, version: version,
        server: reply.server?.features == nil ? server : reply.server ?? server, url: url)
      state = .open(id, session)
      outbox.socketOpened(id)
      guard case .resume(let old, _, _) = greeting else { return .established(session) }
      return old.id == session.id ? .resumed(session) : .lost(detail: "the signaling server gave us another session")
    case (.awaitingHello(let id, let greeting, let expected, let version, let server, _), .error(let error))
    where message.id == expected:
      return helloRefused(error, id, greeting, version, server, at: now, &outbox)
    case (.awaitingWelcome(_, let greeting, _), .bye(let reason)), (.opening(_, let greeting, _), .bye(let reason)),
      (.awaitingHello(_, let greeting, _, _, _, _), .bye(let reason)):
      return handshakeFailed(greeting, "it said goodbye (\(reason ?? "no reason"))", at: now, &outbox)
    default: return nil
    }
  }

  mutating func handleTimeout(at now: Instant, _ outbox: inout Outbox) -> Outcome? {
    guard let deadline, deadline <= now else { return nil }
    switch state {
    case .closed, .open: return nil
    case .awaitingWelcome(let id, let greeting, _):
      // Servers before the feature `welcome` say nothing until they are greeted.
      return greet(id, greeting, ServerDescription(), at: now, &outbox)
    case .opening(_, let greeting, _), .awaitingHello(_, let greeting, _, _, _, _):
      return handshakeFailed(greeting, "it did not answer in time", at: now, &outbox)
    case .interrupted(let session, let since, let attempt, _):
      dial(session.url, .resume(session, since: since, attempt: attempt), at: now, &outbox)
      return nil
    }
  }

  // MARK: Handshake

  private mutating func greet(
    _ id: SocketID, _ greeting: Greeting, _ server: ServerDescription, at now: Instant, _ outbox: inout Outbox
  ) -> Outcome? {
    let version: String
    switch greeting {
    case .resume(let session, _, _): version = session.version
    case .new where internalProof != nil: version = "1.0"
    case .new(let settings): version = settings.helloVersion(for: server)
    }
    return sendHello(id, greeting, version, server, at: now, &outbox)
  }

  private mutating func sendHello(
    _ id: SocketID, _ greeting: Greeting, _ version: String, _ server: ServerDescription, at now: Instant,
    _ outbox: inout Outbox
  ) -> Outcome? {
    var hello: HelloRequest
    switch greeting {
    case .resume(let session, _, _): hello = HelloRequest(version: version, resuming: session.resumeID ?? "")
    case .new where internalProof != nil:
      hello = HelloRequest(version: version, auth: internalAuthentication())
      hello.features = ["internal-incall"]
    case .new(let settings):
      guard let greeting = settings.hello(version: version, to: address.signalingBackendURL) else {
        return .failed(
          .signalingRefused(code: "no_credentials", message: "Nextcloud gave us no credentials for it"))
      }
      hello = greeting
    }
    let tag = MessageTag(.hello, outbox.nextNumber())
    let end = handshakeEnd ?? now + timing.handshake
    state = .awaitingHello(id, greeting, id: tag.text, version: version, server, until: end)
    outbox.emit(.send(id, text: ClientMessage(id: tag.text, .hello(hello)).text))
    return nil
  }

  private func internalAuthentication() -> HelloRequest.Authentication {
    let proof = internalProof?()
    var parameters = SignalingSettings.HelloParameters(token: proof?.checksum)
    parameters.random = proof?.random
    parameters.backend = address.baseURL + "/"
    var authentication = HelloRequest.Authentication(url: address.signalingBackendURL, params: parameters)
    authentication.type = "internal"
    authentication.url = nil
    return authentication
  }

  private mutating func helloRefused(
    _ error: SignalingError, _ id: SocketID, _ greeting: Greeting, _ version: String, _ server: ServerDescription,
    at now: Instant, _ outbox: inout Outbox
  ) -> Outcome? {
    guard case .new = greeting else {
      close(&outbox)
      return .lost(detail: "the session was not kept (\(error.code))")
    }
    switch error.code {
    // A wrong secret stays wrong, and attempts are counted.
    case "invalid_token" where internalProof != nil:
      close(&outbox)
      return .failed(.internalSecretRefused(isConfigured: true))
    case "invalid_client_type" where internalProof != nil:
      close(&outbox)
      return .failed(.internalSecretRefused(isConfigured: false))
    case "invalid_hello_version" where version != "1.0":
      return sendHello(id, greeting, "1.0", server, at: now, &outbox)
    case "token_expired", "token_not_valid_yet", "invalid_token", "invalid_ticket", "no_such_user", "auth_failed",
      "invalid_request":
      close(&outbox)
      return .tokenRejected(error)
    default:
      close(&outbox)
      return .failed(Self.failure(error, address))
    }
  }

  static func failure(_ error: SignalingError, _ address: ConversationAddress) -> CallFailure {
    switch error.code {
    case "invalid_backend": .backendUnknownToSignaling(url: address.baseURL)
    case "session_limit_exceeded": .sessionLimit
    default: .signalingRefused(code: error.code, message: error.message ?? "no reason given")
    }
  }

  private mutating func handshakeFailed(
    _ greeting: Greeting, _ detail: String, at now: Instant, _ outbox: inout Outbox
  ) -> Outcome {
    if let socket { outbox.emit(.closeSocket(socket)) }
    state = .closed
    switch greeting {
    case .new:
      outbox.socketLost()
      return .failed(.signalingUnreachable(detail: detail))
    case .resume(let session, let since, let attempt):
      return retryLater(session, since: since, attempt: attempt + 1, at: now, &outbox)
    }
  }

  // MARK: Interruption

  private mutating func interrupted(_ session: Session, at now: Instant, _ outbox: inout Outbox) -> Outcome {
    outbox.socketInterrupted()
    state = .closed
    return retryLater(session, since: now, attempt: 0, at: now, &outbox)
  }

  private mutating func retryLater(
    _ session: Session, since: Instant, attempt: Int, at now: Instant, _ outbox: inout Outbox
  ) -> Outcome {
    let retryAt = now + (attempt == 0 ? .milliseconds(200) : .seconds(1 << min(attempt - 1, 4)))
    guard session.resumeID != nil, retryAt < since + timing.resumeWindow else {
      outbox.socketLost()
      return .lost(detail: "the signaling server was out of reach for too long")
    }
    state = .interrupted(session, since: since, attempt: attempt, retryAt: retryAt)
    return .interrupted
  }

  private static func describe(_ failure: TransportFailure) -> String {
    switch failure {
    case .unreachable(let detail), .tls(let detail): detail
    case .timedOut: "no answer in time"
    }
  }
}
