import Audio
import Testing

@Suite struct VoiceTests {
  func speech(_ voice: SyntheticVoice, seconds: Int) -> [Float] {
    var signal = SpeechLikeSignal(voice: voice)
    var samples = [Float](repeating: 0, count: seconds * PCM.sampleRate)
    var span = samples.mutableSpan
    signal.render(into: &span)
    return samples
  }

  func voices(in samples: [Float]) -> Set<SyntheticVoice> {
    var detector = VoiceDetector()
    detector.process(samples.span)
    return detector.voices()
  }

  @Test(arguments: SyntheticVoice.allCases)
  func `a voice alone is recognised as itself`(voice: SyntheticVoice) {
    let samples = speech(voice, seconds: 8)
    var detector = VoiceDetector()
    detector.process(samples.span)
    #expect(detector.voices() == [voice])
    #expect(detector.heard[voice, default: .zero] > .seconds(3))
    let level = LevelMeter.level(of: samples.span)
    #expect(level.peak < -3 && level.peak > -20)
    #expect(level.rms < -15 && level.rms > -25)
  }

  @Test(arguments: 1..<15)
  func `in a mix exactly the voices that speak are recognised`(members: Int) {
    let speaking = SyntheticVoice.allCases.enumerated().filter { members & 1 << $0.offset != 0 }.map(\.element)
    var sum = [Float](repeating: 0, count: 8 * PCM.sampleRate)
    for voice in speaking {
      for (index, sample) in speech(voice, seconds: 8).enumerated() { sum[index] += sample }
    }
    #expect(voices(in: sum) == Set(speaking))
  }

  @Test func `silence and noise and a lone tone are nobody`() {
    #expect(voices(in: [Float](repeating: 0, count: 96_000)) == [])
    var random: UInt32 = 1
    let noise = (0..<480_000).map { _ in
      random = random &* 1_664_525 &+ 1_013_904_223
      return Float(random >> 8) / Float(1 << 23) - 1
    }
    #expect(voices(in: noise) == [])
    #expect(voices(in: (0..<480_000).map { Float($0 % 100) / 100 }) == [])
  }

  @Test func `a voice is the same on every run and in any portions`() {
    let whole = speech(.alto, seconds: 2)
    var signal = SpeechLikeSignal(voice: .alto)
    var parts: [Float] = []
    while parts.count < whole.count {
      var part = [Float](repeating: 0, count: 137)
      var span = part.mutableSpan
      signal.render(into: &span)
      parts += part
    }
    #expect(Array(parts.prefix(whole.count)) == whole)
  }
}
