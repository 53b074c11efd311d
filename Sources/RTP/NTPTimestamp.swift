/// Wall clock time as RTCP carries it: seconds since 1900 in 32.32 fixed point (RFC 3550 §4).
public struct NTPTimestamp: Hashable, Sendable {
  /// Seconds since 1900 in the upper, 2⁻³² seconds in the lower half; wraps in 2036.
  public let rawValue: UInt64

  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// From a wall clock's reading, as time since 1970-01-01T00:00Z.
  public init(sinceUnixEpoch time: Duration) {
    let secondsFrom1900To1970: Int64 = 2_208_988_800
    let (seconds, attoseconds) = time.components
    let fraction = Duration(secondsComponent: 0, attosecondsComponent: attoseconds).ticks(per: 1 << 32)
    rawValue =
      UInt64(truncatingIfNeeded: seconds &+ secondsFrom1900To1970) << 32 &+ UInt64(truncatingIfNeeded: fraction)
  }

  /// The middle 32 bits, in 2⁻¹⁶ seconds: the form of `LSR` in report blocks.
  public var compact: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 16) }

  /// Time from `earlier` to this one; right over the wrap while less than 68 years lie between.
  public func since(_ earlier: NTPTimestamp) -> Duration {
    let difference = Int64(bitPattern: rawValue &- earlier.rawValue)
    let attosecondsPerSecond = Int64(1_000_000_000_000_000_000)
    let fraction = (difference & 0xFFFF_FFFF).multipliedFullWidth(by: attosecondsPerSecond)
    let attoseconds = (Int64(1) << 32).dividingFullWidth(fraction).quotient
    return Duration(secondsComponent: difference >> 32, attosecondsComponent: attoseconds)
  }
}
