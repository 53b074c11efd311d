internal import CCurl
internal import Transport

/// A URL of `http` or `https`, taken apart by libcurl, so that what we decide by is what it connects to.
struct WebAddress {
  let url: String
  let scheme: String
  /// An IPv6 address without brackets.
  let host: String
  let port: Int

  init(_ text: String) throws(TransportError) { try self.init(text, relativeTo: nil) }

  /// The target of a redirect.
  init(_ reference: String, relativeTo base: WebAddress) throws(TransportError) {
    try self.init(reference, relativeTo: base.url)
  }

  private init(_ text: String, relativeTo base: String?) throws(TransportError) {
    let handle = curl_url()
    defer { curl_url_cleanup(handle) }
    func invalid(_ reason: String) -> TransportError { .invalidURL(reason: reason) }
    let flags = UInt32(CURLU_DISALLOW_USER)
    if let base, curl_url_set(handle, CURLUPART_URL, base, flags) != CURLUE_OK { throw invalid("it is no URL") }
    let status = curl_url_set(handle, CURLUPART_URL, text, base == nil ? flags : flags | UInt32(CURLU_URLENCODE))
    guard status == CURLUE_OK else {
      throw invalid(status == CURLUE_USER_NOT_ALLOWED ? "it holds a user name" : "it is no URL")
    }
    func part(_ what: CURLUPart, _ flags: Int32 = 0) -> String? {
      var value: UnsafeMutablePointer<CChar>?
      guard curl_url_get(handle, what, &value, UInt32(flags)) == CURLUE_OK, let value else { return nil }
      defer { curl_free(value) }
      return String(cString: value)
    }
    guard let url = part(CURLUPART_URL), let scheme = part(CURLUPART_SCHEME)?.lowercased(),
      let host = part(CURLUPART_HOST), let port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT).flatMap({ Int($0) })
    else { throw invalid("it is no URL") }
    guard ["http", "https"].contains(scheme) else { throw invalid("\(scheme):// is not HTTP") }
    self.url = url
    self.scheme = scheme
    self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host.lowercased()
    self.port = port
  }

  /// Whether a redirect from here to there stays with the one whom the user named: the same origin, or the same host
  /// with TLS instead of without.
  func mayRedirect(to target: WebAddress) -> Bool {
    guard host == target.host else { return false }
    if scheme == target.scheme { return port == target.port }
    return scheme == "http" && target.scheme == "https"
  }
}
