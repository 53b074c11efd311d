internal import FoundationEssentials
internal import TalkProtocol
public import Transport

/// Turns traffic into the lines of a transcript, one JSON object each, without its secrets (`Redaction`).
///
/// Each has `t` (ISO 8601, UTC), `dt` (seconds since the start), `who`, `ch` (`http`, `ws`, `pc`, `dc`, `note`) and `dir` (`send`,
/// `recv`, `open`, `close`, `fail`, `state`, `note`), and what belongs to these.
public struct Transcript: Sendable {
  /// A longer body is left out, in bytes, and said to be.
  private static let longestBody = 1 << 20

  private var redaction = Redaction()
  private let start: ContinuousClock.Instant

  public init(start: ContinuousClock.Instant) { self.start = start }

  /// The line for what passed, without its end.
  /// - Parameters:
  ///   - who: Which client of this process.
  ///   - date: The same moment as `now`, in seconds since 1970.
  public mutating func line(
    _ traffic: Traffic, who: String, at now: ContinuousClock.Instant, date: Double
  ) -> String {
    let (channel, direction, members) = row(traffic)
    return line(channel, direction, members, who: who, at: now, date: date)
  }

  /// A line that says something about the transcript itself.
  public func note(_ text: String, at now: ContinuousClock.Instant, date: Double) -> String {
    line("note", "note", [("text", .string(text))], who: "", at: now, date: date)
  }

  private func line(
    _ channel: String, _ direction: String, _ members: [(String, JSONValue)], who: String,
    at now: ContinuousClock.Instant, date: Double
  ) -> String {
    let elapsed = (((now - start) / .seconds(1)) * 1000).rounded() / 1000
    let head: [(String, JSONValue)] = [
      ("t", .string(Self.timestamp(date))), ("dt", .number(elapsed)), ("who", .string(who)),
      ("ch", .string(channel)), ("dir", .string(direction)),
    ]
    let words = (head + members).map { "\(JSONCoding.text($0.0)):\(JSONCoding.text($0.1))" }
    return "{" + words.joined(separator: ",") + "}"
  }

  private mutating func row(_ traffic: Traffic) -> (channel: String, direction: String, members: [(String, JSONValue)])
  {
    switch traffic {
    case .request(let method, let url, let headers, let cookies, let body):
      var values: [String: JSONValue] = [:]
      for cookie in cookies { values[cookie.name] = .string(redaction.cookie(cookie.value)) }
      return (
        "http", "send",
        [
          ("method", .string(method)), ("url", .string(redaction.url(url))), ("headers", fields(headers)),
          ("cookies", .object(values)), ("body", body.map { content($0, headers) } ?? .null),
        ]
      )
    case .reply(let url, let status, let headers, let body):
      let cookies = headers.all("Set-Cookie").map { JSONValue.string(redaction.header("Set-Cookie", $0)) }
      return (
        "http", "recv",
        [
          ("status", .number(Double(status))), ("url", .string(redaction.url(url))), ("headers", fields(headers)),
          ("setcookie", .array(cookies)), ("body", content(body, headers)),
        ]
      )
    case .requestFailed(let url, let reason):
      return ("http", "fail", [("url", .string(redaction.url(url))), ("reason", words(reason))])
    case .socketOpened(let url): return ("ws", "open", [("url", .string(redaction.url(url)))])
    case .socketFailed(let url, let reason):
      return ("ws", "fail", [("url", .string(redaction.url(url))), ("reason", words(reason))])
    case .messageSent(let text): return ("ws", "send", [("msg", message(text))])
    case .messageReceived(let text): return ("ws", "recv", [("msg", message(text))])
    case .socketClosed(let code, let reason):
      return ("ws", "close", [("code", .number(Double(code))), ("reason", words(reason))])
    case .peerState(let peer, let state):
      return ("pc", "state", [("pc", .string(peer)), ("connection", .string(state))])
    case .dataSent(let peer, let text): return ("dc", "send", [("pc", .string(peer)), ("msg", words(text))])
    case .dataReceived(let peer, let text): return ("dc", "recv", [("pc", .string(peer)), ("msg", words(text))])
    }
  }

  private mutating func words(_ text: String) -> JSONValue { .string(redaction.text(text, .socket)) }

  private mutating func message(_ text: String) -> JSONValue {
    guard let value = try? JSONCoding.decode(JSONValue.self, from: text) else { return words(text) }
    return redaction.json(value, .socket)
  }

  /// All but cookies, which have a member of their own.
  private mutating func fields(_ headers: HTTPHeaders) -> JSONValue {
    var members: [String: JSONValue] = [:]
    for field in headers.fields where !["set-cookie", "cookie"].contains(field.name.lowercased()) {
      let value = redaction.header(field.name, field.value)
      members[field.name] = .string(members[field.name]?.string.map { "\($0), \(value)" } ?? value)
    }
    return .object(members)
  }

  private mutating func content(_ body: [UInt8], _ headers: HTTPHeaders) -> JSONValue {
    guard body.count <= Self.longestBody else { return .string("(\(body.count) bytes)") }
    guard let text = String(validating: body, as: UTF8.self) else { return .string("(\(body.count) bytes)") }
    if headers["Content-Type"]?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true {
      return redaction.form(text)
    }
    guard let value = try? JSONCoding.decode(JSONValue.self, from: text) else {
      return .string(redaction.page(text))
    }
    return redaction.json(value, .http)
  }

  private static func timestamp(_ date: Double) -> String {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    return style.format(Date(timeIntervalSince1970: date)).replacing("Z", with: "+00:00")
  }
}
