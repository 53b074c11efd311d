/// Why a server could not be talked to, over HTTP or a WebSocket. Holds no path, query, credential or body.
public enum TransportError: Error, Equatable, Sendable {
  /// Not a URL, or not of a scheme that the transport speaks.
  case invalidURL(reason: String)
  /// The name has no address.
  case hostNotFound(host: String)
  /// No connection came about: refused, no route.
  case unreachable(host: String, reason: String)
  /// No connection came about in time.
  case connectTimedOut(host: String)
  /// The connection was not trusted, or TLS failed otherwise.
  case tls(host: String, TLSFailure)
  /// The file of further certificate authorities cannot be read or holds none.
  case caFile(path: String, reason: String)
  /// The proxy cannot be used or refused.
  case proxy(reason: String)
  /// The server was reached and did not answer in time.
  case timedOut(host: String)
  /// The connection broke, or what came over it was not the protocol.
  case lost(host: String, reason: String)
  /// The reply was larger than the limit, in bytes.
  case tooLarge(host: String, limit: Int)
  /// The server answered a WebSocket's opening with something else than 101.
  case upgradeRefused(host: String, status: Int)
  /// The task that asked was cancelled, or the transport was closed.
  case cancelled
}

/// What was wrong with a TLS connection.
public enum TLSFailure: Equatable, Sendable {
  case unknownAuthority
  case expired
  case notYetValid
  case nameMismatch
  case revoked
  /// The handshake failed before or apart from the certificate; the library's words.
  case handshake(String)
}

extension TransportError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidURL(let reason): "The address cannot be used: \(reason)."
    case .hostNotFound(let host): "The host \(host) was not found. Check its name and the DNS."
    case .unreachable(let host, let reason): "\(host) cannot be reached: \(reason)."
    case .connectTimedOut(let host): "\(host) did not take the connection in time. Check the address and the firewall."
    case .tls(let host, let failure): "No trusted connection to \(host): \(failure)."
    case .caFile(let path, let reason): "The CA file \(path) cannot be used: \(reason)."
    case .proxy(let reason): "The proxy failed: \(reason). Check https_proxy, http_proxy and all_proxy."
    case .timedOut(let host): "\(host) did not answer in time."
    case .lost(let host, let reason): "The connection to \(host) broke: \(reason)."
    case .tooLarge(let host, let limit): "\(host) sent more than the \(limit) bytes that are accepted."
    case .upgradeRefused(let host, let status):
      "\(host) refused the WebSocket with HTTP status \(status). A reverse proxy may not pass WebSockets on."
    case .cancelled: "The request was cancelled."
    }
  }
}

extension TLSFailure: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknownAuthority:
      "its certificate is from an authority that is not known here (--ca-file can name a further one)"
    case .expired: "its certificate has expired"
    case .notYetValid: "its certificate is not valid yet; check this machine's clock"
    case .nameMismatch: "its certificate is for another name"
    case .revoked: "its certificate was revoked"
    case .handshake(let reason): "the TLS handshake failed (\(reason))"
    }
  }
}
