/// Hears from the signaling server that there may be something new in a chat, which spares the server the long poll.
///
/// It only ever rings: what is new is asked for over HTTP, where the order is the server's and nothing is missing. So
/// a message that newer servers relay (`chat-relay`, which we do not ask for) is a ring too. Where there is no signaling
/// server, or it cannot be reached, the bell is silent, and looks again later.
///
/// Pure, and driven like a `CallSession`, of whose events it takes those of HTTP and sockets.
public struct ChatBell: Sendable {
  public typealias Instant = ContinuousClock.Instant

  public enum Effect: Hashable, Sendable {
    /// A request, or something about a socket.
    case transport(CallEffect)
    /// Whether there is one that rings, from now on.
    case hasBell(Bool)
    case rang
  }

  private enum Stage {
    case idle
    case fetchingSettings(RequestID)
    case connecting
    case enteringRoom(MessageTag, until: Instant)
    case listening
    case silent(until: Instant)
  }

  /// How long to be silent after the first failure in a row, the second, …; the last holds for all others.
  private static let retries: [Duration] = [.seconds(1), .seconds(5), .seconds(15), .seconds(60), .seconds(300)]

  private let address: ConversationAddress
  private let timing: CallTiming
  private var link: SignalingLink
  private var outbox = Outbox()
  private var stage = Stage.idle
  /// Our session in Nextcloud.
  private var session: String?
  private var failures = 0
  private var isTold = false

  public init(_ address: ConversationAddress, timing: CallTiming = CallTiming()) {
    self.address = address
    self.timing = timing
    var configuration = CallSession.Configuration(address: address, role: .listener, displayName: "")
    configuration.timing = timing
    link = SignalingLink(configuration)
  }

  /// When to call `handleTimeout`; changes with each event.
  public var deadline: Instant? {
    let own: Instant? =
      switch stage {
      case .enteringRoom(_, let until), .silent(let until): until
      default: nil
      }
    return [own, link.deadline].compactMap(\.self).min()
  }

  /// We are in the conversation, under this session (`Conversation.sessionId`); each session anew.
  public mutating func entered(as session: String, at now: Instant) -> [Effect] {
    guard session != self.session else { return [] }
    self.session = session
    link.close(&outbox)
    fetchSettings()
    return effects()
  }

  /// What an answer or a message means.
  public mutating func handle(_ event: CallSession.Event, at now: Instant) -> [Effect] {
    switch (event, stage) {
    case (.reply(let id, let reply), .fetchingSettings(let asked)) where id == asked: received(reply, at: now)
    case (.requestFailed(let id, _), .fetchingSettings(let asked)) where id == asked: fail(at: now)
    case (.socketOpened(let id), _): link.socketOpened(id, at: now)
    case (.socketClosed(let id, let failure), _) where id == link.socket:
      linkChanged(link.socketClosed(id, failure, at: now, &outbox), at: now)
    case (.socketMessage(let id, let text), _) where id == link.socket: return received(text, at: now)
    default: break
    }
    return effects()
  }

  /// What is to be done because time has passed.
  public mutating func handleTimeout(_ now: Instant) -> [Effect] {
    linkChanged(link.handleTimeout(at: now, &outbox), at: now)
    switch stage {
    case .enteringRoom(_, let until) where until <= now: fail(at: now)
    case .silent(let until) where until <= now: fetchSettings()
    default: break
    }
    return effects()
  }

  /// Says goodbye. It may be entered again.
  public mutating func close() -> [Effect] {
    if link.isOpen { outbox.send(.bye, MessageTag(.bye, outbox.nextNumber())) }
    link.close(&outbox)
    (stage, session) = (.idle, nil)
    return effects()
  }

  private mutating func effects() -> [Effect] {
    let transport = outbox.take().map { Effect.transport($0) }
    let isListening: Bool
    if case .listening = stage { isListening = link.isOpen } else { isListening = false }
    guard isListening != isTold else { return transport }
    isTold = isListening
    return transport + [.hasBell(isListening)]
  }

  // MARK: The way into the room

  private mutating func fetchSettings() {
    let id = RequestID(number: outbox.nextNumber())
    stage = .fetchingSettings(id)
    outbox.emit(
      .request(
        HTTPRequest(
          id: id, purpose: .readSignalingSettings, method: .get,
          url: address.talkURL("v3/signaling/settings") + "?token=\(address.token)", timeout: .seconds(60))))
  }

  private mutating func received(_ reply: HTTPReply, at now: Instant) {
    guard reply.status == 200, let settings = try? OCSEnvelope<SignalingSettings>(body: reply.body).data else {
      return fail(retryAfter: reply.retryAfter, at: now)
    }
    // No signaling server, or that of another installation: then nothing will ever ring.
    guard settings.usesSignalingServer, settings.federation == nil else {
      stage = .idle
      return
    }
    stage = .connecting
    linkChanged(link.open(settings, at: now, &outbox), at: now)
  }

  private mutating func linkChanged(_ outcome: SignalingLink.Outcome?, at now: Instant) {
    switch outcome {
    case .established:
      let tag = MessageTag(.room, outbox.nextNumber())
      stage = .enteringRoom(tag, until: now + timing.room)
      outbox.send(.room(RoomRequest(roomid: address.token, sessionid: session)), tag)
    case .lost, .failed, .tokenRejected: fail(at: now)
    case .resumed, .interrupted, nil: break
    }
  }

  private mutating func fail(retryAfter: Duration? = nil, at now: Instant) {
    link.close(&outbox)
    let pause = Self.retries[min(failures, Self.retries.count - 1)]
    failures += 1
    stage = .silent(until: now + max(pause, retryAfter ?? .zero))
  }

  // MARK: Messages

  private mutating func received(_ text: String, at now: Instant) -> [Effect] {
    guard let message = try? ServerMessage(text: text) else { return [] }
    if let outcome = link.received(message, at: now, &outbox) {
      linkChanged(outcome, at: now)
      return effects()
    }
    switch (message.content, stage) {
    case (.room, .enteringRoom(let tag, _)) where message.id == tag.text: enteredRoom()
    case (.error(let error), .enteringRoom(let tag, _)) where message.id == tag.text:
      if error.code == "already_joined" { enteredRoom() } else { fail(at: now) }
    case (.bye, _) where link.isOpen: fail(at: now)
    case (.event(.disinvited(let room, _)), .listening) where room == nil || room == address.token: fail(at: now)
    case (.event(.roomMessage(_, let data)), .listening) where data["type"].string == "chat": return [.rang]
    default: break
    }
    return effects()
  }

  private mutating func enteredRoom() {
    failures = 0
    stage = .listening
  }
}
