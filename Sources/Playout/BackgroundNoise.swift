/// Learns how loud a stream is when nobody speaks, and makes noise of that loudness for gaps: a line that falls wholly
/// silent sounds dead.
struct BackgroundNoise {
  /// In mean square: what is louder (−45 dBFS) is no background.
  private static let loudest: Float = 3.2e-5
  /// The background is the quietest of three windows of two seconds, and of the one that is not over.
  private static let window = 96_000
  /// Noise is smoothed, as rooms and hums have little of the high frequencies; what that leaves of its power.
  private static let smoothing: Float = 0.3
  private static let remainder: Float = smoothing / (2 - smoothing) / 3

  private var quietest = InlineArray<4, Float>(repeating: .infinity)
  private var followed = 0
  private var random: UInt32 = 0x9e37_79b9
  private var smoothed: Float = 0

  /// Takes the mean square of `count` samples of true sound into account.
  mutating func follow(power: Float, count: Int) {
    quietest[0] = min(quietest[0], power)
    followed += count
    guard followed >= Self.window else { return }
    followed = 0
    for index in stride(from: 3, to: 0, by: -1) { quietest[index] = quietest[index - 1] }
    quietest[0] = .infinity
  }

  /// Forgets the stream.
  mutating func forget() {
    for index in quietest.indices { quietest[index] = .infinity }
    followed = 0
  }

  /// What the noise is multiplied by; 0 where no background is known.
  var amplitude: Float {
    var level = Float.infinity
    for index in quietest.indices { level = min(level, quietest[index]) }
    return level < Self.loudest ? (level / Self.remainder).squareRoot() : 0
  }

  /// The next sample, of a loudness that `amplitude` makes right.
  mutating func next() -> Float {
    random = random &* 1_664_525 &+ 1_013_904_223
    smoothed += Self.smoothing * (Float(Int32(bitPattern: random)) / 2_147_483_648 - smoothed)
    return smoothed
  }
}
