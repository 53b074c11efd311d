internal import CSoup
public import GLibLoop
internal import Transport

/// A server could not be started.
public struct WebServerError: Error, CustomStringConvertible, Sendable {
  public let description: String
}

/// An HTTP/1.1 and WebSocket server.
///
/// One handler gets every request and decides by its path; it may take its time, other requests go on meanwhile.
/// Call `stop` before letting go of the server.
public actor WebServer {
  public typealias Handler = @Sendable (WebRequest) async -> WebResponse

  /// A certificate chain and its key, both files in PEM form.
  public struct Certificate: Sendable {
    public let certificateFile: String
    public let keyFile: String

    public init(certificateFile: String, keyFile: String) {
      self.certificateFile = certificateFile
      self.keyFile = keyFile
    }
  }

  /// A request that is being handled.
  private struct Exchange {
    let message: OpaquePointer
    var task: Task<Void, Never>?
  }

  private struct ServedSocket {
    let socket: WebSocket
    let task: Task<Void, Never>
  }

  private struct Upgrade {
    let options: WebSocket.Options
    let serve: @Sendable (WebSocket) async -> Void
  }

  private nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let certificate: Certificate?
  private let maximumBodySize: Int
  private let handler: Handler
  private var server: UnsafeMutablePointer<SoupServer>?
  private var isListening = false
  private var isStopped = false
  private var nextID = 0
  private var bodySizes: [OpaquePointer: Int] = [:]
  private var exchanges: [Int: Exchange] = [:]
  private var upgrades: [Int: Upgrade] = [:]
  private var sockets: [Int: ServedSocket] = [:]

  /// - Parameters:
  ///   - certificate: With one, the server speaks HTTPS only; without, HTTP only.
  ///   - maximumBodySize: A longer request is answered with 413, in bytes.
  public init(
    certificate: Certificate? = nil, maximumBodySize: Int = 1 << 20, on loop: GLibExecutor = .network,
    handler: @escaping Handler
  ) {
    self.certificate = certificate
    self.maximumBodySize = maximumBodySize
    self.loop = loop
    self.handler = handler
  }

  deinit {
    let isListening = isListening
    precondition(!isListening, "a WebServer must be stopped before it goes")
  }

  /// Opens the port.
  /// - Parameters:
  ///   - address: An IP address of this machine.
  ///   - port: 0 for any free one.
  /// - Returns: The port.
  @discardableResult
  public func listen(address: String = "127.0.0.1", port: Int = 0) throws(WebServerError) -> Int {
    precondition(server == nil && !isStopped, "a WebServer listens once")
    var error: UnsafeMutablePointer<GError>?
    defer { g_clear_error(&error) }
    func failure(_ what: String) -> WebServerError {
      WebServerError(description: "\(what): \(error.map { String(cString: $0.pointee.message) } ?? "unknown error").")
    }

    var tlsCertificate: UnsafeMutablePointer<GTlsCertificate>?
    defer { tlsCertificate.map { g_object_unref(UnsafeMutableRawPointer($0)) } }
    if let certificate {
      tlsCertificate = g_tls_certificate_new_from_files(certificate.certificateFile, certificate.keyFile, &error)
      guard tlsCertificate != nil else { throw failure("The certificate cannot be used") }
    }
    guard let socketAddress = CSoup_socket_address(address, guint(clamping: port)) else {
      throw WebServerError(description: "\(address) is no IP address.")
    }
    defer { g_object_unref(UnsafeMutableRawPointer(socketAddress)) }

    let server = CSoup_server_new(tlsCertificate)!
    CSoup_server_refuse_compression(server)
    let options = certificate == nil ? SoupServerListenOptions(0) : SOUP_SERVER_LISTEN_HTTPS
    let socket = CSoup_listening_socket(socketAddress, &error)
    defer { socket.map { g_object_unref(UnsafeMutableRawPointer($0)) } }
    guard let socket, soup_server_listen_socket(server, socket, options, &error) != 0 else {
      g_object_unref(UnsafeMutableRawPointer(server))
      throw failure("Cannot listen on \(address) port \(port)")
    }
    soup_server_add_early_handler(
      server, nil,
      { _, message, _, _, data in
        nonisolated(unsafe) let message = message!
        ServerHook.server(data)?.assumeIsolated { $0.receivedHeaders(of: message) }
      }, ServerHook(self).retained(), ServerHook.onDestroy)
    soup_server_add_handler(
      server, nil,
      { _, message, _, _, data in
        nonisolated(unsafe) let message = message!
        ServerHook.server(data)?.assumeIsolated { $0.received(message) }
      }, ServerHook(self).retained(), ServerHook.onDestroy)
    self.server = server
    isListening = true
    return Int(CSoup_local_port(socket))
  }

  /// Closes the port and drops every connection, served sockets included.
  public func stop() {
    isStopped = true
    let (exchanges, sockets) = (self.exchanges, self.sockets)
    (self.exchanges, self.sockets, upgrades, bodySizes) = ([:], [:], [:], [:])
    for exchange in exchanges.values {
      exchange.task?.cancel()
      g_object_unref(UnsafeMutableRawPointer(exchange.message))
    }
    for served in sockets.values {
      served.task.cancel()
      served.socket.abort()
    }
    guard let server else { return }
    self.server = nil
    isListening = false
    soup_server_disconnect(server)
    soup_server_remove_handler(server, nil)
    g_object_unref(UnsafeMutableRawPointer(server))
  }

  // MARK: Requests

  private func receivedHeaders(of message: OpaquePointer) {
    let announced = soup_message_headers_get_content_length(soup_server_message_get_request_headers(message))
    guard announced <= maximumBodySize else { return refuseBody(of: message) }
    bodySizes[message] = 0
    CSoup_on_request_chunk(
      message,
      { message, chunk, data in
        nonisolated(unsafe) let message = message!
        let size = Int(g_bytes_get_size(chunk))
        ServerHook.server(data)?.assumeIsolated { $0.received(bytes: size, of: message) }
      }, ServerHook(self).retained(), ServerHook.onRelease)
    CSoup_on_request_finished(
      message,
      { message, data in
        nonisolated(unsafe) let message = message!
        ServerHook.server(data)?.assumeIsolated { _ = $0.bodySizes.removeValue(forKey: message) }
      }, ServerHook(self).retained(), ServerHook.onRelease)
  }

  private func received(bytes: Int, of message: OpaquePointer) {
    guard let size = bodySizes[message] else { return }
    bodySizes[message] = size + bytes
    if size + bytes > maximumBodySize { refuseBody(of: message) }
  }

  /// The rest is read and thrown away, so that the client gets to read the answer.
  private func refuseBody(of message: OpaquePointer) {
    bodySizes[message] = nil
    soup_message_body_set_accumulate(soup_server_message_get_request_body(message), 0)
    soup_message_body_truncate(soup_server_message_get_request_body(message))
    soup_message_headers_replace(soup_server_message_get_response_headers(message), "Connection", "close")
    soup_server_message_set_status(message, guint(413), nil)
  }

  private func received(_ message: OpaquePointer) {
    bodySizes[message] = nil
    guard !isStopped else { return }
    let request = WebRequest(message)
    let id = nextID
    nextID += 1
    g_object_ref(UnsafeMutableRawPointer(message))
    soup_server_message_pause(message)
    exchanges[id] = Exchange(message: message)
    CSoup_on_request_disconnected(
      message,
      { _, data in
        let id = ServerHook.id(data)
        ServerHook.server(data)?.assumeIsolated { $0.clientLeft(id) }
      },
      ServerHook(self, id).retained(), ServerHook.onRelease)
    exchanges[id]?.task = Task { await answer(id, handler(request)) }
  }

  private func clientLeft(_ id: Int) {
    guard let exchange = exchanges.removeValue(forKey: id) else { return }
    exchange.task?.cancel()
    g_object_unref(UnsafeMutableRawPointer(exchange.message))
  }

  private func answer(_ id: Int, _ response: WebResponse) {
    guard let message = exchanges.removeValue(forKey: id)?.message else { return }
    defer { g_object_unref(UnsafeMutableRawPointer(message)) }
    switch response.action {
    case .reply(let status, let headers, let body):
      soup_server_message_set_status(message, guint(clamping: status), nil)
      for field in headers.fields {
        let reply = soup_server_message_get_response_headers(message)
        // The library has set the date already; cookies come several times.
        if field.name == "Date" {
          soup_message_headers_replace(reply, field.name, field.value)
        } else {
          soup_message_headers_append(reply, field.name, field.value)
        }
      }
      soup_message_body_append(
        soup_server_message_get_response_body(message), SOUP_MEMORY_COPY, body, gsize(body.count))
      soup_server_message_unpause(message)
    case .webSocket(let options, let serve):
      if soup_websocket_server_process_handshake(message, nil, nil, nil, nil) != 0 {
        upgrades[id] = Upgrade(options: options, serve: serve)
        CSoup_on_wrote_informational(
          message,
          { message, data in
            nonisolated(unsafe) let message = message!
            let id = ServerHook.id(data)
            ServerHook.server(data)?.assumeIsolated { $0.upgrade(id, message) }
          }, ServerHook(self, id).retained(), ServerHook.onRelease)
      }
      soup_server_message_unpause(message)
    case .drop:
      guard let stream = soup_server_message_steal_connection(message) else { return }
      g_io_stream_close_async(stream, Int32(G_PRIORITY_DEFAULT), nil, nil, nil)
      g_object_unref(UnsafeMutableRawPointer(stream))
    }
  }

  // MARK: WebSockets

  private func upgrade(_ id: Int, _ message: OpaquePointer) {
    guard let upgrade = upgrades.removeValue(forKey: id),
      let stream = soup_server_message_steal_connection(message)
    else { return }
    let connection = soup_websocket_connection_new(
      stream, soup_server_message_get_uri(message), SOUP_WEBSOCKET_CONNECTION_SERVER, nil, nil, nil)!
    g_object_unref(UnsafeMutableRawPointer(stream))
    let socket = WebSocket(adopting: SocketReference(pointer: connection), options: upgrade.options, on: loop)
    let task = Task {
      await upgrade.serve(socket)
      socket.close()
      sockets[id] = nil
    }
    sockets[id] = ServedSocket(socket: socket, task: task)
  }
}

/// What libsoup's callbacks carry: the way back to the server, and to one of its requests.
private final class ServerHook: Sendable {
  private weak let server: WebServer?
  private let id: Int

  init(_ server: WebServer, _ id: Int = 0) {
    self.server = server
    self.id = id
  }

  func retained() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

  static func server(_ data: UnsafeMutableRawPointer?) -> WebServer? {
    Unmanaged<ServerHook>.fromOpaque(data!).takeUnretainedValue().server
  }

  static func id(_ data: UnsafeMutableRawPointer?) -> Int {
    Unmanaged<ServerHook>.fromOpaque(data!).takeUnretainedValue().id
  }

  static let onDestroy: @convention(c) (gpointer?) -> Void = { Unmanaged<ServerHook>.fromOpaque($0!).release() }
  static let onRelease: @convention(c) (gpointer?, UnsafeMutablePointer<GClosure>?) -> Void = { data, _ in
    Unmanaged<ServerHook>.fromOpaque(data!).release()
  }
}

extension WebRequest {
  fileprivate init(_ message: OpaquePointer) {
    let uri = soup_server_message_get_uri(message)
    var headers = HTTPHeaders()
    var iterator = SoupMessageHeadersIter()
    var (name, value): (UnsafePointer<CChar>?, UnsafePointer<CChar>?)
    soup_message_headers_iter_init(&iterator, soup_server_message_get_request_headers(message))
    while soup_message_headers_iter_next(&iterator, &name, &value) != 0 {
      headers.add(String(cString: name!), String(cString: value!))
    }
    let body = soup_server_message_get_request_body(message).pointee
    self.init(
      method: String(cString: soup_server_message_get_method(message)),
      path: String(cString: g_uri_get_path(uri)),
      queryString: g_uri_get_query(uri).map { String(cString: $0) } ?? "",
      headers: headers,
      body: [UInt8](UnsafeRawBufferPointer(start: body.data, count: Int(body.length))))
  }
}
