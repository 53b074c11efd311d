internal import FoundationEssentials
public import Transport

/// A request. Its description names the method and no more of it: the rest may be secret.
public struct HTTPRequest: Sendable {
  public var method: String
  /// `https://…` or `http://…`, without user information.
  public var url: String
  public var headers: HTTPHeaders
  /// nil for a request without content; empty content is content.
  public var body: [UInt8]?
  public var credentials: BasicCredentials?
  /// From the start of the request to the last byte of the reply, redirects each anew.
  public var timeout: Duration
  /// A longer reply is `TransportError.tooLarge`, in bytes after decompression.
  public var maximumReplySize: Int
  /// Whether it may go out a second time by itself. libcurl does that where a connection that was used before turns out to
  /// be dead; the server may have received it the first time. Off, the request gets a new connection.
  public var mayBeRepeated: Bool

  public init(
    _ method: String = "GET", _ url: String, headers: HTTPHeaders = [:], body: [UInt8]? = nil,
    credentials: BasicCredentials? = nil, timeout: Duration = .seconds(60), maximumReplySize: Int = 16 << 20,
    mayBeRepeated: Bool = true
  ) {
    self.mayBeRepeated = mayBeRepeated
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.credentials = credentials
    self.timeout = timeout
    self.maximumReplySize = maximumReplySize
  }
}

/// The reply to a request.
public struct HTTPResponse: Sendable {
  public let status: Int
  public let headers: HTTPHeaders
  public let body: [UInt8]
  /// Where it came from, after the redirects that were followed.
  public let url: String

  public init(status: Int, headers: HTTPHeaders, body: [UInt8], url: String) {
    self.status = status
    self.headers = headers
    self.body = body
    self.url = url
  }
}

/// A name and a password for HTTP's Basic scheme (RFC 7617).
public struct BasicCredentials: Sendable, Equatable {
  public let user: String
  public let password: String

  public init(user: String, password: String) {
    self.user = user
    self.password = password
  }

  /// As libcurl sends them.
  var header: String { "Basic " + Data("\(user):\(password)".utf8).base64EncodedString() }
}

extension HTTPRequest: CustomStringConvertible, CustomReflectable {
  public var description: String { "\(method) request" }
  public var customMirror: Mirror { Mirror(self, children: ["method": method]) }
}

extension HTTPResponse: CustomStringConvertible, CustomReflectable {
  public var description: String { "reply with status \(status), \(body.count) bytes" }
  public var customMirror: Mirror { Mirror(self, children: ["status": status]) }
}

extension BasicCredentials: CustomStringConvertible, CustomReflectable {
  public var description: String { "credentials of \(user)" }
  public var customMirror: Mirror { Mirror(self, children: ["user": user]) }
}
