/// Which proxy leads to which host.
///
/// libcurl and GIO read the environment differently; so it is read here, once, and both are told what came out.
public struct ProxySettings: Sendable, Equatable {
  /// The proxy for `https` and `wss`.
  public var secure: ProxyAddress?
  /// The proxy for `http` and `ws`.
  public var plain: ProxyAddress?
  /// Hosts that are reached directly: `*`, `host`, `.domain`, `*.domain`, `host:port`; a name stands for its subdomains too.
  public var exceptions: [String]

  public init(secure: ProxyAddress? = nil, plain: ProxyAddress? = nil, exceptions: [String] = []) {
    self.secure = secure
    self.plain = plain
    self.exceptions = exceptions
  }

  /// No proxy at all.
  public static let none = ProxySettings()

  /// Reads `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`; the lower-case name wins over the upper-case one.
  /// - Throws: `TransportError.proxy` when a variable is no address of a proxy.
  public init(environment: [String: String]) throws(TransportError) {
    func value(_ name: String) -> String? {
      let value = environment[name] ?? environment[name.uppercased()]
      return value?.isEmpty == true ? nil : value
    }
    func proxy(_ name: String) throws(TransportError) -> ProxyAddress? {
      guard let text = value(name) ?? value("all_proxy") else { return nil }
      guard let address = ProxyAddress(text) else {
        throw .proxy(reason: "\(value(name) == nil ? "all_proxy" : name) is not like http://host:port")
      }
      return address
    }
    self.init(
      secure: try proxy("https_proxy"), plain: try proxy("http_proxy"),
      exceptions: (value("no_proxy") ?? "").split { $0 == "," || $0 == " " }.map { String($0).lowercased() })
  }

  /// The proxy to go through, or nil for a direct connection.
  /// - Parameters:
  ///   - scheme: `https`, `wss`, `http` or `ws`.
  ///   - host: A name or an IP address, an IPv6 one without brackets.
  public func proxy(scheme: String, host: String, port: Int) -> ProxyAddress? {
    let host = host.lowercased()
    let isException = exceptions.contains { exception in
      var pattern = Substring(exception)
      if pattern == "*" { return true }
      if pattern.hasSuffix(":\(port)") { pattern = pattern.dropLast("\(port)".count + 1) }
      if pattern.hasPrefix("[") { pattern = pattern.dropFirst().prefix { $0 != "]" } }
      if pattern.hasPrefix("*") { pattern = pattern.dropFirst() }
      if pattern.hasPrefix(".") { pattern = pattern.dropFirst() }
      return !pattern.isEmpty && (host == pattern || host.hasSuffix(".\(pattern)"))
    }
    if isException { return nil }
    return ["https", "wss"].contains(scheme.lowercased()) ? secure : plain
  }
}

/// The address of a proxy: `[scheme://][user[:password]@]host[:port]`.
public struct ProxyAddress: Sendable, Equatable {
  /// `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`.
  public let scheme: String
  public let host: String
  public let port: Int
  private let userInfo: String?

  /// - Returns: nil when `text` is no such address. The scheme is `http`, the port 1080 (443 for `https`) when not given.
  public init?(_ text: String) {
    var rest = Substring(text)
    if let separator = rest.firstRange(of: "://") {
      scheme = rest[..<separator.lowerBound].lowercased()
      rest = rest[separator.upperBound...]
    } else {
      scheme = "http"
    }
    guard ["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(scheme) else { return nil }
    rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    if let at = rest.lastIndex(of: "@") {
      userInfo = String(rest[..<at])
      rest = rest[rest.index(after: at)...]
    } else {
      userInfo = nil
    }
    let portText: Substring
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else { return nil }
      host = String(rest[rest.index(after: rest.startIndex)..<end])
      portText = rest[rest.index(after: end)...]
    } else {
      let colon = rest.firstIndex(of: ":") ?? rest.endIndex
      host = String(rest[..<colon])
      portText = rest[colon...]
    }
    guard !host.isEmpty, !host.contains(where: { $0.isWhitespace }) else { return nil }
    if portText.isEmpty {
      port = scheme == "https" ? 443 : 1080
    } else {
      guard portText.hasPrefix(":"), let number = Int(portText.dropFirst()), (1...65_535).contains(number) else {
        return nil
      }
      port = number
    }
  }

  /// The user name and the password, percent-decoded.
  package var credentials: (user: String, password: String)? {
    userInfo.map { text in
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      return (parts[0].percentDecoded, parts.count == 2 ? parts[1].percentDecoded : "")
    }
  }

  /// The address in full, **with** its credentials: for the libraries that connect, never for a message.
  public var url: String { url(withUserInfo: userInfo.map { $0 + "@" } ?? "") }

  private func url(withUserInfo userInfo: String) -> String {
    "\(scheme)://\(userInfo)\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}

extension ProxyAddress: CustomStringConvertible, CustomReflectable {
  /// Without the credentials.
  public var description: String { url(withUserInfo: "") }
  public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
