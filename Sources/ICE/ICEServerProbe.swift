internal import CNice
public import GLibLoop

/// Tries a STUN or TURN server for real: asks where it sees us, or has it lend us an address, which is given back.
///
/// An agent gathers from the same servers, and tells only what came of it; this tells why nothing came. Use it once.
public actor ICEServerProbe {
  /// What a server that works has answered.
  public struct Answer: Equatable, Sendable {
    /// From a request to its answer.
    public let roundTripTime: Duration
    /// The IP address that the server sees us at; nil where it does not say.
    public let mappedAddress: String?
    /// The IP address that it lends; nil for STUN.
    public let relayedAddress: String?

    public init(roundTripTime: Duration, mappedAddress: String?, relayedAddress: String?) {
      self.roundTripTime = roundTripTime
      self.mappedAddress = mappedAddress
      self.relayedAddress = relayedAddress
    }
  }

  /// Why a server is of no use.
  public enum Failure: Error, Equatable, Sendable {
    /// TURN over DTLS.
    case unsupported
    case nameNotFound
    /// Nothing listens there, or a firewall says so.
    case refused
    /// Neither answer nor refusal.
    case noAnswer
    case notTrusted(String)
    /// The connection failed otherwise; the system's words.
    case failed(String)
    /// The server wants a user name and password, and there is none.
    case credentialsMissing
    /// The server does not accept the user name and password.
    case credentialsRefused
    /// Another error (RFC 8489 §14.8, RFC 8656 §19).
    case error(code: Int)
    /// What answers is no STUN or TURN server.
    case protocolViolation
  }

  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// RFC 8489 §6.2.1: doubled with each repetition.
  private static let firstRepetition = Duration.milliseconds(500)
  private static let readSize: gsize = 2048

  private let url: ICEServerURL
  private let certificateAuthorityFile: String?
  private let hasCredentials: Bool
  private let client: STUNClient
  private let cancellable = GObjectReference(owning: g_cancellable_new())
  private var stream: GObjectReference?
  private var received: [UInt8] = []
  // Of the request that is out.
  private var request: [UInt8] = []
  private var sentAt = ContinuousClock.now
  private var repetition: LoopTimer?
  private var nextRepetition = firstRepetition
  private var shortestRoundTrip: Duration?

  public init(
    _ url: ICEServerURL, username: String = "", credential: String = "", certificateAuthorityFile: String? = nil,
    on loop: GLibExecutor = .network
  ) {
    self.loop = loop
    self.url = url
    self.certificateAuthorityFile = certificateAuthorityFile
    hasCredentials = !username.isEmpty
    client = STUNClient(username: username, password: credential)
  }

  /// Asks, and waits for the answer.
  /// - Parameter limit: For all of it.
  public func run(within limit: Duration) async throws(Failure) -> Answer {
    guard url.transport == .tcp || url.scheme == .stun || url.scheme == .turn else { throw .unsupported }
    let deadline = LoopTimer(on: loop) { [weak self] in self?.assumeIsolated { $0.giveUp() } }
    deadline.schedule(at: .now + limit)
    repetition = LoopTimer(on: loop) { [weak self] in self?.assumeIsolated { $0.repeatRequest() } }
    defer {
      deadline.invalidate()
      repetition?.invalidate()
      if let stream { g_io_stream_close(stream.cast(), nil, nil) }
    }
    let outcome: Result<Answer, Failure>
    do throws(GIOError) {
      let isIPv4 = NameLookup.usesIPv4([])
      let address = await NameLookup.address(of: url.host, wantsIPv4: isIPv4, within: limit, on: loop)
      guard let address else {
        throw GIOError(message: "its name has no address", cause: .nameNotFound)
      }
      stream = try await ServerConnection.open(
        to: url, at: address, certificateAuthorityFile: certificateAuthorityFile,
        within: UInt32(clamping: limit.components.seconds + 1), until: cancellable)
      outcome = try await converse()
    } catch { throw failure(error) }
    return try outcome.get()
  }

  private func converse() async throws(GIOError) -> Result<Answer, Failure> {
    let isRelay = url.scheme == .turn || url.scheme == .turns
    for _ in 0..<4 {
      switch try await answer(to: isRelay ? client.allocation() : client.binding()) {
      case .mapped(let address): return .success(answer(mapped: address, relayed: nil))
      case .relayed(let relayed, let mapped):
        send(client.release())
        return .success(answer(mapped: mapped, relayed: relayed))
      case .challenged: if !hasCredentials { return .failure(.credentialsMissing) }
      case .refused(401), .refused(431), .refused(441): return .failure(.credentialsRefused)
      case .refused(let code): return .failure(.error(code: code))
      case .unusable, nil: return .failure(.protocolViolation)
      }
    }
    return .failure(.protocolViolation)
  }

  private func answer(mapped: String?, relayed: String?) -> Answer {
    Answer(roundTripTime: shortestRoundTrip ?? .zero, mappedAddress: mapped, relayedAddress: relayed)
  }

  private func failure(_ error: GIOError) -> Failure {
    switch error.cause {
    case .timedOut, .cancelled: .noAnswer
    case .nameNotFound: .nameNotFound
    case .refused: .refused
    case .trust: .notTrusted(error.message)
    case .other: .failed(error.message)
    }
  }

  // MARK: Requests

  /// nil when what came is no STUN.
  private func answer(to request: [UInt8]) async throws(GIOError) -> STUNClient.Reply? {
    self.request = request
    nextRepetition = Self.firstRepetition
    sentAt = .now
    send(request)
    if url.transport == .udp { repetition?.schedule(at: sentAt + nextRepetition) }
    defer { repetition?.cancel() }
    while true {
      guard let message = try await message() else { return nil }
      guard let reply = client.receive(message) else {
        // A datagram that is no answer may be anybody's; in a stream, everything is the server's.
        if url.transport == .udp { continue } else { return nil }
      }
      let time = ContinuousClock.now - sentAt
      shortestRoundTrip = min(shortestRoundTrip ?? time, time)
      return reply
    }
  }

  /// The next whole message, or datagram.
  private func message() async throws(GIOError) -> [UInt8]? {
    if url.transport == .udp { return try await read() }
    while true {
      if let length = STUNClient.length(of: received) {
        guard length > 0 else { return nil }
        if received.count >= length {
          defer { received.removeFirst(length) }
          return Array(received.prefix(length))
        }
      }
      let more = try await read()
      guard !more.isEmpty else { return nil }
      received += more
    }
  }

  private func read() async throws(GIOError) -> [UInt8] {
    guard let stream else { return [] }
    let result = await finished {
      g_input_stream_read_bytes_async(
        g_io_stream_get_input_stream(stream.cast()), Self.readSize, G_PRIORITY_DEFAULT, cancellable.cast(), $0, $1)
    }
    var error: UnsafeMutablePointer<GError>?
    let input = g_io_stream_get_input_stream(stream.cast())
    guard let bytes = g_input_stream_read_bytes_finish(input, OpaquePointer(result.pointer), &error) else {
      throw GIOError(taking: error)
    }
    defer { g_bytes_unref(bytes) }
    var count: gsize = 0
    let start = g_bytes_get_data(bytes, &count)
    return Array(UnsafeRawBufferPointer(start: start, count: Int(count)))
  }

  /// Does not wait: a request fits into any socket's buffer. What is lost here is not answered either.
  private func send(_ bytes: [UInt8]) {
    guard let stream else { return }
    g_output_stream_write(g_io_stream_get_output_stream(stream.cast()), bytes, gsize(bytes.count), nil, nil)
  }

  // MARK: Time

  private func repeatRequest() {
    nextRepetition *= 2
    sentAt = .now
    send(request)
    repetition?.schedule(at: sentAt + nextRepetition)
  }

  private func giveUp() { g_cancellable_cancel(cancellable.cast()) }
}
