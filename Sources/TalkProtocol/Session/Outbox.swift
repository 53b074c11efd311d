/// Collects what is to be done, and numbers it.
struct Outbox: Sendable {
  /// Messages kept while the socket is away: more than a negotiation needs, and a bound.
  private static let heldLimit = 256

  private enum Socket {
    case none
    case open(SocketID)
    /// Away for now; the session may be taken up again.
    case away(held: [String])
  }

  private var effects: [CallEffect] = []
  private var socket = Socket.none
  private var lastNumber = 0

  mutating func take() -> [CallEffect] {
    defer { effects = [] }
    return effects
  }

  mutating func emit(_ effect: CallEffect) { effects.append(effect) }

  mutating func report(_ events: some Sequence<CallEvent>) {
    for event in events { emit(.report(event)) }
  }

  mutating func report(_ event: CallEvent?) {
    if let event { emit(.report(event)) }
  }

  /// Never the same twice.
  mutating func nextNumber() -> Int {
    lastNumber += 1
    return lastNumber
  }

  mutating func send(_ content: ClientMessage.Content, _ tag: MessageTag) {
    let text = ClientMessage(id: tag.text, content).text
    switch socket {
    case .none: break
    case .open(let id): emit(.send(id, text: text))
    case .away(let held): if held.count < Self.heldLimit { socket = .away(held: held + [text]) }
    }
  }

  mutating func send(_ content: PeerMessage.Content, to recipient: String, sid: String? = nil, _ tag: MessageTag) {
    let to = content == .requestOffer ? nil : recipient
    send(.message(Addressed(to: .session(recipient), PeerMessage(content, to: to, sid: sid))), tag)
  }

  mutating func socketOpened(_ id: SocketID) {
    guard case .away(let held) = socket else {
      socket = .open(id)
      return
    }
    socket = .open(id)
    for text in held { emit(.send(id, text: text)) }
  }

  mutating func socketInterrupted() {
    if case .open = socket { socket = .away(held: []) }
  }

  mutating func socketLost() { socket = .none }
}

/// The id of a message of ours, so made that an error about it tells what it was about.
struct MessageTag: Hashable {
  enum Kind: String {
    case hello, room, bye, request, answer, candidate, offer, state
  }

  var kind: Kind
  var number: Int

  init(_ kind: Kind, _ number: Int) {
    self.kind = kind
    self.number = number
  }

  init?(_ text: String?) {
    guard let parts = text?.split(separator: "-"), parts.count == 2, let kind = Kind(rawValue: String(parts[0])),
      let number = Int(parts[1])
    else { return nil }
    self.init(kind, number)
  }

  var text: String { "\(kind.rawValue)-\(number)" }
}
