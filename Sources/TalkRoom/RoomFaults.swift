/// How the embedded room misbehaves, on demand: for tests of what a client does then.
public struct RoomFaults: Sendable, Equatable {
  /// Off: connections come up, but no sound or state is forwarded.
  public var forwardsMedia = true
  /// The share of RTP packets that are not forwarded, 0 to 1.
  public var packetLoss = 0.0
  /// Every HTTP reply comes so much later.
  public var replyDelay: Duration = .zero
  /// Requests whose path ends so are answered with this status instead, for good.
  public var refusedRequests: [String: Int] = [:]
  /// Requests whose path ends so are dropped without an answer.
  public var droppedRequests: Set<String> = []
  /// Requests of this method and end of path, as `POST /chat/abcd1234`, are lost so many times before they do anything.
  public var lostRequests: [String: Int] = [:]
  /// The answers to such requests are lost so many times; what was asked for is done.
  public var lostReplies: [String: Int] = [:]
  /// With the first request of this method and end of path the installation goes out of reach: it is done, and neither it
  /// nor any later one is answered.
  public var lastRequest: String?
  /// Socket messages of these types (`hello`, `room`, or a peer message's type such as `requestoffer`) are not answered.
  public var ignoredMessages: Set<String> = []
  /// Socket messages of these types are answered by an error of this code.
  public var refusedMessages: [String: String] = [:]
  /// WebSocket handshakes are answered with this status.
  public var refusedHandshake: Int?
  /// All requests are sent elsewhere.
  public var redirection: Redirection?
  /// The installation does not want to be called by the name under which it is reached.
  public var isUntrusted = false

  /// A redirect to the same path below another address.
  public struct Redirection: Sendable, Equatable {
    public var status: Int
    public var base: String

    public init(_ status: Int, to base: String) {
      self.status = status
      self.base = base
    }
  }

  /// How far Nextcloud's clock is ahead of the signaling server's, or behind it: in the dates that it tells, and in the
  /// tokens for the signaling server.
  public var nextcloudClockShift: Duration = .zero

  public init() {}
}
