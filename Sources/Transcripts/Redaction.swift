internal import FoundationEssentials
public import TalkProtocol
internal import Transport

/// Takes out of what passed between us and others all that grants something: passwords, tickets, tokens, cookies,
/// sessions, TURN and ICE passwords, and the token of a conversation, for who knows that may enter.
///
/// By the names of members, fields, headers and places in a path first; what was found so is then sought everywhere else,
/// in every encoding. Names of people, what they write, addresses of machines and certificates stay.
public struct Redaction: Sendable {
  /// Where a message went: the same name means different things.
  public enum Channel: Sendable {
    case http, socket
  }

  private static let deepest = 8
  private static let secretEnds = [
    "password", "passphrase", "secret", "ticket", "token", "credential", "pwd", "checksum", "pin",
  ]
  private static let secretNames: Set<String> = ["roomid", "resumeid", "nextcloudsessionid", "roomsessionid"]
  private static let secretHeaders: Set<String> = ["authorization", "proxyauthorization", "cookie", "setcookie"]
  private static let headerEnds = ["token", "checksum", "random", "secret", "signature", "session"]

  private var table = SecretTable()

  public init() {}

  // MARK: By kind

  /// A JSON value.
  public mutating func json(_ value: JSONValue, _ channel: Channel) -> JSONValue {
    sought(json(value, channel, parent: "", depth: 0))
  }

  /// Text that may be JSON or a session description; else it is taken as it is.
  public mutating func text(_ text: String, _ channel: Channel) -> String {
    table.masking(string(text, channel, depth: 0))
  }

  /// A URL, or a path with a query.
  public mutating func url(_ url: String) -> String { table.masking(address(url)) }

  public mutating func header(_ name: String, _ value: String) -> String {
    let plain = Self.plain(name)
    guard Self.secretHeaders.contains(plain) || Self.headerEnds.contains(where: { plain.hasSuffix($0) }) else {
      return self.url(value)
    }
    if plain == "setcookie" { return setCookie(value) }
    guard plain.hasSuffix("authorization"), let space = value.firstIndex(of: " ") else { return table.name(for: value) }
    let credentials = String(value[value.index(after: space)...])
    // So that the password is found where it stands alone.
    if let text = Data(base64Encoded: credentials).flatMap({ String(data: $0, encoding: .utf8) }),
      let colon = text.firstIndex(of: ":")
    {
      _ = table.name(for: String(text[text.index(after: colon)...]))
    }
    return value[...space] + table.name(for: credentials)
  }

  public mutating func cookie(_ value: String) -> String {
    _ = table.name(for: value.percentDecoded)
    return table.name(for: value)
  }

  /// A form as a body has it (`application/x-www-form-urlencoded`).
  public mutating func form(_ text: String) -> JSONValue {
    var members: [String: JSONValue] = [:]
    for field in text.split(separator: "&") {
      let (name, value) = Self.nameAndValue(field)
      members[Self.formDecoded(name)] = .string(Self.formDecoded(value))
    }
    return json(.object(members), .http)
  }

  /// `name=value; attribute; …`: name and attributes stay.
  private mutating func setCookie(_ line: String) -> String {
    let parts = line.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
    let (name, value) = Self.nameAndValue(parts.first ?? "")
    return "\(name)=\(cookie(String(value)))" + (parts.count == 2 ? ";\(parts[1])" : "")
  }

  // MARK: By name

  private mutating func json(_ value: JSONValue, _ channel: Channel, parent: String, depth: Int) -> JSONValue {
    switch value {
    case .object(let members):
      var result: [String: JSONValue] = [:]
      // In a fixed order, so that the same traffic gets the same names.
      for (name, member) in members.sorted(by: { $0.key < $1.key }) {
        result[name] =
          Self.isSecret(Self.plain(name), in: parent, channel)
          ? masked(member, channel, parent: Self.plain(name), depth: depth)
          : json(member, channel, parent: Self.plain(name), depth: depth)
      }
      return .object(result)
    case .array(let elements): return .array(elements.map { json($0, channel, parent: parent, depth: depth) })
    case .string(let text): return .string(string(text, channel, depth: depth))
    case .number, .bool, .null: return value
    }
  }

  private mutating func masked(_ value: JSONValue, _ channel: Channel, parent: String, depth: Int) -> JSONValue {
    switch value {
    case .string(let secret): secret.isEmpty ? value : .string(table.name(for: secret))
    case .number(let number): .string(table.name(for: "\(number)"))
    case .array(let elements): .array(elements.map { masked($0, channel, parent: parent, depth: depth) })
    case .object: json(value, channel, parent: parent, depth: depth)
    case .bool, .null: value
    }
  }

  private static func isSecret(_ name: String, in parent: String, _ channel: Channel) -> Bool {
    // Over HTTP it is the session with Nextcloud; on the socket the name that others know us by, but in `room`.
    if name == "sessionid" { return channel == .http || parent == "room" }
    return secretNames.contains(name) || secretEnds.contains { name.hasSuffix($0) }
  }

  /// Lower case, letters and digits only.
  private static func plain(_ name: String) -> String {
    String(decoding: name.lowercased().utf8.filter { (48...57).contains($0) || (97...122).contains($0) }, as: UTF8.self)
  }

  // MARK: By form

  private mutating func string(_ text: String, _ channel: Channel, depth: Int) -> String {
    if text.hasPrefix("{") || text.hasPrefix("["), depth < Self.deepest,
      let value = try? JSONCoding.decode(JSONValue.self, from: text)
    {
      return JSONCoding.text(json(value, channel, parent: "", depth: depth + 1))
    }
    // Session descriptions (RFC 8866): ICE's password (RFC 8839 §5.4), keys of SRTP (RFC 4568).
    let described = masking(text, after: ["a=ice-pwd:", "a=crypto:"], until: "\r\n\\\"")
    guard described == text else { return described }
    return text.contains("/") ? address(text) : text
  }

  /// A page, as servers send it where something is wrong.
  mutating func page(_ text: String) -> String {
    table.masking(masking(text, after: ["requesttoken=\"", "nonce=\"", "value=\"", "token=\""], until: "\"<>"))
  }

  /// `text` with what follows each marker masked, up to one of the ends.
  private mutating func masking(_ text: String, after markers: [String], until ends: String) -> String {
    let bytes = Array(text.utf8)
    let markers = markers.map { Array($0.utf8) }
    let ends = Set(ends.utf8)
    var result: [UInt8] = []
    var copied = 0
    for position in bytes.indices {
      guard position >= copied,
        let marker = markers.first(where: { $0[0] == bytes[position] && bytes[position...].starts(with: $0) })
      else {
        continue
      }
      let start = position + marker.count
      let end = bytes[start...].firstIndex { ends.contains($0) } ?? bytes.endIndex
      guard start < end else { continue }
      result += bytes[copied..<start] + table.name(for: String(decoding: bytes[start..<end], as: UTF8.self)).utf8
      copied = end
    }
    return copied == 0 ? text : String(decoding: result + bytes[copied...], as: UTF8.self)
  }

  /// What stands in the path at the place of a conversation's token or a login's, and secret fields of the query.
  private mutating func address(_ text: String) -> String {
    let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var segments = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    for index in segments.indices.dropFirst() where !segments[index].isEmpty {
      let isConversation = segments[index - 1] == "call"
      let isLogin = segments[index - 1] == "flow"
      let isOfTalk = index >= 3 && segments[index - 3] == "api" && segments[index - 2].hasPrefix("v")
      if isConversation || isLogin || isOfTalk, !["settings", "backend", "welcome"].contains(segments[index]) {
        let token = segments[index].prefix { $0 != "#" }
        segments[index] = table.name(for: String(token)) + segments[index][token.endIndex...]
      }
    }
    let path = segments.joined(separator: "/")
    guard parts.count == 2 else { return path }
    let fields = parts[1].split(separator: "&", omittingEmptySubsequences: false).map { field in
      let (name, value) = Self.nameAndValue(field)
      guard !value.isEmpty, Self.isSecret(Self.plain(String(name)), in: "", .http) else { return String(field) }
      return "\(name)=\(table.name(for: value.percentDecoded))"
    }
    return "\(path)?\(fields.joined(separator: "&"))"
  }

  // MARK: By value

  private func sought(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(let members):
      .object(
        Dictionary(
          members.map { (table.masking($0.key), sought($0.value)) }, uniquingKeysWith: { first, _ in first }))
    case .array(let elements): .array(elements.map(sought))
    case .string(let text): .string(table.masking(text))
    case .number, .bool, .null: value
    }
  }

  // MARK: Encodings

  private static func nameAndValue(_ field: some StringProtocol) -> (name: String, value: String) {
    guard let equals = field.firstIndex(of: "=") else { return (String(field), "") }
    return (String(field[..<equals]), String(field[field.index(after: equals)...]))
  }

  private static func formDecoded(_ text: String) -> String { text.replacing("+", with: " ").percentDecoded }
}
