public import GLibLoop
internal import HTTPClient
public import Logging
public import TalkProtocol
public import Transport

/// The chat of one conversation, over HTTP, as a guest or a user.
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
  private var name: String?
  private var capabilities = TalkCapabilities(features: [])
  private var requests = 0

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
    name = session.name
    http = HTTPSession(settings: settings, on: loop)
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
    let known = try await ask(.readCapabilities)
    guard let envelope = try? OCSEnvelope<ServerCapabilities>(body: known.body) else {
      throw .room(.notATalkServer(host: address.host, detail: "its answer is not that of a Nextcloud"))
    }
    guard let talk = envelope.data?.talk else { throw .room(.talkUnavailable) }
    for feature in ["conversation-v4", "chat-v2"] where !talk.has(feature) {
      throw .room(.talkTooOld(missing: feature))
    }
    capabilities = talk
    let joined = try await ask(.join)
    guard let conversation = try? OCSEnvelope<Conversation>(body: joined.body).data else {
      throw .room(.serverError(doing: "letting us into the conversation", status: 200))
    }
    self.name = name ?? self.name
    // A server that does not want it shows another name; that is no reason to stay away.
    if account == nil, let name = self.name { _ = await perform(.setName(name)) }
    return conversation
  }

  /// Leaves the conversation, as far as the server can be reached.
  public func leave() async {
    _ = await perform(.leave)
    await http.close()
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
  ///   - deliver: Is waited for before more is fetched.
  public func follow(
    since: Int?, _ deliver: @Sendable (News) async -> Void
  ) async throws(ChatFailure) {
    var following = ChatFollowing(since: since, host: address.host, hasPassword: password != nil)
    var event: ChatFollowing.Event = .started
    while !Task.isCancelled {
      var next: ChatFollowing.Event?
      for effect in following.handle(event, at: .now) {
        switch effect {
        case .show(let messages): await deliver(.messages(messages))
        case .report(let report): await deliver(.report(report))
        case .request(let request):
          switch await perform(request) {
          case .success(let reply): next = .reply(reply)
          case .failure(let failure): next = .failed(failure)
          }
        case .wait(let duration):
          try? await Task.sleep(for: duration)
          next = .waited
        case .fail(let failure): throw failure
        }
      }
      guard let next else { return }
      event = next
    }
  }

  // MARK: Writing

  /// Sends a message, and once, also where the answer is lost; may then take minutes.
  /// - Parameter referenceID: 64 random hexadecimal digits.
  /// - Returns: The message's id, where the server has told it.
  public func send(
    _ text: String, replyTo: Int? = nil, isSilent: Bool = false, referenceID: String
  ) async throws(ChatFailure) -> Int? {
    try check(text)
    if replyTo != nil { try need("chat-replies") }
    if isSilent { try need("silent-send") }
    let draft = ChatDraft(
      text: text, replyTo: replyTo, isSilent: isSilent, referenceID: referenceID,
      displayName: account == nil ? name : nil)
    var sending = ChatSending(draft, host: address.host)
    var event: ChatSending.Event = .started
    while let effect = sending.handle(event, at: .now) {
      switch effect {
      case .request(let request):
        switch await perform(request) {
        case .success(let reply): event = .reply(reply)
        case .failure(let failure): event = .failed(failure)
        }
      case .wait(let duration):
        try? await Task.sleep(for: duration)
        event = .waited
      case .finish(let result): return try result.get()
      }
    }
    throw .mayHaveBeenSent
  }

  /// Changes the text of a message of our own.
  public func edit(_ id: Int, to text: String) async throws(ChatFailure) {
    try need("edit-messages")
    try check(text)
    try await ask(.edit(id: id, text: text))
  }

  /// Deletes a message of our own.
  public func delete(_ id: Int) async throws(ChatFailure) {
    try need("delete-messages")
    try await ask(.delete(id: id))
  }

  /// Reacts to a message with an emoji.
  public func react(to id: Int, with emoji: String) async throws(ChatFailure) {
    try need("reactions")
    try await ask(.react(id: id, emoji: emoji))
  }

  private func need(_ feature: String) throws(ChatFailure) {
    guard capabilities.has(feature) else { throw .missingFeature(feature) }
  }

  private func check(_ text: String) throws(ChatFailure) {
    guard text.contains(where: { !$0.isWhitespace }) else { throw .emptyMessage }
    // What a server takes that does not tell.
    let limit = capabilities.config?.chat?.maxLength ?? 1000
    let length = text.unicodeScalars.count
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

  private func perform(_ request: ChatRequest) async -> Result<HTTPReply, TransportFailure> {
    requests += 1
    let request = request.httpRequest(at: address, number: requests, password: password)
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
