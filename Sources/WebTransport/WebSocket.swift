internal import CSoup
internal import GLibLoop
internal import Transport

/// One WebSocket (RFC 6455), on the side of the client or of the server. Text messages only.
///
/// `send`, `close` and `abort` may be called from anywhere, never wait, and take effect in the order of the calls. All
/// that happens comes out of `events`. A socket that is let go of without `close` is dropped as by `abort`.
public actor WebSocket {
  /// The bounds and the watchfulness of one socket.
  public struct Options: Sendable {
    /// Larger incoming messages end the socket, in bytes.
    public var maximumMessageSize: Int
    /// How many bytes of messages may wait for the reader.
    public var maximumBacklog: Int
    /// A ping is sent this often, in whole seconds; three of them without any sign of the peer end the socket.
    /// Zero turns that off.
    public var pingInterval: Duration

    public init(
      maximumMessageSize: Int = 4 << 20, maximumBacklog: Int = 16 << 20, pingInterval: Duration = .seconds(10)
    ) {
      self.maximumMessageSize = maximumMessageSize
      self.maximumBacklog = maximumBacklog
      self.pingInterval = pingInterval
    }
  }

  private enum Order {
    case send(String)
    case close(code: Int, reason: String)
    case abort
  }

  private struct Outbox {
    var orders: [Order] = []
    var wakeup: LoopTimer?
    /// Keeps the socket until its orders are carried out.
    var keeper: WebSocket?
  }

  private nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// The messages of the peer, and how it ended.
  public nonisolated let events: WebSocketEvents

  private nonisolated let outbox = Locked(Outbox())
  private var connection: OpaquePointer?
  /// Gives the connection back on the loop, in `release` or when this object goes.
  private var connectionCleanup: LoopCleanup?
  private var pingTimer: LoopTimer?
  private var sizeTimer: LoopTimer?
  /// What the connection may have received by now, at most, if no message is larger than allowed.
  private var allowance: UInt = 0
  private var hasReceived = true
  private var silentPings = 0
  private var isClosedByUs = false
  private var failure: String?
  private let observer: TrafficObserver?
  /// libsoup ends a closing handshake that gets no answer after five seconds; until then the socket holds itself.
  private var keeperWhileClosing: WebSocket?

  /// Takes over the caller's reference to a `SoupWebsocketConnection`. On the loop's thread only.
  init(
    adopting connection: SocketReference, options: Options, observer: TrafficObserver? = nil, on loop: GLibExecutor
  ) {
    loop.checkIsolated()
    self.observer = observer
    self.loop = loop
    events = WebSocketEvents(capacity: options.maximumBacklog)
    assumeIsolated { $0.start(connection.pointer, options) }
  }

  private func start(_ connection: OpaquePointer, _ options: Options) {
    self.connection = connection
    soup_websocket_connection_set_max_incoming_payload_size(connection, guint64(max(1, options.maximumMessageSize)))
    let hook = SocketHook(self)
    CSoup_on_message(connection, SocketHook.onMessage, hook.retained(), SocketHook.onRelease)
    CSoup_on_pong(connection, SocketHook.onPong, hook.retained(), SocketHook.onRelease)
    CSoup_on_error(connection, SocketHook.onError, hook.retained(), SocketHook.onRelease)
    CSoup_on_closed(connection, SocketHook.onClosed, hook.retained(), SocketHook.onRelease)
    nonisolated(unsafe) let owned = connection  // used once more, on the loop's thread
    connectionCleanup = LoopCleanup(on: loop) {
      // The last reference closes the stream; without a closing handshake, that is a drop.
      CGLib_signal_disconnect_by_data(UnsafeMutableRawPointer(owned), hook.unretained)
      g_object_unref(UnsafeMutableRawPointer(owned))
    }

    let wakeup = LoopTimer(on: loop, in: self) { $0.carryOutOrders() }
    outbox.withLock { $0.wakeup = wakeup }

    let sizeTimer = LoopTimer(on: loop) { [weak self] in
      self?.assumeIsolated { $0.checkSize(limit: options.maximumMessageSize) }
    }
    self.sizeTimer = sizeTimer
    checkSize(limit: options.maximumMessageSize)

    let interval = options.pingInterval.components.seconds
    guard interval > 0 else { return }
    soup_websocket_connection_set_keepalive_interval(connection, UInt32(clamping: interval))
    let timer = LoopTimer(on: loop, in: self) { $0.pingWasDue(every: .seconds(interval)) }
    timer.schedule(at: .now + .seconds(interval))
    pingTimer = timer
  }

  // MARK: Orders

  /// Sends a text message. Without effect once the socket is closed: `events` tells that.
  public nonisolated func send(_ text: String) { place(.send(text)) }

  /// Ends the socket in form: the peer is told, and has five seconds to agree.
  /// - Parameters:
  ///   - code: 1000 to 1003, 1007 to 1009, a server also 1011; or 3000 to 4999 (RFC 6455 §7.4).
  ///   - reason: At most 123 bytes are sent.
  public nonisolated func close(code: Int = 1000, reason: String = "") { place(.close(code: code, reason: reason)) }

  /// Drops the connection without a word, as a network failure would.
  public nonisolated func abort() { place(.abort) }

  private nonisolated func place(_ order: Order) {
    let wakeup: LoopTimer? = outbox.withLock { outbox in
      // Without one it is over, and an order would keep the socket for nothing.
      guard let wakeup = outbox.wakeup else { return nil }
      outbox.orders.append(order)
      outbox.keeper = self
      return wakeup
    }
    wakeup?.wake()
  }

  private func carryOutOrders() {
    let (orders, keeper) = outbox.withLock { outbox in
      let taken = (outbox.orders, outbox.keeper)
      (outbox.orders, outbox.keeper) = ([], nil)
      return taken
    }
    withExtendedLifetime(keeper) { for order in orders { carryOut(order) } }
  }

  private func carryOut(_ order: Order) {
    guard let connection else { return }
    let isOpen = soup_websocket_connection_get_state(connection) == SOUP_WEBSOCKET_STATE_OPEN
    switch order {
    case .send(let text):
      guard isOpen else { return }
      observer?(.messageSent(text))
      var text = text
      text.withUTF8 { bytes in
        let message = g_bytes_new(bytes.baseAddress, gsize(bytes.count))
        soup_websocket_connection_send_message(connection, SOUP_WEBSOCKET_DATA_TEXT, message)
        g_bytes_unref(message)
      }
    case .close(let code, let reason):
      guard isOpen else { return }
      isClosedByUs = true
      keeperWhileClosing = self
      soup_websocket_connection_close(connection, gushort(clamping: code), reason.prefix(utf8Count: 123))
    case .abort:
      isClosedByUs = true
      finish(.byUs)
    }
  }

  // MARK: What libsoup tells

  fileprivate func received(text: String?) {
    silentPings = 0
    hasReceived = true
    guard let text else { return lose("it sent a binary message") }
    observer?(.messageReceived(text))
    if !events.yield(text: text) { lose("its messages were not read in time") }
  }

  fileprivate func receivedPong() { silentPings = 0 }

  fileprivate func failed(_ message: String) { failure = failure ?? message }

  fileprivate func closed() {
    guard let connection else { return }
    let code = Int(soup_websocket_connection_get_close_code(connection))
    if let failure {
      finish(.lost(reason: failure))
    } else if isClosedByUs {
      finish(.byUs)
    } else if code != 0 {
      let reason = soup_websocket_connection_get_close_data(connection).map { String(cString: $0) }
      finish(.byPeer(code: code, reason: reason ?? ""))
    } else {
      finish(.lost(reason: "the connection was closed without a closing message"))
    }
  }

  /// libsoup 3.2 limits a fragment but not how many of them a message has, and tells nothing of them: so, once a second, by
  /// the bytes that came since the last message.
  private func checkSize(limit: Int) {
    guard let connection else { return }
    let received = UInt(CSoup_bytes_received(connection))
    if hasReceived {
      hasReceived = false
      // The kernel may hold some more already; pongs, TLS and masks come on top.
      allowance = received + UInt(clamping: limit) / 8 * 9 + (64 << 10)
    }
    guard received <= allowance else {
      return lose("it sent a larger message than the \(limit) bytes that are accepted")
    }
    allowance += 64
    sizeTimer?.schedule(at: .now + .seconds(1))
  }

  private func pingWasDue(every interval: Duration) {
    // Counted in pings and not by the clock, so that a machine that slept does not take its own sleep for silence.
    guard silentPings < 3 else { return lose("it did not answer for \(interval * 3)") }
    silentPings += 1
    pingTimer?.schedule(at: .now + interval)
  }

  // MARK: The end

  private func lose(_ reason: String) { finish(.lost(reason: reason)) }

  private func finish(_ closure: WebSocketClosure) {
    guard connection != nil else { return }
    release()
    observer?(closure.traffic)
    events.finish(closure)
    keeperWhileClosing = nil
  }

  private func release() {
    guard connection != nil else { return }
    connection = nil
    pingTimer?.invalidate()
    pingTimer = nil
    sizeTimer?.invalidate()
    sizeTimer = nil
    outbox.withLock { outbox in
      outbox.wakeup?.invalidate()
      outbox.wakeup = nil
      outbox.orders = []
      outbox.keeper = nil
    }
    connectionCleanup = nil
  }
}

/// The one reference to a `SoupWebsocketConnection`, on its way to its owner.
struct SocketReference: Sendable {
  // Made, handed over and used on one loop's thread.
  nonisolated(unsafe) let pointer: OpaquePointer
}

/// What libsoup's signals carry: the way back to the socket. Each handler owns one reference.
private final class SocketHook: Sendable {
  private weak let socket: WebSocket?

  init(_ socket: WebSocket) { self.socket = socket }

  var unretained: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
  func retained() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

  private static func socket(_ data: UnsafeMutableRawPointer?) -> WebSocket? {
    Unmanaged<SocketHook>.fromOpaque(data!).takeUnretainedValue().socket
  }

  static let onMessage: @convention(c) (OpaquePointer?, gint, OpaquePointer?, gpointer?) -> Void = {
    _, type, bytes, data in
    var size: gsize = 0
    let start = g_bytes_get_data(bytes, &size)
    let isText = type == gint(SOUP_WEBSOCKET_DATA_TEXT.rawValue)
    let text = isText ? String(decoding: UnsafeRawBufferPointer(start: start, count: Int(size)), as: UTF8.self) : nil
    socket(data)?.assumeIsolated { $0.received(text: text) }
  }

  static let onPong: @convention(c) (OpaquePointer?, OpaquePointer?, gpointer?) -> Void = { _, _, data in
    socket(data)?.assumeIsolated { $0.receivedPong() }
  }

  static let onError: @convention(c) (OpaquePointer?, UnsafeMutablePointer<GError>?, gpointer?) -> Void = {
    _, error, data in
    let message = error.map { String(cString: $0.pointee.message) } ?? "unknown error"
    socket(data)?.assumeIsolated { $0.failed(message) }
  }

  static let onClosed: @convention(c) (OpaquePointer?, gpointer?) -> Void = { _, data in
    socket(data)?.assumeIsolated { $0.closed() }
  }

  static let onRelease: @convention(c) (gpointer?, UnsafeMutablePointer<GClosure>?) -> Void = { data, _ in
    Unmanaged<SocketHook>.fromOpaque(data!).release()
  }
}

extension String {
  /// As many whole characters from the start as fit in so many bytes.
  fileprivate func prefix(utf8Count limit: Int) -> String {
    var room = limit
    return String(
      prefix { character in
        room -= character.utf8.count
        return room >= 0
      })
  }
}
