/// Says when the next RTCP report is due (RFC 3550 §6.2, §6.3.1, for a session of two).
///
/// Reports are spaced by the interval times a random factor of 0.5 to 1.5, so that many peers do not fall into step; the
/// first comes after half of that. Random numbers are arguments, in 0..<1.
public struct RTCPScheduler: Sendable {
  /// When the next report is to be sent.
  public private(set) var deadline: ContinuousClock.Instant
  private let interval: Duration

  public init(interval: Duration = .seconds(1), at now: ContinuousClock.Instant, random: Double) {
    self.interval = interval
    deadline = now + Self.spaced(interval, random) / 2
  }

  /// True when a report is due, which then counts as sent; the next one is spaced from `now`, so a late call causes no
  /// burst.
  public mutating func takeDue(at now: ContinuousClock.Instant, random: Double) -> Bool {
    guard now >= deadline else { return false }
    deadline = now + Self.spaced(interval, random)
    return true
  }

  private static func spaced(_ interval: Duration, _ random: Double) -> Duration {
    interval * (0.5 + min(max(random, 0), 1))
  }
}
