/// Sends one message, and once.
///
/// The server stores a message again that it is given again. So where the answer is lost, the chat is read from the last
/// message known before: if ours is there (by its reference), it was sent; if it is absent ten seconds later still, it is
/// sent again. Where the chat cannot be read for a minute, nobody knows.
///
/// Pure: events in, effects out, one request at a time.
public struct ChatSending: Sendable {
  public typealias Instant = ContinuousClock.Instant

  public enum Event: Sendable {
    /// Begin. We are in the conversation.
    case started
    /// The answer to the request that was asked for last.
    case reply(HTTPReply)
    case failed(TransportFailure)
    /// The time that was asked for last is over.
    case waited
  }

  public enum Effect: Hashable, Sendable {
    case request(ChatRequest)
    case wait(Duration)
    /// The last effect. The id is nil where the server took the message without telling it.
    case finish(Result<Int?, ChatFailure>)
  }

  public struct Timing: Sendable {
    /// So long after the answer was lost a message that is not there will not come.
    public var absence: Duration = .seconds(10)
    /// How long to try to read the chat.
    public var patience: Duration = .seconds(60)
    public var pause: Duration = .seconds(1)
    public var attempts = 3

    public init() {}
  }

  /// Looking for our message: `attempt` was made, its answer lost at `since`.
  private struct Search {
    var since: Instant
    var attempt: Int
    /// What was known before the message.
    var known: Int
    /// The server has said that it took the message, not under which id.
    var isStored: Bool
    /// The round of reading under way: when it began, and how far it is.
    var askedAt: Instant
    var offset: Int
    var hasRejoined = false
  }

  private enum Stage {
    case idle
    case findingEnd
    case posting(attempt: Int, known: Int)
    case searching(Search)
    case rejoining(Search)
    case pausing(Search)
    case over
  }

  private let draft: ChatDraft
  private let host: String
  private let renewsMembership: Bool
  private let timing: Timing
  private var stage = Stage.idle

  /// - Parameters:
  ///   - host: For failures' words.
  ///   - renewsMembership: Whether to enter the conversation again when the server has forgotten us.
  public init(_ draft: ChatDraft, host: String, renewsMembership: Bool = true, timing: Timing = Timing()) {
    self.draft = draft
    self.host = host
    self.renewsMembership = renewsMembership
    self.timing = timing
  }

  /// What to do next; nothing once it is finished.
  public mutating func handle(_ event: Event, at now: Instant) -> Effect? {
    switch (stage, event) {
    case (.idle, .started):
      stage = .findingEnd
      return .request(.history(before: 0, limit: 1))
    case (.findingEnd, .reply(let reply)):
      guard let page = ChatPage(reply) else { return fail(reply, to: .history(before: 0, limit: 1)) }
      return post(attempt: 1, known: page.furthest)
    case (.findingEnd, .failed(let failure)): return finish(.failure(ChatFailure(failure, host: host)))
    case (.posting(let attempt, let known), .reply(let reply)):
      return posted(reply, attempt: attempt, known: known, at: now)
    case (.posting(let attempt, let known), .failed): return search(attempt: attempt, known: known, at: now)
    case (.searching(let search), .reply(let reply)): return found(reply, search, at: now)
    case (.searching(let search), .failed), (.rejoining(let search), .failed): return pause(search, at: now)
    case (.rejoining(var search), .reply(let reply)):
      guard reply.status != 200 else {
        search.hasRejoined = true
        return read(search, at: now)
      }
      return ChatFailure(reply, to: .join, host: host).isTransient
        ? pause(search, at: now) : finish(.failure(.mayHaveBeenSent))
    case (.pausing(let search), .waited): return read(search, at: now)
    default: return nil
    }
  }

  // MARK: Sending

  private mutating func post(attempt: Int, known: Int) -> Effect {
    stage = .posting(attempt: attempt, known: known)
    return .request(.send(draft))
  }

  private mutating func posted(_ reply: HTTPReply, attempt: Int, known: Int, at now: Instant) -> Effect {
    switch reply.status {
    case 200..<300:
      if let id = (try? OCSEnvelope<ChatMessage>(body: reply.body))?.data?.id { return finish(.success(id)) }
      return search(attempt: attempt, known: known, isStored: true, at: now)
    // The server, or one before it, gave up on the answer; what became of the message is another matter.
    case 408: return search(attempt: attempt, known: known, at: now)
    case 500... where !reply.isMaintenance: return search(attempt: attempt, known: known, at: now)
    default: return fail(reply, to: .send(draft))
    }
  }

  // MARK: Searching

  private mutating func search(attempt: Int, known: Int, isStored: Bool = false, at now: Instant) -> Effect {
    let search = Search(
      since: now, attempt: attempt, known: known, isStored: isStored, askedAt: now, offset: known)
    return isStored ? read(search, at: now) : pause(search, at: now)
  }

  /// Reads the chat from the beginning of what is new: a message may become visible behind a later one.
  private mutating func read(_ search: Search, at now: Instant) -> Effect {
    var search = search
    search.askedAt = now
    search.offset = search.known
    return readOn(search)
  }

  private mutating func readOn(_ search: Search) -> Effect {
    stage = .searching(search)
    return .request(.messages(after: search.offset, wait: .zero))
  }

  private mutating func found(_ reply: HTTPReply, _ search: Search, at now: Instant) -> Effect {
    guard let page = ChatPage(reply) else {
      if reply.status == 404, renewsMembership, !search.hasRejoined {
        stage = .rejoining(search)
        return .request(.join)
      }
      return pause(search, at: now)
    }
    if let message = page.messages.first(where: { $0.referenceId == draft.referenceID }) {
      return finish(.success(message.id))
    }
    if page.furthest > search.offset {
      var search = search
      search.offset = page.furthest
      return readOn(search)
    }
    guard search.askedAt >= search.since + timing.absence else { return pause(search, at: now) }
    if search.isStored { return finish(.success(nil)) }
    return search.attempt < timing.attempts
      ? post(attempt: search.attempt + 1, known: search.known) : finish(.failure(.notSent))
  }

  private mutating func pause(_ search: Search, at now: Instant) -> Effect {
    guard now < search.since + timing.patience else {
      return finish(search.isStored ? .success(nil) : .failure(.mayHaveBeenSent))
    }
    stage = .pausing(search)
    return .wait(timing.pause)
  }

  // MARK: The end

  private mutating func fail(_ reply: HTTPReply, to request: ChatRequest) -> Effect {
    finish(.failure(ChatFailure(reply, to: request, host: host)))
  }

  private mutating func finish(_ result: Result<Int?, ChatFailure>) -> Effect {
    stage = .over
    return .finish(result)
  }
}

extension ChatPage {
  /// The greatest id that the page tells of; 0 where it is empty.
  var furthest: Int { max(lastGiven ?? 0, messages.compactMap(\.id).max() ?? 0) }
}
