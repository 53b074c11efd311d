internal import CNice
internal import Glibc

/// Opens connections to STUN and TURN servers.
enum ServerConnection {
  /// A stream to a server, trusted where its URL asks for TLS. Call it on the thread of a loop.
  /// - Parameters:
  ///   - address: The IP address to use; nil: that of the URL's host.
  ///   - limit: For each step, in seconds.
  /// - Returns: A `GIOStream`. Over UDP, what is written at once is one datagram.
  static func open(
    to server: ICEServerURL, at address: String? = nil, certificateAuthorityFile: String?, within limit: UInt32,
    until cancellable: GObjectReference, isolation: isolated (any Actor)? = #isolation
  ) async throws(GIOError) -> GObjectReference {
    let client = GObjectReference(owning: g_socket_client_new())
    g_socket_client_set_enable_proxy(client.cast(), 0)
    g_socket_client_set_timeout(client.cast(), limit)
    if server.transport == .udp {
      g_socket_client_set_socket_type(client.cast(), G_SOCKET_TYPE_DATAGRAM)
      g_socket_client_set_protocol(client.cast(), G_SOCKET_PROTOCOL_UDP)
    }
    let identity = GObjectReference(owning: UnsafeMutableRawPointer(g_network_address_new(server.host, server.port)))
    let target = GObjectReference(
      owning: UnsafeMutableRawPointer(g_network_address_new(address ?? server.host, server.port)))
    let connected = await finished(isolation: isolation) {
      g_socket_client_connect_async(client.cast(), OpaquePointer(target.pointer), cancellable.cast(), $0, $1)
    }
    var error: UnsafeMutablePointer<GError>?
    guard let base = g_socket_client_connect_finish(client.cast(), OpaquePointer(connected.pointer), &error) else {
      throw GIOError(taking: error)
    }
    let connection = GObjectReference(owning: base)
    let socket = g_socket_connection_get_socket(base)
    guard server.transport == .tcp else { return connection }
    g_socket_set_option(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1, nil)
    guard server.scheme == .turns || server.scheme == .stuns else {
      g_socket_set_timeout(socket, 0)
      return connection
    }
    let tls = try await secure(
      connection, to: server, identity, certificateAuthorityFile: certificateAuthorityFile, until: cancellable,
      isolation: isolation)
    // The limit was for connecting; an idle relay is none the worse.
    g_socket_set_timeout(socket, 0)
    return tls
  }

  private static func secure(
    _ connection: GObjectReference, to server: ICEServerURL, _ identity: GObjectReference,
    certificateAuthorityFile: String?, until cancellable: GObjectReference, isolation: isolated (any Actor)?
  ) async throws(GIOError) -> GObjectReference {
    var error: UnsafeMutablePointer<GError>?
    guard let stream = g_tls_client_connection_new(connection.cast(), OpaquePointer(identity.pointer), &error) else {
      throw GIOError(taking: error)
    }
    let tls = GObjectReference(owning: stream)
    if let certificateAuthorityFile {
      guard let authorities = g_tls_file_database_new(certificateAuthorityFile, &error) else {
        throw GIOError(
          message: "the certificate file \(certificateAuthorityFile): \(GIOError(taking: error).message)",
          cause: .trust)
      }
      let database = GObjectReference(owning: UnsafeMutableRawPointer(authorities))
      g_tls_connection_set_database(tls.cast(), database.cast())
    }
    let handshaken = await finished(isolation: isolation) {
      g_tls_connection_handshake_async(tls.cast(), G_PRIORITY_DEFAULT, cancellable.cast(), $0, $1)
    }
    guard g_tls_connection_handshake_finish(tls.cast(), OpaquePointer(handshaken.pointer), &error) != 0 else {
      let flaws = certificateFlaws(g_tls_connection_get_peer_certificate_errors(tls.cast()), of: server)
      let failure = GIOError(taking: error)
      throw flaws.isEmpty
        ? failure : GIOError(message: "its certificate \(flaws.joined(separator: ", and "))", cause: .trust)
    }
    return tls
  }

  private static func certificateFlaws(_ flags: GTlsCertificateFlags, of server: ICEServerURL) -> [String] {
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
