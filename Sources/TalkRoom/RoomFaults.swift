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
  /// Socket messages of these types (`hello`, `room`, or a peer message's type such as `requestoffer`) are not answered.
  public var ignoredMessages: Set<String> = []
  /// Socket messages of these types are answered by an error of this code.
  public var refusedMessages: [String: String] = [:]
  /// WebSocket handshakes are answered with this status.
  public var refusedHandshake: Int?

  public init() {}
}
