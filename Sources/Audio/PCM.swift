/// The one sample format inside the gateway: `Float`, mono, 48 kHz, nominally within ±1.
public enum PCM {
  /// Samples per second.
  @inlinable public static var sampleRate: Int { 48_000 }
  /// Samples of a block, the unit in which sound is captured, encoded and mixed: 20 ms.
  @inlinable public static var blockSize: Int { 960 }
  /// How long a block lasts.
  @inlinable public static var blockDuration: Duration { .milliseconds(20) }

  /// How long `count` samples last.
  @inlinable public static func duration(of count: Int) -> Duration {
    .nanoseconds(Int64(count / sampleRate) * 1_000_000_000 + Int64(count % sampleRate) * 1_000_000_000 / 48_000)
  }

  /// How many whole samples fit in `duration`, rounded towards zero.
  ///
  /// Right for durations of up to a million years; longer ones are taken as that.
  @inlinable public static func samples(in duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    let bounded = min(max(seconds, -31_000_000_000_000), 31_000_000_000_000)
    return Int(bounded) * sampleRate + Int(attoseconds / 1_000_000_000 * 48_000 / 1_000_000_000)
  }
}
