/// Follows a chat for as long as wanted: every message once, in order, whatever happens to the connection.
///
/// A page counts when it has come in whole; the next begins where it ended. Outages are waited out, a session that the
/// server has forgotten is renewed. Where a bell tells that there may be something new (the signaling server does), it is
/// asked for then, and now and again; otherwise the server holds its answer back until there is something.
///
/// Pure: events in, effects out, one request or wait at a time.
public struct ChatFollowing: Sendable {
  public typealias Instant = ContinuousClock.Instant

  public enum Event: Sendable {
    /// Begin. We are in the conversation.
    case started
    /// The answer to the request that was asked for last.
    case reply(HTTPReply)
    case failed(TransportFailure)
    /// The time that was asked for last is over.
    case waited
    /// A bell will ring when something is new, or will not any more. At first there is none.
    case hasBell(Bool)
    /// There may be something new.
    case rang
  }

  public enum Effect: Hashable, Sendable {
    case request(ChatRequest)
    /// A wait before this one is over.
    case wait(Duration)
    /// New messages, oldest first.
    case show([ChatMessage])
    case report(Report)
    /// The last effect: it cannot go on.
    case fail(ChatFailure)
  }

  public enum Report: Hashable, Sendable {
    /// We are at the end of the chat: what is written from now on will be shown.
    case following(after: Int)
    /// Nothing comes for now; what is missed will be shown later.
    case interrupted(ChatFailure)
    case restored
  }

  public struct Timing: Sendable {
    /// How long to wait after the first failure in a row, the second, …; the last holds for all others.
    public var retries: [Duration] = [
      .milliseconds(100), .milliseconds(500), .seconds(1), .seconds(2), .seconds(5), .seconds(10), .seconds(30),
    ]
    /// How often to ask where a bell rings: not everything rings it.
    public var listening: Duration = .seconds(10)
    /// After a ring that came while we asked, and an answer without news.
    public var echo: Duration = .milliseconds(100)
    /// How long the server may hold back its answer where none does.
    public var poll = ChatRequest.longestWait
    public var lobby: Duration = .seconds(10)
    /// After the server has refused more requests for now.
    public var rateLimit: Duration = .seconds(60)
    /// Answers without news may come so often, no more: a server that does not wait must not be flooded.
    public var pause: Duration = .seconds(1)

    public init() {}
  }

  private enum Question {
    /// Where does the chat end?
    case end
    case news
    case membership
  }

  private enum Stage {
    case idle
    case asking(Question, since: Instant)
    case waiting(Question)
    /// For the bell.
    case listening
    case over
  }

  private static let smallestPage = 10

  private let host: String
  private let hasPassword: Bool
  private let renewsMembership: Bool
  private let timing: Timing
  private var hasBell = false
  /// Since the request under way was made.
  private var hasRung = false
  private var stage = Stage.idle
  /// Everything up to here was shown; nil until we know where the chat ends.
  private var last: Int?
  /// Failures since the last good answer.
  private var failures = 0
  /// How many messages to ask for: a network on which long answers do not come through may let short ones pass.
  private var pageSize = ChatRequest.largestPage
  private var isInterrupted = false
  private var hasRejoinedInVain = false

  /// - Parameters:
  ///   - since: Show what comes after the message of this id; nil: what comes from now on.
  ///   - host: For failures' words.
  ///   - hasPassword: Whether we have the conversation's password.
  ///   - renewsMembership: Whether to enter the conversation again when the server has forgotten us. Otherwise that is
  ///     somebody else's business, and waited for.
  public init(
    since: Int?, host: String, hasPassword: Bool = false, renewsMembership: Bool = true, timing: Timing = Timing()
  ) {
    last = since
    self.host = host
    self.hasPassword = hasPassword
    self.renewsMembership = renewsMembership
    self.timing = timing
  }

  /// What to do next, in this order; the last one is a request, a wait, or the end. Nothing: go on with what is under way.
  public mutating func handle(_ event: Event, at now: Instant) -> [Effect] {
    switch (stage, event) {
    case (.idle, .started):
      return (last.map { [.report(.following(after: $0))] } ?? []) + [ask(last == nil ? .end : .news, at: now)]
    case (.asking(let question, let since), .reply(let reply)):
      return answered(question, since: since, reply, at: now)
    case (.asking(let question, _), .failed(let failure)):
      return retry(question, because: ChatFailure(failure, host: host))
    case (.waiting(let question), .waited): return [ask(question, at: now)]
    case (.listening, .waited), (.listening, .rang): return [ask(.news, at: now)]
    case (_, .rang):
      hasRung = true
      return []
    case (_, .hasBell(let hasBell)):
      self.hasBell = hasBell
      guard case .listening = stage else { return [] }
      return [ask(.news, at: now)]
    default: return []
    }
  }

  private mutating func ask(_ question: Question, at now: Instant) -> Effect {
    stage = .asking(question, since: now)
    hasRung = false
    return .request(request(for: question))
  }

  private func request(for question: Question) -> ChatRequest {
    switch question {
    case .end: .history(before: 0, limit: 1)
    case .news: .messages(after: last ?? 0, wait: hasBell ? .zero : timing.poll, limit: pageSize)
    case .membership: .join
    }
  }

  private mutating func wait(_ duration: Duration, then question: Question) -> Effect {
    stage = .waiting(question)
    return .wait(duration)
  }

  // MARK: Answers

  private mutating func answered(
    _ question: Question, since: Instant, _ reply: HTTPReply, at now: Instant
  ) -> [Effect] {
    switch question {
    case .membership where reply.status == 200:
      hasRejoinedInVain = true
      return [ask(last == nil ? .end : .news, at: now)]
    case .membership: return refused(question, reply, at: now)
    case .end:
      guard let page = ChatPage(reply) else { return refused(question, reply, at: now) }
      last = page.furthest
      return recovered() + [.report(.following(after: page.furthest)), ask(.news, at: now)]
    case .news:
      guard let page = ChatPage(reply) else { return refused(question, reply, at: now) }
      let news = newMessages(of: page)
      let before = last ?? 0
      last = max(before, page.furthest)
      var effects = recovered()
      if !news.isEmpty { effects.append(.show(news)) }
      effects.append(next(hasProgressed: last != before, since: since, at: now))
      return effects
    }
  }

  private mutating func next(hasProgressed: Bool, since: Instant, at now: Instant) -> Effect {
    if hasProgressed { return ask(.news, at: now) }
    if hasBell, hasRung { return wait(timing.echo, then: .news) }
    if hasBell {
      stage = .listening
      return .wait(timing.listening)
    }
    return now < since + timing.pause ? wait(timing.pause, then: .news) : ask(.news, at: now)
  }

  /// What has not been shown, in order.
  private func newMessages(of page: ChatPage) -> [ChatMessage] {
    var shown = last ?? 0
    return page.messages.sorted { ($0.id ?? 0) < ($1.id ?? 0) }.filter { message in
      guard let id = message.id, id > shown else { return false }
      shown = id
      return true
    }
  }

  private mutating func recovered() -> [Effect] {
    failures = 0
    pageSize = min(2 * pageSize, ChatRequest.largestPage)
    hasRejoinedInVain = false
    defer { isInterrupted = false }
    return isInterrupted ? [.report(.restored)] : []
  }

  private mutating func refused(_ question: Question, _ reply: HTTPReply, at now: Instant) -> [Effect] {
    let failure = ChatFailure(reply, to: request(for: question), host: host, hasPassword: hasPassword)
    switch reply.status {
    // A page that is none, as of a proxy that serves its own.
    case 200: return retry(question, because: .room(.serverError(doing: "giving the chat", status: 200)))
    case 412: return interrupted(by: failure) + [wait(timing.lobby, then: question)]
    case 429:
      return interrupted(by: failure) + [wait(max(reply.retryAfter ?? .zero, timing.rateLimit), then: question)]
    case 500...: return retry(question, because: failure, atLeast: reply.retryAfter ?? .zero)
    case 401, 403, 404:
      guard renewsMembership || reply.status == 401 else { return retry(question, because: failure) }
      // The server has forgotten our session. Where a new one is of no use, we are not wanted.
      if case .membership = question { return fail(failure) }
      return hasRejoinedInVain ? fail(failure) : [ask(.membership, at: now)]
    default: return fail(failure)
    }
  }

  private mutating func fail(_ failure: ChatFailure) -> [Effect] {
    stage = .over
    return [.fail(failure)]
  }

  private mutating func retry(
    _ question: Question, because failure: ChatFailure, atLeast shortest: Duration = .zero
  ) -> [Effect] {
    let pause = max(shortest, timing.retries[min(failures, timing.retries.count - 1)])
    failures += 1
    pageSize = max(pageSize / 4, Self.smallestPage)
    // One broken connection that the next attempt makes good is not worth a word.
    return (failures > 1 ? interrupted(by: failure) : []) + [wait(pause, then: question)]
  }

  private mutating func interrupted(by failure: ChatFailure) -> [Effect] {
    guard !isInterrupted else { return [] }
    isInterrupted = true
    return [.report(.interrupted(failure))]
  }
}
