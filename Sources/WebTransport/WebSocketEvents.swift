internal import GLibLoop
internal import Transport

/// What a WebSocket tells.
public enum WebSocketEvent: Sendable, Equatable {
  /// A text message of the peer.
  case text(String)
  /// The end; nothing comes after it.
  case closed(WebSocketClosure)
}

/// How a WebSocket ended.
public enum WebSocketClosure: Sendable, Equatable {
  /// By our own `close` or `abort`.
  case byUs
  /// The peer closed it in form (RFC 6455 §7.4; 1005 stands for a close frame without a code).
  case byPeer(code: Int, reason: String)
  /// It broke: the connection went away, the peer fell silent, sent what is no WebSocket message or too large a one.
  case lost(reason: String)

  var traffic: Traffic {
    switch self {
    case .byUs: .socketClosed(code: 1000, reason: "by us")
    case .byPeer(let code, let reason): .socketClosed(code: code, reason: reason)
    case .lost(let reason): .socketClosed(code: 1006, reason: reason)
    }
  }
}

/// The events of one WebSocket, in order, the last one always `.closed`. For one reader.
///
/// Messages wait here until they are read, up to a bound; past it the socket is given up as `.lost`, so that a stalled
/// reader cannot make the process grow.
public struct WebSocketEvents: AsyncSequence, Sendable {
  private let stream: AsyncStream<WebSocketEvent>
  private let continuation: AsyncStream<WebSocketEvent>.Continuation
  private let waitingBytes = Locked(0)
  private let capacity: Int

  init(capacity: Int) {
    (stream, continuation) = AsyncStream.makeStream()
    self.capacity = capacity
  }

  /// - Returns: Whether there was room.
  func yield(text: String) -> Bool {
    let cost = Self.cost(of: text)
    let fits = waitingBytes.withLock { [capacity] waiting in
      guard waiting + cost <= capacity else { return false }
      waiting += cost
      return true
    }
    if fits { continuation.yield(.text(text)) }
    return fits
  }

  func finish(_ closure: WebSocketClosure) {
    continuation.yield(.closed(closure))
    continuation.finish()
  }

  /// A short message costs more than its text.
  private static func cost(of text: String) -> Int { text.utf8.count + 128 }

  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: stream.makeAsyncIterator(), waitingBytes: waitingBytes)
  }

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var base: AsyncStream<WebSocketEvent>.AsyncIterator
    fileprivate let waitingBytes: Locked<Int>

    public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async -> WebSocketEvent? {
      let event = await base.next(isolation: actor)
      if case .text(let text) = event { waitingBytes.withLock { $0 -= WebSocketEvents.cost(of: text) } }
      return event
    }
  }
}
