/// Keeps sound within full scale without look-ahead, so without delay.
///
/// A peak follower with instant attack and slow release sets the gain: below the threshold of −1 dBFS samples pass bit
/// for bit; above it the output stays at the threshold and the gain recovers over some 100 ms. A sum of many speakers
/// gets quieter for a moment and never wraps or clips.
public struct Limiter: Sendable {
  /// −1 dBFS: what comes out is never louder.
  public static let threshold: Float = 0.891_250_94
  /// The share of its height above the threshold that the followed peak loses per sample: a time constant of 100 ms.
  private static let release: Float = 1 / 4_800

  private var peak = Limiter.threshold

  public init() {}

  /// Limits `samples` in place. What is not a number becomes silence, infinity the threshold.
  public mutating func process(_ samples: inout MutableSpan<Float>) {
    // Nearly always: nothing is loud, nor was it lately.
    if peak == Self.threshold, highestMagnitude(of: samples.span) <= Self.threshold { return }
    for index in samples.indices {
      let sample = samples[index]
      let height = abs(sample)
      guard height <= Float.greatestFiniteMagnitude else {
        samples[index] = sample.isNaN ? 0 : (sample < 0 ? -Self.threshold : Self.threshold)
        continue
      }
      peak = max(height, peak - (peak - Self.threshold) * Self.release)
      if peak > Self.threshold {
        // Division first: `threshold * sample` over a huge peak must not lose the bound to rounding.
        samples[index] = max(-Self.threshold, min(Self.threshold, sample / peak * Self.threshold))
        // 0.01 dB before the end: in `Float` the decay would stand still there and never give back the exact bits.
        if peak - Self.threshold < 1e-3 { peak = Self.threshold }
      }
    }
  }
}
