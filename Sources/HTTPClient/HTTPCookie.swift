/// A cookie as a session holds it, for carrying a session over to another process. Its value is a secret.
public struct HTTPCookie: Sendable, Equatable, Codable {
  public var domain: String
  /// Whether it is for the domain's subdomains as well.
  public var includesSubdomains: Bool
  public var path: String
  public var isSecure: Bool
  public var isHTTPOnly: Bool
  /// Seconds since 1970; nil for the length of the session.
  public var expires: Int?
  public var name: String
  public var value: String

  public init(
    domain: String, includesSubdomains: Bool = false, path: String = "/", isSecure: Bool = false,
    isHTTPOnly: Bool = false, expires: Int? = nil, name: String, value: String
  ) {
    self.domain = domain
    self.includesSubdomains = includesSubdomains
    self.path = path
    self.isSecure = isSecure
    self.isHTTPOnly = isHTTPOnly
    self.expires = expires
    self.name = name
    self.value = value
  }

  /// Reads a line of Netscape's cookie file, which is how libcurl tells its cookies.
  init?(netscapeLine line: String) {
    let fields = line.split(separator: "\t", maxSplits: 6, omittingEmptySubsequences: false)
    guard fields.count == 7, let expires = Int(fields[4]) else { return nil }
    let prefix = "#HttpOnly_"
    isHTTPOnly = fields[0].hasPrefix(prefix)
    domain = String(isHTTPOnly ? fields[0].dropFirst(prefix.count) : fields[0])
    includesSubdomains = fields[1] == "TRUE"
    path = String(fields[2])
    isSecure = fields[3] == "TRUE"
    self.expires = expires == 0 ? nil : expires
    name = String(fields[5])
    value = String(fields[6])
  }

  /// Whether it goes with a request for this address (RFC 6265 §5.4), but for expiry, which the jar deals with.
  func isFor(_ address: WebAddress) -> Bool {
    let domain = domain.hasPrefix(".") ? String(domain.dropFirst()) : domain
    let isHost = address.host == domain || (includesSubdomains && address.host.hasSuffix(".\(domain)"))
    return isHost && (!isSecure || address.scheme == "https")
  }

  /// nil when a field holds what would end it.
  var netscapeLine: String? {
    let texts = [domain, path, name, value]
    guard !texts.contains(where: { $0.utf8.contains { $0 < 0x20 } }), !domain.isEmpty, !name.isEmpty else { return nil }
    return [
      (isHTTPOnly ? "#HttpOnly_" : "") + domain, includesSubdomains ? "TRUE" : "FALSE", path,
      isSecure ? "TRUE" : "FALSE", "\(expires ?? 0)", name, value,
    ].joined(separator: "\t")
  }
}

extension HTTPCookie: CustomStringConvertible, CustomReflectable {
  public var description: String { "cookie \(name) of \(domain)" }
  public var customMirror: Mirror { Mirror(self, children: ["domain": domain, "name": name]) }
}
