internal import HTTPClient

/// Who we are to servers, for carrying it over to another process: their cookies, and the name that we gave.
///
/// The cookies are secrets; neither its description nor its mirror shows them.
public struct GuestSession: Codable, Sendable, CustomStringConvertible, CustomReflectable {
  var cookies: [HTTPCookie]
  public var name: String?

  public init() { cookies = [] }

  init(cookies: [HTTPCookie], name: String?) {
    self.cookies = cookies
    self.name = name
  }

  public var description: String { "session with \(cookies.count) cookies" }
  public var customMirror: Mirror { Mirror(self, children: ["cookies": cookies.count]) }
}
