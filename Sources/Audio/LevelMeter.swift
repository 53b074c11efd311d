internal import Glibc

/// Measures how loud sound is: peak and RMS since the last reading.
public struct LevelMeter: Sendable {
  /// A level relative to full scale.
  public struct Level: Sendable, Equatable {
    /// The highest sample, in dBFS: 0 for ±1, −infinity for silence.
    public var peak: Float
    /// The root mean square, in dB relative to a square wave of full scale (dBov; a full-scale sine reads −3).
    public var rms: Float

    /// Digital silence.
    public static let silence = Level(peak: -.infinity, rms: -.infinity)

    public init(peak: Float, rms: Float) {
      self.peak = peak
      self.rms = rms
    }

    /// The level as the RTP header extension carries it: −dBov from 0 (loudest) to 127 (silence). RFC 6464 §3.
    public var negativeDecibelsOverload: UInt8 {
      guard rms > -127 else { return 127 }
      return UInt8(min(max(-rms, 0), 127).rounded())
    }
  }

  private var peak: Float = 0
  private var energy: Double = 0
  private var count = 0

  public init() {}

  /// Takes more sound into account. Samples that are not finite count as full scale.
  public mutating func process(_ samples: Span<Float>) {
    var highest = peak
    var sum: Float = 0
    for index in samples.indices {
      let height = samples[index].isFinite ? min(abs(samples[index]), 64) : 1
      highest = max(highest, height)
      sum += height * height
    }
    peak = highest
    energy += Double(sum)
    count += samples.count
  }

  /// The level of the sound since the last call; silence if there was none. Starts anew.
  public mutating func take() -> Level {
    guard count > 0, peak > 0 else {
      self = LevelMeter()
      return .silence
    }
    let level = Level(peak: 20 * log10(peak), rms: Float(10 * log10(energy / Double(count))))
    self = LevelMeter()
    return level
  }

  /// The level of one piece of sound.
  public static func level(of samples: Span<Float>) -> Level {
    var meter = LevelMeter()
    meter.process(samples)
    return meter.take()
  }
}
