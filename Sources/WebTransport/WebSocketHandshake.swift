internal import CSoup
public import GLibLoop
public import Transport

extension WebSocket {
  /// Opens a WebSocket to a server.
  ///
  /// TLS is always verified. Redirects are not followed, cookies not sent.
  /// - Parameters:
  ///   - url: `ws://…` or `wss://…`.
  ///   - headers: Sent beside those of the handshake.
  /// - Throws: `TransportError`; `.cancelled` when the task is cancelled meanwhile.
  public static func connect(
    to url: String, headers: HTTPHeaders = [:], settings: TransportSettings = TransportSettings(),
    options: Options = Options(), on loop: GLibExecutor = .network
  ) async throws(TransportError) -> WebSocket {
    try await WebSocketHandshake(on: loop).run(url: url, headers: headers, settings: settings, options: options)
  }
}

/// One attempt to open a WebSocket.
private actor WebSocketHandshake {
  private nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private var url = ""
  private var observer: TrafficObserver?
  private var host = ""
  private var isSecure = false
  private var options = WebSocket.Options()
  private var furtherAuthorities: CertificateAuthorities?
  private var tlsFailure: TLSFailure?
  private var session: UnsafeMutablePointer<SoupSession>?
  private var message: OpaquePointer?
  private var cancellable: UnsafeMutablePointer<GCancellable>?
  private var proxy: ProxyAddress?
  private var isTimedOut = false
  private var isCancelled = false
  private var continuation: CheckedContinuation<Result<WebSocket, TransportError>, Never>?

  init(on loop: GLibExecutor) { self.loop = loop }

  func run(
    url: String, headers: HTTPHeaders, settings: TransportSettings, options: WebSocket.Options
  ) async throws(TransportError) -> WebSocket {
    guard !Task.isCancelled else { throw .cancelled }
    let target = try SocketTarget(url)
    self.url = url
    observer = settings.observer
    host = target.host
    isSecure = target.scheme == "wss"
    self.options = options
    if let file = settings.caFile { furtherAuthorities = try CertificateAuthorities(file: file, for: target) }

    guard let message = soup_message_new("GET", url) else { throw .invalidURL(reason: "it is no WebSocket URL") }
    self.message = message
    soup_message_set_flags(
      message, SoupMessageFlags(SOUP_MESSAGE_NO_REDIRECT.rawValue | SOUP_MESSAGE_NEW_CONNECTION.rawValue))
    for field in headers.fields {
      soup_message_headers_append(soup_message_get_request_headers(message), field.name, field.value)
    }
    CSoup_on_accept_certificate(
      message,
      { _, certificate, errors, data in
        // Emitted on the loop's thread, which this actor lives on; the pointer is used during the call alone.
        nonisolated(unsafe) let certificate = certificate
        let handshake = Unmanaged<WebSocketHandshake>.fromOpaque(data!).takeUnretainedValue()
        return handshake.assumeIsolated { $0.accepts(certificate, errors) } ? 1 : 0
      }, Unmanaged.passRetained(self).toOpaque(),
      { data, _ in Unmanaged<WebSocketHandshake>.fromOpaque(data!).release() })
    CSoup_on_authenticate(
      message,
      { _, auth, isRetrying, data in
        nonisolated(unsafe) let auth = auth
        let handshake = Unmanaged<WebSocketHandshake>.fromOpaque(data!).takeUnretainedValue()
        return handshake.assumeIsolated { $0.authenticates(auth, isRetrying: isRetrying != 0) } ? 1 : 0
      }, Unmanaged.passRetained(self).toOpaque(),
      { data, _ in Unmanaged<WebSocketHandshake>.fromOpaque(data!).release() })

    // Not the default resolver when there is no proxy: GIO's own reading of the environment is not ours.
    let proxy = settings.proxies.proxy(scheme: target.scheme, host: target.host, port: target.port)
    self.proxy = proxy
    // libsoup repeats credentials of an HTTP proxy's URL for as long as they are refused; so it gets them on demand.
    let isHTTPProxy = proxy?.scheme.hasPrefix("http") == true
    let resolver = g_simple_proxy_resolver_new((isHTTPProxy ? proxy?.description : proxy?.url) ?? "direct://", nil)
    session = CSoup_session_new(settings.userAgent, resolver)
    g_object_unref(UnsafeMutableRawPointer(resolver))
    cancellable = g_cancellable_new()
    defer { release() }

    let deadline = LoopTimer(on: loop, in: self) { $0.give(up: true) }
    let cancellation = LoopTimer(on: loop, in: self) { $0.give(up: false) }
    deadline.schedule(at: .now + settings.connectTimeout)
    defer {
      deadline.invalidate()
      cancellation.invalidate()
    }
    return try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        self.continuation = continuation
        soup_session_websocket_connect_async(
          session, message, nil, nil, Int32(G_PRIORITY_DEFAULT), cancellable,
          { _, result, data in
            nonisolated(unsafe) let result = result
            Unmanaged<WebSocketHandshake>.fromOpaque(data!).takeRetainedValue()
              .assumeIsolated { $0.completed(result) }
          }, Unmanaged.passRetained(self).toOpaque())
      }
    } onCancel: {
      cancellation.wake()
    }.get()
  }

  private func release() {
    if let message { g_object_unref(UnsafeMutableRawPointer(message)) }
    if let session { g_object_unref(UnsafeMutableRawPointer(session)) }
    if let cancellable { g_object_unref(UnsafeMutableRawPointer(cancellable)) }
    (message, session, cancellable) = (nil, nil, nil)
  }

  private func give(up isTimedOut: Bool) {
    if isTimedOut { self.isTimedOut = true } else { isCancelled = true }
    g_cancellable_cancel(cancellable)
  }

  /// Decides about a certificate that the system's authorities do not vouch for.
  private func accepts(_ certificate: UnsafeMutablePointer<GTlsCertificate>?, _ errors: GTlsCertificateFlags) -> Bool {
    var errors = errors
    if let furtherAuthorities, let certificate { errors = furtherAuthorities.verify(certificate) }
    tlsFailure = TLSFailure(errors)
    return tlsFailure == nil
  }

  /// Gives the proxy its credentials, once.
  private func authenticates(_ auth: UnsafeMutablePointer<SoupAuth>?, isRetrying: Bool) -> Bool {
    guard soup_auth_is_for_proxy(auth) != 0, !isRetrying, let credentials = proxy?.credentials else { return false }
    soup_auth_authenticate(auth, credentials.user, credentials.password)
    return true
  }

  private func completed(_ result: OpaquePointer?) {
    var error: UnsafeMutablePointer<GError>?
    let connection = soup_session_websocket_connect_finish(session, result, &error)
    defer { g_clear_error(&error) }
    let outcome: Result<WebSocket, TransportError>
    if let connection {
      observer?(.socketOpened(url: url))
      outcome = .success(
        WebSocket(adopting: SocketReference(pointer: connection), options: options, observer: observer, on: loop))
    } else {
      let failure = failure(error)
      observer?(.socketFailed(url: url, reason: failure.description))
      outcome = .failure(failure)
    }
    continuation?.resume(returning: outcome)
    continuation = nil
  }

  /// Whether somebody behind the proxy was reached: with TLS, whoever showed a certificate.
  private var isPastProxy: Bool {
    isSecure ? soup_message_get_tls_peer_certificate(message) != nil : soup_message_get_status(message).rawValue != 0
  }

  private func failure(_ error: UnsafeMutablePointer<GError>?) -> TransportError {
    if isTimedOut { return .connectTimedOut(host: host) }
    if let tlsFailure { return .tls(host: host, tlsFailure) }
    guard let error = error?.pointee else { return .lost(host: host, reason: "unknown error") }
    let text = String(cString: error.message)
    if isCancelled { return .cancelled }
    if proxy != nil, !isPastProxy {
      let status = soup_message_get_status(message).rawValue
      return .proxy(reason: status == 0 ? text : "it refused the connection with HTTP status \(status)")
    }
    switch error.domain {
    case soup_websocket_error_quark():
      let status = Int(soup_message_get_status(message).rawValue)
      return status == 0 || status == 101
        ? .lost(host: host, reason: text) : .upgradeRefused(host: host, status: status)
    case g_tls_error_quark(): return .tls(host: host, .handshake(text))
    case g_resolver_error_quark(): return .hostNotFound(host: host)
    case g_io_error_quark():
      switch GIOErrorEnum(UInt32(bitPattern: error.code)) {
      case G_IO_ERROR_TIMED_OUT: return .connectTimedOut(host: host)
      case G_IO_ERROR_CONNECTION_REFUSED, G_IO_ERROR_HOST_UNREACHABLE, G_IO_ERROR_NETWORK_UNREACHABLE,
        G_IO_ERROR_HOST_NOT_FOUND:
        return .unreachable(host: host, reason: text)
      case G_IO_ERROR_PROXY_FAILED, G_IO_ERROR_PROXY_AUTH_FAILED, G_IO_ERROR_PROXY_NEED_AUTH,
        G_IO_ERROR_PROXY_NOT_ALLOWED:
        return .proxy(reason: text)
      default: return .lost(host: host, reason: text)
      }
    default: return .lost(host: host, reason: text)
    }
  }
}
