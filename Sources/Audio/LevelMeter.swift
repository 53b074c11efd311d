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
  /// - Returns: The level of these samples.
  @discardableResult
  public mutating func process(_ samples: Span<Float>) -> Level {
    let block = Self.measure(samples)
    peak = max(peak, block.peak)
    energy += block.energy
    count += samples.count
    return Level(block.peak, block.energy, samples.count)
  }

  private static func measure(_ samples: Span<Float>) -> (peak: Float, energy: Double) {
    let peak = highestMagnitude(of: samples)
    guard peak <= 64 else { return measureGarbage(samples) }
    // Eight sums side by side: the compiler may not reorder one of `Float`, so it would add one sample after the other.
    let even = samples.count & ~7
    var sums = SIMD8<Float>.zero
    samples.withUnsafeBytes { bytes in
      for start in stride(from: 0, to: even * MemoryLayout<Float>.stride, by: MemoryLayout<SIMD8<Float>>.stride) {
        let eight = bytes.loadUnaligned(fromByteOffset: start, as: SIMD8<Float>.self)
        sums += eight * eight
      }
    }
    var energy = sums.sum()
    for index in even..<samples.count { energy += samples[index] * samples[index] }
    return (peak, Double(energy))
  }

  /// Not a number or infinity counts as 1, and what is much too loud as 64.
  private static func measureGarbage(_ samples: Span<Float>) -> (peak: Float, energy: Double) {
    var peak: Float = 0
    var energy: Float = 0
    for index in samples.indices {
      let height = samples[index].isFinite ? min(abs(samples[index]), 64) : 1
      peak = max(peak, height)
      energy += height * height
    }
    return (peak, Double(energy))
  }

  /// The level of the sound since the last call; silence if there was none. Starts anew.
  public mutating func take() -> Level {
    defer { self = LevelMeter() }
    return Level(peak, energy, count)
  }

  /// The level of one piece of sound.
  public static func level(of samples: Span<Float>) -> Level {
    var meter = LevelMeter()
    return meter.process(samples)
  }
}

extension LevelMeter.Level {
  fileprivate init(_ peak: Float, _ energy: Double, _ count: Int) {
    guard count > 0, peak > 0 else {
      self = .silence
      return
    }
    self.init(peak: 20 * log10(peak), rms: Float(10 * log10(energy / Double(count))))
  }
}
