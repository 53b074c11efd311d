import Audio
import TalkRoom

/// Speech-like sound of a known voice, and whose voices are in a sound.
enum Speech {
  static func samples(_ voice: SyntheticVoice, seconds: Int) -> [Float] {
    var signal = SpeechLikeSignal(voice: voice)
    var samples = [Float](repeating: 0, count: seconds * PCM.sampleRate)
    var span = samples.mutableSpan
    signal.render(into: &span)
    return samples
  }

  static func voices(in samples: [Float]) -> Set<SyntheticVoice> {
    var detector = VoiceDetector()
    detector.process(samples.span)
    return detector.voices()
  }

  /// From s16le.
  static func samples(ofRaw bytes: some RandomAccessCollection<UInt8>) -> [Float] {
    let bytes = Array(bytes)
    return stride(from: 0, to: bytes.count - 1, by: 2).map {
      Float(Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)) / 32_768
    }
  }

  /// As s16le.
  static func raw(_ samples: [Float]) -> [UInt8] {
    samples.flatMap { sample -> [UInt8] in
      let value = UInt16(bitPattern: PCM16.encode(sample))
      return [UInt8(value & 0xff), UInt8(value >> 8)]
    }
  }
}
