/// Something that passed between us and a server, or between us and a peer, as it was: **with** the secrets in it.
public enum Traffic: Sendable {
  case request(
    method: String, url: String, headers: HTTPHeaders, cookies: [(name: String, value: String)], body: [UInt8]?)
  case reply(url: String, status: Int, headers: HTTPHeaders, body: [UInt8])
  /// No reply came.
  case requestFailed(url: String, reason: String)
  case socketOpened(url: String)
  /// It did not come to be open.
  case socketFailed(url: String, reason: String)
  case messageSent(String)
  case messageReceived(String)
  /// - Parameter code: That of the closing message (RFC 6455 §7.4); 1006 where there was none.
  case socketClosed(code: Int, reason: String)
  /// A peer connection changed its state, as W3C's `connectionState` names it.
  case peerState(peer: String, state: String)
  case dataSent(peer: String, String)
  case dataReceived(peer: String, String)
}

/// Hears the traffic, on the thread where it passes, and is waited for: it is to be quick.
public typealias TrafficObserver = @Sendable (Traffic) -> Void
