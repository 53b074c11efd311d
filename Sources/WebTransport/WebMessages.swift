public import Transport

/// A request as a server got it.
public struct WebRequest: Sendable {
  public let method: String
  /// The path, percent-decoded.
  public let path: String
  /// The query as it came, without `?`; empty when there was none.
  public let queryString: String
  public let headers: HTTPHeaders
  public let body: [UInt8]

  public init(
    method: String, path: String, queryString: String = "", headers: HTTPHeaders = [:], body: [UInt8] = []
  ) {
    self.method = method
    self.path = path
    self.queryString = queryString
    self.headers = headers
    self.body = body
  }

  /// The query's fields, decoded as those of a form; of fields with the same name the last counts.
  public var query: [String: String] { Self.form(queryString) }

  /// The fields of a body of type `application/x-www-form-urlencoded`.
  public var form: [String: String] { Self.form(String(decoding: body, as: UTF8.self)) }

  /// The cookies that the client sent.
  public var cookies: [String: String] {
    var cookies: [String: String] = [:]
    for pair in headers.all("Cookie").flatMap({ $0.split(separator: ";") }) {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = parts[0].drop { $0 == " " }
      if parts.count == 2 { cookies[String(name)] = String(parts[1]) }
    }
    return cookies
  }

  private static func form(_ text: String) -> [String: String] {
    var fields: [String: String] = [:]
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      fields[decoded(parts[0])] = parts.count == 2 ? decoded(parts[1]) : ""
    }
    return fields
  }

  private static func decoded(_ text: Substring) -> String {
    String(text.map { $0 == "+" ? " " : $0 }).percentDecoded
  }
}

/// What a server does about a request.
public struct WebResponse: Sendable {
  enum Action {
    case reply(status: Int, headers: HTTPHeaders, body: [UInt8])
    case webSocket(WebSocket.Options, serve: @Sendable (WebSocket) async -> Void)
    case drop
  }

  let action: Action

  /// An answer. `Content-Length` and `Date` are added; a cookie is one `Set-Cookie` field each.
  public static func reply(_ status: Int = 200, headers: HTTPHeaders = [:], body: [UInt8] = []) -> WebResponse {
    WebResponse(action: .reply(status: status, headers: headers, body: body))
  }

  /// An answer in text, as JSON unless `headers` say otherwise.
  public static func reply(_ status: Int = 200, headers: HTTPHeaders = [:], text: String) -> WebResponse {
    var headers = headers
    if headers["Content-Type"] == nil { headers["Content-Type"] = "application/json; charset=utf-8" }
    return .reply(status, headers: headers, body: Array(text.utf8))
  }

  /// Turns the connection into a WebSocket and serves it. (A request that does not ask for one gets status 400.)
  /// - Parameter serve: Runs in a task of its own, which is cancelled when the server stops; when it returns, the socket
  ///   is closed in form, unless that was done before.
  public static func webSocket(
    options: WebSocket.Options = WebSocket.Options(), serve: @escaping @Sendable (WebSocket) async -> Void
  ) -> WebResponse {
    WebResponse(action: .webSocket(options, serve: serve))
  }

  /// Closes the connection without an answer, as a server does that dies.
  public static let drop = WebResponse(action: .drop)
}
