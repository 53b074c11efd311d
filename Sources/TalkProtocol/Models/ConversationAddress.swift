/// Where a conversation lives: what is in the URL that a person copies from the browser.
///
/// `https://host[:port][/sub/path][/index.php]/call/TOKEN[?query][#fragment]`, or the same with `http`.
public struct ConversationAddress: Hashable, Sendable {
  /// `https` or `http`.
  public let scheme: String
  /// Lower case; an IPv6 address is in brackets.
  public let host: String
  /// `nil` when it is the scheme's own.
  public let port: Int?
  /// The sub-path of the installation, without a trailing slash: empty or `/nextcloud`.
  public let path: String
  /// Names the conversation: 4 to 30 lower-case letters and digits.
  public let token: String

  /// Understands `text`, which may have spaces around it.
  public init(_ text: String) throws(ConversationAddressError) {
    let text = text.trimmed
    guard let schemeEnd = text.firstRange(of: "://") else {
      throw text.prefix(while: { $0 != "/" }).contains("@") ? .containsCredentials : .notAURL(text)
    }
    scheme = text[..<schemeEnd.lowerBound].lowercased()
    guard !scheme.isEmpty, scheme.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "+") }) else {
      throw .notAURL(text)
    }
    guard scheme == "https" || scheme == "http" else { throw .unsupportedScheme(scheme) }

    let rest = text[schemeEnd.upperBound...].prefix { $0 != "?" && $0 != "#" }
    let authority = rest.prefix { $0 != "/" }
    (host, port) = try Self.hostAndPort(authority, defaultPort: scheme == "https" ? 443 : 80)

    let route = rest[authority.endIndex...]
    let marker = "/call/"
    guard let start = route.indices.last(where: { route[$0...].hasPrefix(marker) }) else {
      throw .notAConversation(text)
    }
    var installation = route[..<start]
    if installation.hasSuffix("/index.php") { installation.removeLast("/index.php".count) }
    while installation.hasSuffix("/") { installation.removeLast() }
    guard installation.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .notAURL(text) }
    path = String(installation)

    let token = route[start...].dropFirst(marker.count).prefix { $0 != "/" }
    guard (4...30).contains(token.utf8.count),
      token.utf8.allSatisfy({ $0.isASCIILetterOrDigit && !(65...90).contains($0) })
    else { throw .malformedToken(String(token)) }
    self.token = String(token)
  }

  private init(_ other: ConversationAddress, token: String) {
    (scheme, host, port, path) = (other.scheme, other.host, other.port, other.path)
    self.token = token
  }

  private static func hostAndPort(
    _ authority: Substring, defaultPort: Int
  ) throws(ConversationAddressError) -> (String, Int?) {
    guard !authority.contains("@") else { throw .containsCredentials }
    var host = authority
    var port: Int?
    let afterBracket = authority.firstIndex(of: "]") ?? authority.startIndex
    if let colon = authority[afterBracket...].lastIndex(of: ":") {
      host = authority[..<colon]
      let digits = authority[authority.index(after: colon)...]
      if !digits.isEmpty {
        guard let number = Int(digits), (1...65535).contains(number) else { throw .notAURL(String(authority)) }
        port = number == defaultPort ? nil : number
      }
    }
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.count > 2
    let isName =
      !host.isEmpty && host.unicodeScalars.allSatisfy { $0.value > 0x20 && !"[]:\\\"<>^`{|}".contains(Character($0)) }
    guard isBracketed || isName else { throw .missingHost }
    return (host.lowercased(), port)
  }

  /// The same installation, another conversation; `nil` when `token` cannot be one.
  public func replacing(token: String) -> ConversationAddress? {
    guard (4...30).contains(token.utf8.count),
      token.utf8.allSatisfy({ $0.isASCIILetterOrDigit && !(65...90).contains($0) })
    else { return nil }
    return ConversationAddress(self, token: token)
  }

  /// The same conversation at the installation that answered a request for `path` (see `ocsURL`) from `url`, or sent us
  /// there; `nil` when that is another page, or the way there is not as secure as this one.
  public func moved(to url: String, answering path: String) -> ConversationAddress? {
    let page = url.prefix { $0 != "?" && $0 != "#" }
    let endpoint = "/ocs/v2.php/" + path
    guard page.hasSuffix(endpoint),
      let moved = try? ConversationAddress(page.dropLast(endpoint.count) + "/call/" + token),
      moved.scheme == "https" || scheme == "http"
    else { return nil }
    return moved
  }

  /// Whether everything said to this server can be read on the way.
  public var isInsecure: Bool { scheme == "http" && !isLoopback }

  /// Whether the host is this machine by name or number.
  public var isLoopback: Bool {
    host == "localhost" || host.hasSuffix(".localhost") || host == "[::1]"
      || (host.hasPrefix("127.") && host.split(separator: ".").count == 4
        && host.split(separator: ".").allSatisfy { UInt8($0) != nil })
  }

  /// The installation, without a trailing slash: `https://host/nextcloud`.
  public var baseURL: String {
    "\(scheme)://\(host)" + (port.map { ":\($0)" } ?? "") + path
  }

  /// What to show and to hand to other people.
  public var conversationURL: String { "\(baseURL)/call/\(token)" }

  /// An OCS endpoint: `path` follows `/ocs/v2.php/`. It never contains `index.php`.
  public func ocsURL(_ path: String) -> String { "\(baseURL)/ocs/v2.php/\(path)" }

  /// An endpoint of Talk: `path` follows `/api/`, for example `v4/room/TOKEN`.
  public func talkURL(_ path: String) -> String { ocsURL("apps/spreed/api/\(path)") }

  /// What a hello names as the client's backend. The signaling server compares it with its configuration, letter by letter.
  public var signalingBackendURL: String { talkURL("v3/signaling/backend") }
}

/// Why a text is not the address of a conversation.
public enum ConversationAddressError: Error, Hashable, Sendable, CustomStringConvertible {
  case notAURL(String)
  case unsupportedScheme(String)
  case missingHost
  case containsCredentials
  case notAConversation(String)
  case malformedToken(String)

  public var description: String {
    let hint =
      "Copy the address of the conversation from the browser; it looks like https://cloud.example.com/call/abcd1234."
    switch self {
    case .notAURL(let text): return "“\(text)” is not a URL. \(hint)"
    case .unsupportedScheme(let scheme): return "“\(scheme)” is not a scheme of a web page. \(hint)"
    case .missingHost: return "The URL names no server. \(hint)"
    case .containsCredentials:
      return "The URL contains a user name or password. Leave out everything between “//” and “@”."
    case .notAConversation(let text):
      return "“\(text)” is not the address of a Talk conversation: “/call/” is missing. \(hint)"
    case .malformedToken(let token):
      return "“\(token)” cannot name a conversation: that takes 4 to 30 lower-case letters and digits. \(hint)"
    }
  }
}

extension UInt8 {
  fileprivate var isASCIILetterOrDigit: Bool {
    (48...57).contains(self) || (65...90).contains(self) || (97...122).contains(self)
  }
}

extension String {
  var trimmed: String {
    var rest = self[...]
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return String(rest)
  }
}
