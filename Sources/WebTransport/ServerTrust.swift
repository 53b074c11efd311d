internal import CSoup
internal import Transport

/// Where a WebSocket leads.
struct SocketTarget {
  let scheme: String
  let host: String
  let port: Int

  init(_ url: String) throws(TransportError) {
    var (scheme, host): (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<CChar>?)
    var port: gint = -1
    defer {
      g_free(scheme)
      g_free(host)
    }
    guard
      g_uri_split(url, G_URI_FLAGS_ENCODED, &scheme, nil, &host, &port, nil, nil, nil, nil) != 0,
      let scheme, let host, host.pointee != 0
    else { throw .invalidURL(reason: "it is no WebSocket URL") }
    self.scheme = String(cString: scheme).lowercased()
    guard ["ws", "wss"].contains(self.scheme) else {
      throw .invalidURL(reason: "a WebSocket needs ws:// or wss://, not \(self.scheme)://")
    }
    self.host = String(cString: host)
    guard self.host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
      throw .invalidURL(reason: "its host has characters that no name has")
    }
    self.port = port > 0 ? Int(port) : self.scheme == "wss" ? 443 : 80
  }
}

/// Authorities that are trusted beside the system's own, applied to one server.
///
/// GIO takes one database instead of the system's, never beside it; so this one is asked second, about what the first
/// one refused.
final class CertificateAuthorities {
  private let database: UnsafeMutablePointer<GTlsDatabase>
  private let identity: OpaquePointer

  init(file: String, for target: SocketTarget) throws(TransportError) {
    var error: UnsafeMutablePointer<GError>?
    // GnuTLS reads the file when it is first needed, and would then take an unreadable one for an empty one.
    let path = file.hasPrefix("/") ? file : absolute(file)
    let certificates = g_tls_certificate_list_new_from_file(path, &error)
    defer { g_clear_error(&error) }
    guard let certificates else {
      let reason = error.map { String(cString: $0.pointee.message) } ?? "it holds no certificate in PEM form"
      throw .caFile(path: file, reason: reason)
    }
    CSoup_free_certificates(certificates)
    guard let database = CSoup_file_database(path, &error) else {
      throw .caFile(path: file, reason: error.map { String(cString: $0.pointee.message) } ?? "unknown error")
    }
    self.database = database
    identity = CSoup_identity(target.host, guint16(clamping: target.port))
  }

  deinit {
    g_object_unref(UnsafeMutableRawPointer(database))
    g_object_unref(UnsafeMutableRawPointer(identity))
  }

  /// What is wrong with the certificate (and its chain) when these authorities are the trusted ones.
  func verify(_ certificate: UnsafeMutablePointer<GTlsCertificate>) -> GTlsCertificateFlags {
    CSoup_verify(database, certificate, identity)
  }
}

private func absolute(_ path: String) -> String {
  guard let canonical = g_canonicalize_filename(path, nil) else { return path }
  defer { g_free(canonical) }
  return String(cString: canonical)
}

extension TLSFailure {
  /// The gravest of what GIO found, or nil when it found nothing.
  init?(_ flags: GTlsCertificateFlags) {
    func has(_ flag: GTlsCertificateFlags) -> Bool { flags.rawValue & flag.rawValue != 0 }
    if flags.rawValue == 0 { return nil }
    if has(G_TLS_CERTIFICATE_REVOKED) {
      self = .revoked
    } else if has(G_TLS_CERTIFICATE_UNKNOWN_CA) {
      self = .unknownAuthority
    } else if has(G_TLS_CERTIFICATE_EXPIRED) {
      self = .expired
    } else if has(G_TLS_CERTIFICATE_NOT_ACTIVATED) {
      self = .notYetValid
    } else if has(G_TLS_CERTIFICATE_BAD_IDENTITY) {
      self = .nameMismatch
    } else {
      self = .handshake("the certificate uses an insecure algorithm or cannot be read")
    }
  }
}
