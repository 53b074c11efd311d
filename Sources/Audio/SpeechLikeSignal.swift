internal import Glibc

/// Sound that behaves like speech: syllables of vowels and hisses in phrases with pauses, about −20 dBFS RMS.
///
/// A deterministic function of the voice: two signals of one voice are equal sample for sample.
public struct SpeechLikeSignal: Sendable {
  /// First and second and third formant of five vowels (a, e, i, o, u) in hertz, for an average tract.
  private static let vowels: [(Float, Float, Float)] = [
    (750, 1_250, 2_550), (480, 1_900, 2_600), (300, 2_250, 2_950), (480, 880, 2_500), (330, 800, 2_350),
  ]
  private static let highestHarmonics = 48

  private let voice: SyntheticVoice
  private var random: UInt32
  /// Amplitude of each harmonic of the current vowel.
  private var harmonics = [Float](repeating: 0, count: highestHarmonics)
  private var harmonicCount = 0
  private var phase: Double = 0
  private var pitch: Float = 100
  private var position = 0
  private var hissEnd = 0
  private var voicedEnd = 0
  private var syllableEnd = 0
  private var syllable = 0
  private var hissMemory: Float = 0

  public init(voice: SyntheticVoice) {
    self.voice = voice
    random = voice.seed
  }

  /// Fills `samples` with the next piece of speech.
  public mutating func render(into samples: inout MutableSpan<Float>) {
    for index in samples.indices {
      if position >= syllableEnd { startSyllable() }
      samples[index] = nextSample()
      position += 1
    }
  }

  private mutating func nextRandom() -> UInt32 {
    random = random &* 1_664_525 &+ 1_013_904_223
    return random >> 8
  }

  private mutating func startSyllable() {
    position = 0
    syllable += 1
    let hiss = syllable % 3 == 0 ? 2_880 : 0
    hissEnd = hiss
    voicedEnd = hiss + 7_200 + Int(nextRandom() % 2_880)
    let pause = syllable % voice.phraseLength == 0 ? 19_200 + Int(nextRandom() % 9_600) : 1_440
    syllableEnd = voicedEnd + pause
    pitch = voice.pitches[Int(nextRandom() % 3)]
    let (first, second, third) = Self.vowels[Int(nextRandom() % 5)]
    harmonicCount = min(Self.highestHarmonics, Int(4_200 / pitch))
    var energy: Float = 0
    for index in 0..<harmonicCount {
      let frequency = Float(index + 1) * pitch
      func resonance(_ formant: Float, _ width: Float) -> Float {
        let distance = (frequency - formant * voice.formantScale) / width
        return 1 / (1 + distance * distance)
      }
      // The floor keeps every harmonic there, for the detector as for the ear.
      let tilt = 1 / (1 + frequency / 1_500)
      harmonics[index] =
        tilt * (0.16 + resonance(first, 110) + 0.6 * resonance(second, 150) + 0.3 * resonance(third, 200))
      energy += harmonics[index] * harmonics[index] / 2
    }
    let gain = 0.14 / energy.squareRoot()
    for index in 0..<harmonicCount { harmonics[index] *= gain }
  }

  private mutating func nextSample() -> Float {
    if position < hissEnd {
      let white = Float(nextRandom() & 0xffff) / 32_768 - 1
      let high = white - hissMemory
      hissMemory = white
      return 0.03 * high * edge(position, of: hissEnd, over: 960)
    }
    guard position < voicedEnd else { return 0 }
    // sin kθ from the two before: one sine and one cosine a sample for all harmonics.
    let sine = Float(sin(phase))
    let twiceCosine = 2 * Float(cos(phase))
    phase += 2 * Double.pi * Double(pitch) / Double(PCM.sampleRate)
    if phase > 2 * Double.pi { phase -= 2 * Double.pi }
    var before: Float = 0
    var current = sine
    var sum: Float = 0
    for index in 0..<harmonicCount {
      // Alternating signs spread the energy over the period: fewer peaks.
      sum += (index & 2 == 0 ? harmonics[index] : -harmonics[index]) * current
      (before, current) = (current, twiceCosine * current - before)
    }
    return sum * edge(position - hissEnd, of: voicedEnd - hissEnd, over: 1_440)
  }

  /// A smooth rise and fall at the ends of a sound of `length` samples.
  private func edge(_ position: Int, of length: Int, over width: Int) -> Float {
    let distance = min(position, length - 1 - position)
    guard distance < width else { return 1 }
    let x = Float(distance) / Float(width)
    return x * x * (3 - 2 * x)
  }
}
