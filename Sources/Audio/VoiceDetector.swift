internal import Glibc

/// Tells which synthetic voices can be heard in sound, also in a mix and after a codec.
///
/// A voice counts as heard in a window of 100 ms when its harmonics stand out from the middles between them. The
/// comparison with the middles is what tells a voice from noise and from one an octave lower; that the odd harmonics must
/// stand out by themselves tells it from one an octave higher.
public struct VoiceDetector: Sendable {
  /// Means of so many samples are looked at: what matters lies below 1.7 kHz.
  private static let decimation = 8
  private static let rate = Float(PCM.sampleRate / decimation)
  private static let window = 600
  private static let hop = 300
  /// By how much harmonics must stand out on average, in dB.
  private static let prominence: Float = 10
  /// What one harmonic may contribute at most, in dB, so that two strong ones do not pass for a whole series.
  private static let highestProminence: Float = 20

  private let hann: [Float]
  private var buffer: [Float] = []
  private var sum: Float = 0
  private var summed = 0
  private var windows: [SyntheticVoice: Int] = [:]

  public init() {
    hann = (0..<Self.window).map { 0.5 - 0.5 * cos(2 * .pi * Float($0) / Float(Self.window)) }
    buffer.reserveCapacity(Self.window)
  }

  /// Listens to more sound (mono, 48 kHz).
  public mutating func process(_ samples: Span<Float>) {
    for index in samples.indices {
      sum += samples[index]
      summed += 1
      guard summed == Self.decimation else { continue }
      buffer.append(sum / Float(Self.decimation))
      (sum, summed) = (0, 0)
      if buffer.count == Self.window {
        analyse()
        buffer.removeFirst(Self.hop)
      }
    }
  }

  /// How long each voice was heard. A voice that speaks is heard for at least a third of the time, even among others.
  public var heard: [SyntheticVoice: Duration] {
    windows.mapValues { PCM.duration(of: $0 * Self.hop * Self.decimation) }
  }

  /// The voices heard for at least `least`: by default long enough that noise or chance do not count.
  public func voices(heardFor least: Duration = .milliseconds(600)) -> Set<SyntheticVoice> {
    Set(heard.filter { $0.value >= least }.keys)
  }

  private mutating func analyse() {
    var energy: Float = 0
    for sample in buffer { energy += sample * sample }
    guard energy / Float(Self.window) > 1e-6 else { return }
    var windowed = buffer
    for index in windowed.indices { windowed[index] *= hann[index] }
    for voice in SyntheticVoice.allCases {
      let best = voice.pitches.map { standing(of: $0, in: windowed) }.max() ?? 0
      if best > Self.prominence { windows[voice, default: 0] += 1 }
    }
  }

  /// How far the harmonics up to 1.6 kHz stand out: the mean of their power against that in the middles beside them, in
  /// dB. Of all harmonics or of the odd ones alone, whichever is less.
  private func standing(of pitch: Float, in samples: [Float]) -> Float {
    let count = min(10, Int(1_600 / pitch))
    var sum: Float = 0
    var odd: Float = 0
    var below = power(at: 1.5 * pitch, in: samples)
    for harmonic in 2...count {
      let above = power(at: (Float(harmonic) + 0.5) * pitch, in: samples)
      let ratio = power(at: Float(harmonic) * pitch, in: samples) / ((below + above) / 2 + 1e-9)
      let prominence = min(max(10 * log10(ratio + 1e-9), -Self.highestProminence), Self.highestProminence)
      sum += prominence
      if harmonic % 2 == 1 { odd += prominence }
      below = above
    }
    return min(sum / Float(count - 1), odd / Float((count - 1) / 2))
  }

  /// Goertzel's algorithm: the power at one frequency.
  private func power(at frequency: Float, in samples: [Float]) -> Float {
    let coefficient = 2 * cos(2 * Float.pi * frequency / Self.rate)
    var first: Float = 0
    var second: Float = 0
    for sample in samples { (first, second) = (sample + coefficient * first - second, first) }
    return first * first + second * second - coefficient * first * second
  }
}
