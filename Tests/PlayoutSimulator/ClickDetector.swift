/// Finds clicks in sound: what has, for a moment, more above 15 kHz than anything near it.
///
/// A jump between two samples has energy at all frequencies, a voice hardly any so high; and where a hiss has, it has for
/// many milliseconds. So a click is a peak of the high frequencies that is far above their mean of the 20 ms around it.
/// Sound is taken in pieces of any length.
package struct ClickDetector {
  /// Below this, in full scale of the high frequencies, nothing counts: a jump of −60 dBFS.
  private static let floor: Float = 0.000_7
  /// So many times the mean is no hiss.
  private static let ratio: Float = 14
  /// Samples on either side that the mean is taken over: 10 ms.
  private static let reach = 480

  /// The samples at which a click was found.
  package private(set) var clicks: [Int] = []

  private var filters = [Biquad(cosine: -0.382_683_43, q: 0.541_196_1), Biquad(cosine: -0.382_683_43, q: 1.306_563)]
  /// The magnitudes of the high frequencies lately, at their number modulo the length, and their sum.
  private var lately = [Float](repeating: 0, count: 2 * reach + 1)
  private var sum: Double = 0
  private var count = 0

  package init() {}

  package mutating func process(_ samples: Span<Float>) {
    for index in samples.indices {
      var value = samples[index]
      for filter in filters.indices { value = filters[filter].process(value) }
      take(abs(value))
    }
  }

  private mutating func take(_ magnitude: Float) {
    let slot = count % lately.count
    sum += Double(magnitude) - Double(lately[slot])
    lately[slot] = magnitude
    count += 1
    // The one in the middle has now as much after it as before it.
    let candidate = lately[(slot + lately.count - Self.reach) % lately.count]
    let mean = Float(max(0, sum)) / Float(lately.count)
    guard candidate > Self.floor, candidate > Self.ratio * mean else { return }
    let position = count - 1 - Self.reach
    if let last = clicks.last, position - last < Self.reach { return }
    clicks.append(position)
  }

  /// One half of a Butterworth high-pass of fourth order.
  private struct Biquad {
    private let feed: Float
    private let back: (Float, Float)
    private var memory: (Float, Float) = (0, 0)

    /// `cosine` of the cut-off's angle: −0.3827 is 5/16 of the sampling rate, 15 kHz of 48.
    init(cosine: Float, q: Float) {
      let sine = (1 - cosine * cosine).squareRoot()
      let alpha = sine / (2 * q)
      feed = (1 + cosine) / 2 / (1 + alpha)
      back = (-2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha))
    }

    mutating func process(_ input: Float) -> Float {
      let output = feed * input + memory.0
      memory.0 = -2 * feed * input - back.0 * output + memory.1
      memory.1 = feed * input - back.1 * output
      return output
    }
  }
}
