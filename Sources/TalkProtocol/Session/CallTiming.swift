/// The times of the protocol. Tests and users of slow links may choose others.
public struct CallTiming: Hashable, Sendable {
  /// From opening the socket to the answer of hello.
  public var handshake = Duration.seconds(8)
  /// The server ends the connection 2 s after opening without hello.
  public var welcome = Duration.seconds(1)
  /// The server's own limit for taking a session up again.
  public var resumeWindow = Duration.seconds(30)
  /// From asking for the room to its answer. The server itself waits 10 s for Nextcloud, but a user no longer for us.
  public var room = Duration.seconds(8)
  /// From the answer to joining the call until we should have seen ourselves in it; more the third time.
  public var confirmation = Duration.seconds(1)
  /// The server answers a request for an offer within 10 s, if only with an error: asking earlier asks twice.
  public var requestRepeat = Duration.seconds(12)
  /// As browsers do.
  public var offerRepeat = Duration.seconds(10)
  /// After an error.
  public var ladder: [Duration] = [.seconds(1), .seconds(2), .seconds(5), .seconds(10)]
  /// Our state, to somebody new.
  public var announcements: [Duration] = [.zero, .seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16)]
  /// While waiting for a call, in case a notification was lost.
  public var callCheck = Duration.seconds(30)
  /// While waiting in the lobby, in case a notification was lost or its time is up, which nobody tells.
  public var lobbyCheck = Duration.seconds(20)
  /// After being told that there were too many requests, where the server does not say for how long.
  public var rateLimit = Duration.seconds(120)
  /// Between looks at a server in maintenance, where it does not say for how long.
  public var maintenance = Duration.seconds(30)
  /// How long a call that others were in may be gone after a reconnect, until it is taken as ended.
  public var callReturn = Duration.seconds(60)
  /// Each step of leaving.
  public var leaveStep = Duration.milliseconds(2500)
  /// Each step of leaving after a failure: the user waits for the message.
  public var failureStep = Duration.milliseconds(400)
  /// From losing the session to giving up.
  public var recovery = Duration.seconds(900)

  public init() {}

  func rung(_ failures: Int) -> Duration {
    ladder.isEmpty ? .seconds(1) : ladder[min(max(failures, 0), ladder.count - 1)]
  }
}
