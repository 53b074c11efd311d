internal import CNice
internal import GLibLoop
internal import Glibc

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
    else { throw GIOError(message: takeMessage(error)) }
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
      let remote = try await connectToServer()
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

  private func connectToServer() async throws(GIOError) -> GObjectReference {
    let client = GObjectReference(owning: g_socket_client_new())
    g_socket_client_set_enable_proxy(client.cast(), 0)
    g_socket_client_set_timeout(client.cast(), Self.connectionTimeout)
    let identity = GObjectReference(owning: UnsafeMutableRawPointer(g_network_address_new(server.host, server.port)))

    let connected = await finished {
      g_socket_client_connect_async(client.cast(), OpaquePointer(identity.pointer), cancellable.cast(), $0, $1)
    }
    var error: UnsafeMutablePointer<GError>?
    guard let base = g_socket_client_connect_finish(client.cast(), OpaquePointer(connected.pointer), &error) else {
      throw GIOError(message: takeMessage(error))
    }
    let connection = GObjectReference(owning: base)
    let socket = g_socket_connection_get_socket(base)
    g_socket_set_option(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1, nil)

    guard let stream = g_tls_client_connection_new(connection.cast(), OpaquePointer(identity.pointer), &error) else {
      throw GIOError(message: takeMessage(error))
    }
    let tls = GObjectReference(owning: stream)
    if let certificateAuthorityFile {
      guard let authorities = g_tls_file_database_new(certificateAuthorityFile, &error) else {
        throw GIOError(message: "the certificate file \(certificateAuthorityFile): \(takeMessage(error))")
      }
      let database = GObjectReference(owning: UnsafeMutableRawPointer(authorities))
      g_tls_connection_set_database(tls.cast(), database.cast())
    }
    let handshaken = await finished {
      g_tls_connection_handshake_async(tls.cast(), G_PRIORITY_DEFAULT, cancellable.cast(), $0, $1)
    }
    guard g_tls_connection_handshake_finish(tls.cast(), OpaquePointer(handshaken.pointer), &error) != 0 else {
      let flaws = certificateFlaws(g_tls_connection_get_peer_certificate_errors(tls.cast()))
      let message = takeMessage(error)
      throw GIOError(message: flaws.isEmpty ? message : "its certificate \(flaws.joined(separator: ", and "))")
    }
    // The limit was for connecting; an idle relay is none the worse.
    g_socket_set_timeout(socket, 0)
    return tls
  }

  private func certificateFlaws(_ flags: GTlsCertificateFlags) -> [String] {
    let meanings: [(GTlsCertificateFlags, String)] = [
      (G_TLS_CERTIFICATE_UNKNOWN_CA, "is not signed by an authority we trust"),
      (G_TLS_CERTIFICATE_BAD_IDENTITY, "is not for \(server.host)"),
      (G_TLS_CERTIFICATE_NOT_ACTIVATED, "is not valid yet"),
      (G_TLS_CERTIFICATE_EXPIRED, "has expired"),
      (G_TLS_CERTIFICATE_REVOKED, "was revoked"),
      (G_TLS_CERTIFICATE_INSECURE, "uses an algorithm that is not secure"),
    ]
    return meanings.filter { flags.rawValue & $0.0.rawValue != 0 }.map(\.1)
  }
}

/// What GIO said about an operation that failed.
struct GIOError: Error {
  let message: String
}
