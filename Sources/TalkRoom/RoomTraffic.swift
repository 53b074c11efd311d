/// Something that the embedded room and a client said to each other, for tests and logs of the room's own.
public struct RoomTraffic: Sendable {
  public enum Direction: Sendable {
    case received, sent
  }

  public let direction: Direction
  /// Method and path of the HTTP request that it is, or the reply to; `message` for a socket's.
  public let title: String
  /// The body; of a reply also the session cookie, in a line in front.
  public let text: String

  init(_ direction: Direction, _ title: String, _ text: String) {
    self.direction = direction
    self.title = title
    self.text = text
  }
}

extension Nextcloud.Reply {
  fileprivate var cookieLine: String { sessionCookie.map { "\(Nextcloud.sessionCookieName)=\($0)\n" } ?? "" }
  var text: String { cookieLine + (body?.text ?? page ?? "") }
}
