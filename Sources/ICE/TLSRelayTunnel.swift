internal import CNice
internal import GLibLoop

/// Carries TURN over TLS for libnice, which speaks TURN over plain TCP only.
///
/// It listens on loopback; each connection that this very process makes there is joined to a TLS connection of its own
/// to the server, whose certificate must be valid for the host of the URL. Bytes are moved by GIO on the loop's thread,
/// one bounded buffer in each direction.
actor TLSRelayTunnel {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Where it listens: a loopback address.
  nonisolated let address: String
  nonisolated let port: UInt16

  private static let mostConnections = 16
  private static let connectionTimeout: UInt32 = 6  // seconds

  private let server: ICEServerURL
  private let certificateAuthorityFile: String?
  private let listener: GObjectReference
  private let cancellable = GObjectReference(owning: g_cancellable_new())
  private var serving: Task<Void, Never>?
  private var connections = 0
  /// Why the last connection to the server failed.
  private(set) var problem: String?

  /// Opens the listener; `serve` accepts on it.
  init(to server: ICEServerURL, certificateAuthorityFile: String?, overIPv4: Bool, on loop: GLibExecutor)
    throws(GIOError)
  {
    self.loop = loop
    self.server = server
    self.certificateAuthorityFile = certificateAuthorityFile
    address = overIPv4 ? "127.0.0.1" : "::1"
    listener = GObjectReference(owning: g_socket_listener_new())
    let local = GObjectReference(owning: g_inet_socket_address_new_from_string(address, 0))
    var effective: UnsafeMutablePointer<GSocketAddress>?
    var error: UnsafeMutablePointer<GError>?
    guard
      g_socket_listener_add_address(
        listener.cast(), local.cast(), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nil, &effective, &error) != 0,
      let effective
    else { throw GIOError(taking: error) }
    let bound = GObjectReference(owning: effective)
    port = g_inet_socket_address_get_port(bound.cast())
  }

  /// Starts to accept connections.
  func serve() {
    serving = Task {
      await withDiscardingTaskGroup { group in
        while let connection = await accept() {
          guard connections < Self.mostConnections, isOurs(connection) else { continue }
          connections += 1
          group.addTask { await self.relay(connection) }
        }
      }
    }
  }

  /// Ends every connection and the listener; returns when nothing of it runs any more.
  func close() async {
    g_cancellable_cancel(cancellable.cast())
    g_socket_listener_close(listener.cast())
    await serving?.value
    serving = nil
  }

  private func accept() async -> GObjectReference? {
    let result = await finished { g_socket_listener_accept_async(listener.cast(), cancellable.cast(), $0, $1) }
    guard
      let connection = g_socket_listener_accept_finish(listener.cast(), OpaquePointer(result.pointer), nil, nil)
    else { return nil }
    return GObjectReference(owning: connection)
  }

  /// Whether the other end of an accepted connection is a socket of this process. The server's credentials are not
  /// ours to check here, but the way through our firewall should be nobody else's.
  private func isOurs(_ connection: GObjectReference) -> Bool {
    LoopbackPeer.isInThisProcess(g_socket_get_fd(g_socket_connection_get_socket(connection.cast())))
  }

  private func relay(_ local: GObjectReference) async {
    defer { connections -= 1 }
    do throws(GIOError) {
      let remote = try await ServerConnection.open(
        to: server, certificateAuthorityFile: certificateAuthorityFile, within: Self.connectionTimeout,
        until: cancellable)
      let ended = await finished {
        g_io_stream_splice_async(
          local.cast(), remote.cast(),
          GIOStreamSpliceFlags(
            G_IO_STREAM_SPLICE_CLOSE_STREAM1.rawValue | G_IO_STREAM_SPLICE_CLOSE_STREAM2.rawValue),
          G_PRIORITY_DEFAULT, cancellable.cast(), $0, $1)
      }
      g_io_stream_splice_finish(OpaquePointer(ended.pointer), nil)
    } catch {
      if g_cancellable_is_cancelled(cancellable.cast()) == 0 {
        problem = "\(server) cannot be used: \(error.message)."
      }
      g_io_stream_close(local.cast(), nil, nil)
    }
  }
}
