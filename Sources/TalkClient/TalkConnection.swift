public import GLibLoop
internal import HTTPClient
public import Logging
public import TalkProtocol
public import Transport
internal import WebTransport

/// The connection to one Nextcloud and its signaling server: performs what a `CallSession` wants of HTTP and sockets.
///
/// One cookie jar serves all requests, for Talk keeps its session in it. Give every effect to `perform`, which takes those
/// that are its own and returns at once; `run` does the work and delivers the answers, and all of it ends with the task
/// that `run` is called in:
///
///     await connection.run { event in await driver.handle(event) }
///
/// The log tells purposes, statuses and types of messages, never what is in them.
public actor TalkConnection {
  private enum Order {
    case request(TalkProtocol.HTTPRequest)
    case open(SocketID, url: String)
    case send(SocketID, text: String)
    case close(SocketID)
  }

  private enum Socket {
    case opening
    case open(WebSocket)
  }

  public typealias Delivery = @Sendable (CallSession.Event) async -> Void

  nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Hears what goes over HTTP and the sockets; whoever runs peer connections tells it of these.
  public nonisolated var observer: TrafficObserver? { settings.observer }

  private nonisolated let settings: TransportSettings
  nonisolated let account: Account?
  nonisolated let logger: Logger
  nonisolated let http: HTTPSession
  private nonisolated let orders: AsyncStream<Order>
  private nonisolated let placement: AsyncStream<Order>.Continuation
  private var sockets: [SocketID: Socket] = [:]

  /// - Parameters:
  ///   - account: Whose requests these are; nil for a guest's.
  ///   - settings: Serve HTTP and sockets alike.
  ///   - loop: Where the connections live.
  public init(account: Account? = nil, settings: TransportSettings, logger: Logger, on loop: GLibExecutor = .network) {
    self.loop = loop
    self.settings = settings
    self.account = account
    self.logger = logger
    http = HTTPSession(settings: settings, on: loop)
    (orders, placement) = AsyncStream.makeStream()
  }

  /// Takes an effect of HTTP or of sockets, in the order of the calls; from any thread.
  /// - Returns: Whether it was one of those.
  @discardableResult
  public nonisolated func perform(_ effect: CallEffect) -> Bool {
    switch effect {
    case .request(let request): placement.yield(.request(request))
    case .openSocket(let id, let url): placement.yield(.open(id, url: url))
    case .send(let id, let text): placement.yield(.send(id, text: text))
    case .closeSocket(let id): placement.yield(.close(id))
    default: return false
    }
    return true
  }

  /// Does what was and will be asked for, until the task is cancelled; then requests end unanswered, and sockets that
  /// are still open are closed. Once per connection.
  /// - Parameter deliver: Gets the answers. The messages of one socket come one after the other, each when the one before
  ///   was dealt with.
  public func run(_ deliver: @escaping Delivery) async {
    await withDiscardingTaskGroup { group in
      for await order in orders {
        switch order {
        case .request(let request): group.addTask { await self.answer(request, deliver) }
        case .open(let id, let url):
          sockets[id] = .opening
          group.addTask { await self.serve(id, url, deliver) }
        case .send(let id, let text):
          guard case .open(let socket) = sockets[id] else { break }
          logger.trace("message sent", metadata: ["type": "\(kind(ofClientMessage: text))"])
          socket.send(text)
        case .close(let id):
          if case .open(let socket) = sockets.removeValue(forKey: id) { socket.close() }
        }
      }
      group.cancelAll()
    }
    for case .open(let socket) in sockets.values { socket.close() }
    sockets = [:]
    await http.close()
  }

  // MARK: HTTP

  private func answer(_ request: TalkProtocol.HTTPRequest, _ deliver: Delivery) async {
    let started = ContinuousClock.now
    let event: CallSession.Event
    do throws(TransportError) {
      let reply = try await HTTPReply(http.send(HTTPClient.HTTPRequest(request, account: account)))
      log(request, started, "status", "\(reply.status)")
      event = .reply(request.id, reply)
    } catch {
      log(request, started, "failure", "\(error)")
      event = .requestFailed(request.id, TransportFailure(error))
    }
    if !Task.isCancelled { await deliver(event) }
  }

  private func log(
    _ request: TalkProtocol.HTTPRequest, _ started: ContinuousClock.Instant, _ outcome: String, _ value: String
  ) {
    logger.debug(
      "request answered",
      metadata: [
        "purpose": "\(request.purpose)", "method": "\(request.method.rawValue)", "\(outcome)": "\(value)",
        "took": "\(ContinuousClock.now - started)",
      ])
  }

  // MARK: Sockets

  /// Opens a socket and passes on what comes of it, to its end.
  private func serve(_ id: SocketID, _ url: String, _ deliver: Delivery) async {
    let socket: WebSocket
    do throws(TransportError) {
      socket = try await WebSocket.connect(to: url, settings: settings, on: loop)
    } catch {
      logger.debug("socket failed", metadata: ["socket": "\(id)", "failure": "\(error)"])
      if sockets.removeValue(forKey: id) != nil, !Task.isCancelled {
        await deliver(.socketClosed(id, TransportFailure(error)))
      }
      return
    }
    // It may have been closed while it was opening.
    guard case .opening = sockets[id], !Task.isCancelled else { return socket.close() }
    sockets[id] = .open(socket)
    logger.debug("socket opened", metadata: ["socket": "\(id)"])
    await deliver(.socketOpened(id))
    for await event in socket.events {
      guard sockets[id] != nil else { return }
      switch event {
      case .text(let text):
        logger.trace("message received", metadata: ["type": "\(kind(ofServerMessage: text))"])
        await deliver(.socketMessage(id, text))
      case .closed(let closure):
        logger.debug("socket closed", metadata: ["socket": "\(id)", "how": "\(closure)"])
        sockets[id] = nil
        await deliver(.socketClosed(id, TransportFailure(closure)))
      }
    }
  }

  private nonisolated func kind(ofServerMessage text: String) -> String {
    guard logger.logLevel <= .trace, let message = try? ServerMessage(text: text) else { return "unreadable" }
    return Mirror(reflecting: message.content).children.first?.label ?? "\(message.content)"
  }

  private nonisolated func kind(ofClientMessage text: String) -> String {
    guard logger.logLevel <= .trace, let message = try? ClientMessage(text: text) else { return "unreadable" }
    return Mirror(reflecting: message.content).children.first?.label ?? "\(message.content)"
  }
}
