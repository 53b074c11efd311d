public import GLibLoop
internal import HTTPClient
public import Logging
public import TalkProtocol
public import Transport

/// The chat of one conversation, over HTTP, as a guest or a user: on its own, or beside a call as the participant that the
/// call's connection has made us.
///
/// One cookie jar serves all requests, for Talk keeps its session in it; so everything else waits for `enter`. The log tells
/// purposes and statuses, never what is in them.
public actor ChatClient {
  /// What `follow` delivers.
  public enum News: Sendable {
    /// Oldest first; each once.
    case messages([ChatMessage])
    case report(ChatFollowing.Report)
  }

  private nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let address: ConversationAddress
  private let account: Account?
  private let password: String?
  private let logger: Logger
  private let http: HTTPSession
  private let session: GuestSession
  /// Whether we enter and leave the conversation ourselves.
  private let ownsMembership: Bool
  private var name: String?
  private var capabilities: TalkCapabilities?
  private var requests = 0
  /// Our session in Nextcloud.
  private var talkSession: String?

  // For the hints of the signaling server, while following on our own.
  private let connection: TalkConnection
  private var transport: Task<Void, Never>?
  private var bell: ChatBell
  private var bellTimer: LoopTimer?
  /// Where `follow` hears of what happens.
  private var mailbox: AsyncStream<ChatFollowing.Event>.Continuation?
  private var hasBell = false

  /// - Parameters:
  ///   - account: The user; nil for a guest.
  ///   - password: The conversation's, if it has one.
  ///   - session: Who we were before; a new guest without.
  public init(
    address: ConversationAddress, account: Account? = nil, password: String?,
    session: GuestSession = GuestSession(), settings: TransportSettings, logger: Logger,
    on loop: GLibExecutor = .network
  ) {
    self.loop = loop
    self.address = address
    self.account = account
    self.password = password
    self.session = session
    self.logger = logger
    ownsMembership = true
    name = session.name
    connection = TalkConnection(account: account, settings: settings, logger: logger, on: loop)
    http = connection.http
    bell = ChatBell(address)
  }

  /// The chat beside a call, once `connection` has entered the conversation. It needs no `enter` and no `leave`.
  /// - Parameters:
  ///   - name: A guest's.
  public init(beside connection: TalkConnection, at address: ConversationAddress, name: String?) {
    loop = connection.loop
    self.address = address
    account = connection.account
    password = nil
    session = GuestSession()
    logger = connection.logger
    ownsMembership = false
    self.name = name
    self.connection = connection
    http = connection.http
    bell = ChatBell(address)
  }

  /// Who we are now, for the next time.
  public var guestSession: GuestSession {
    get async { GuestSession(cookies: await http.cookies, name: name) }
  }

  // MARK: In and out

  /// Becomes a participant of the conversation, under `name`, or the one that the session had.
  /// - Returns: The conversation as the server describes it to us.
  @discardableResult
  public func enter(name: String?) async throws(ChatFailure) -> Conversation {
    await http.add(session.cookies)
    try await readCapabilities()
    let joined = try await ask(.join)
    guard let conversation = try? OCSEnvelope<Conversation>(body: joined.body).data else {
      throw .room(.serverError(doing: "letting us into the conversation", status: 200))
    }
    self.name = name ?? self.name
    // A server that does not want it shows another name; that is no reason to stay away.
    if account == nil, let name = self.name { _ = await perform(.setName(name)) }
    return conversation
  }

  @discardableResult
  private func readCapabilities() async throws(ChatFailure) -> TalkCapabilities {
    if let capabilities { return capabilities }
    let known = try await ask(.readCapabilities)
    guard let envelope = try? OCSEnvelope<ServerCapabilities>(body: known.body) else {
      throw .room(.notATalkServer(host: address.host, detail: "its answer is not that of a Nextcloud"))
    }
    guard let talk = envelope.data?.talk else { throw .room(.talkUnavailable) }
    for feature in ["conversation-v4", "chat-v2"] where !talk.has(feature) {
      throw .room(.talkTooOld(missing: feature))
    }
    capabilities = talk
    return talk
  }

  /// Leaves the conversation, as far as the server can be reached.
  public func leave() async {
    if transport != nil { perform(bell.close()) }
    _ = await perform(.leave)
    bellTimer?.invalidate()
    transport?.cancel()
    await transport?.value
    if transport == nil { await http.close() }
  }

  // MARK: Reading

  /// Reads a part of the chat, oldest first.
  public func read(_ extent: ChatHistory.Extent) async throws(ChatFailure) -> [ChatMessage] {
    var history = ChatHistory(extent)
    while let request = history.request {
      switch await perform(request) {
      case .success(let reply): try history.take(reply, host: address.host)
      case .failure(let failure): throw ChatFailure(failure, host: address.host)
      }
    }
    return history.messages
  }

  /// Delivers every message once, in order, until the task is cancelled; outlives outages.
  /// - Parameters:
  ///   - since: Begin after the message of this id; nil: with what comes from now on.
  ///   - usesSignaling: Whether to hear from the signaling server, where there is one, that there is something new. Then
  ///     the session in Nextcloud ends soon after us.
  ///   - deliver: Is waited for before more is fetched.
  public func follow(
    since: Int?, usesSignaling: Bool = true, _ deliver: @Sendable (News) async -> Void
  ) async throws(ChatFailure) {
    if ownsMembership, usesSignaling { listen() }
    var following = ChatFollowing(
      since: since, host: address.host, hasPassword: password != nil, renewsMembership: ownsMembership)
    let (events, mailbox) = AsyncStream.makeStream(of: ChatFollowing.Event.self)
    self.mailbox = mailbox
    // One at a time; only a wait is ever cut short.
    var work: Task<Void, Never>?
    defer {
      work?.cancel()
      self.mailbox = nil
    }
    mailbox.yield(.hasBell(hasBell))
    mailbox.yield(.started)
    for await event in events {
      for effect in following.handle(event, at: .now) {
        switch effect {
        case .show(let messages): await deliver(.messages(messages))
        case .report(let report): await deliver(.report(report))
        case .request(let request):
          work?.cancel()
          work = Task {
            switch await perform(request) {
            case .success(let reply): mailbox.yield(.reply(reply))
            case .failure(let failure): mailbox.yield(.failed(failure))
            }
          }
        case .wait(let duration):
          work?.cancel()
          work = Task {
            try? await Task.sleep(for: duration)
            if !Task.isCancelled { mailbox.yield(.waited) }
          }
        case .fail(let failure): throw failure
        }
      }
    }
  }

  // MARK: Hints

  /// Begins to listen to the signaling server.
  private func listen() {
    guard transport == nil else { return }
    transport = Task { await connection.run { [weak self] event in await self?.heard(event) } }
    bellTimer = LoopTimer(on: loop) { [weak self] in
      self?.assumeIsolated { $0.perform($0.bell.handleTimeout(.now)) }
    }
    if let talkSession { perform(bell.entered(as: talkSession, at: .now)) }
  }

  private func heard(_ event: CallSession.Event) { perform(bell.handle(event, at: .now)) }

  private func perform(_ effects: [ChatBell.Effect]) {
    for effect in effects {
      switch effect {
      case .transport(let effect): connection.perform(effect)
      case .hasBell(let hasBell):
        logger.debug("the signaling server tells of news", metadata: ["from now on": "\(hasBell)"])
        setBell(hasBell)
      case .rang: ring()
      }
    }
    if let deadline = bell.deadline { bellTimer?.schedule(at: deadline) } else { bellTimer?.cancel() }
  }

  /// We are in the conversation, perhaps under another session.
  private func joined(_ reply: HTTPReply) {
    talkSession = (try? OCSEnvelope<Conversation>(body: reply.body))?.data?.sessionId
    if transport != nil, let talkSession { perform(bell.entered(as: talkSession, at: .now)) }
  }

  /// Says that somebody will `ring` when there may be something new, or will not any more.
  public func setBell(_ hasBell: Bool) {
    guard hasBell != self.hasBell else { return }
    self.hasBell = hasBell
    mailbox?.yield(.hasBell(hasBell))
  }

  /// Lets `follow` look for something new at once.
  public func ring() { mailbox?.yield(.rang) }

  // MARK: Writing

  /// Sends a message, and once, also where the answer is lost; may then take minutes.
  /// - Parameter referenceID: 64 random hexadecimal digits.
  /// - Returns: The message's id, where the server has told it.
  public func send(
    _ text: String, replyTo: Int? = nil, isSilent: Bool = false, referenceID: String
  ) async throws(ChatFailure) -> Int? {
    try await check(text)
    if replyTo != nil { try await need("chat-replies") }
    if isSilent { try await need("silent-send") }
    let draft = ChatDraft(
      text: text, replyTo: replyTo, isSilent: isSilent, referenceID: referenceID,
      displayName: account == nil ? name : nil)
    var sending = ChatSending(draft, host: address.host, renewsMembership: ownsMembership)
    var event: ChatSending.Event = .started
    while let effect = sending.handle(event, at: .now) {
      switch effect {
      case .request(let request):
        switch await perform(request) {
        case .success(let reply): event = .reply(reply)
        case .failure(let failure): event = .failed(failure)
        }
      case .wait(let duration):
        // Who cannot wait does not get to know.
        do { try await Task.sleep(for: duration) } catch { throw .mayHaveBeenSent }
        event = .waited
      case .finish(let result): return try result.get()
      }
    }
    throw .mayHaveBeenSent
  }

  /// Changes the text of a message of our own.
  public func edit(_ id: Int, to text: String) async throws(ChatFailure) {
    try await need("edit-messages")
    try await check(text)
    try await ask(.edit(id: id, text: text))
  }

  /// Deletes a message of our own.
  public func delete(_ id: Int) async throws(ChatFailure) {
    try await need("delete-messages")
    try await ask(.delete(id: id))
  }

  /// Reacts to a message with an emoji.
  public func react(to id: Int, with emoji: String) async throws(ChatFailure) {
    try await need("reactions")
    try await ask(.react(id: id, emoji: emoji))
  }

  private func need(_ feature: String) async throws(ChatFailure) {
    guard try await readCapabilities().has(feature) else { throw .missingFeature(feature) }
  }

  private func check(_ text: String) async throws(ChatFailure) {
    guard text.contains(where: { !$0.isWhitespace }) else { throw .emptyMessage }
    // What a server takes that does not tell.
    let limit = try await readCapabilities().config?.chat?.maxLength ?? 1000
    let length = ChatDraft.length(of: text)
    guard length <= limit else { throw .tooLong(length: length, limit: limit) }
  }

  // MARK: HTTP

  /// The answer to `request`, if the server agrees.
  @discardableResult
  private func ask(_ request: ChatRequest) async throws(ChatFailure) -> HTTPReply {
    switch await perform(request) {
    case .success(let reply) where (200..<300).contains(reply.status): return reply
    case .success(let reply) where reply.status == 401 && account != nil: throw .room(.loginRefused)
    case .success(let reply):
      throw ChatFailure(reply, to: request, host: address.host, hasPassword: password != nil)
    case .failure(let failure): throw ChatFailure(failure, host: address.host)
    }
  }

  private func perform(_ chatRequest: ChatRequest) async -> Result<HTTPReply, TransportFailure> {
    requests += 1
    let request = chatRequest.httpRequest(at: address, number: requests, password: password)
    let started = ContinuousClock.now
    let outcome: Result<HTTPReply, TransportFailure>
    do throws(TransportError) {
      outcome = .success(try await HTTPReply(http.send(HTTPClient.HTTPRequest(request, account: account))))
    } catch {
      outcome = .failure(TransportFailure(error))
    }
    logger.debug(
      "request answered",
      metadata: [
        "purpose": "\(request.purpose)", "method": "\(request.method.rawValue)", "outcome": "\(outcome.summary)",
        "took": "\(ContinuousClock.now - started)",
      ])
    if case .success(let reply) = outcome, reply.status == 200, chatRequest == .join { joined(reply) }
    return outcome
  }
}

extension Result<HTTPReply, TransportFailure> {
  /// For logs.
  fileprivate var summary: String {
    switch self {
    case .success(let reply): "status \(reply.status)"
    case .failure(let failure): "\(failure)"
    }
  }
}
