/// Artificial speakers that cannot be mistaken for one another.
///
/// Each speaks on three pitches of its own and has a vocal tract of its own length. `VoiceDetector` tells them apart in
/// a mix by these pitches.
public enum SyntheticVoice: String, Sendable, CaseIterable {
  case bass, soprano, tenor, alto

  /// The fundamental frequencies the voice speaks on, in hertz, lowest first.
  public var pitches: [Float] {
    switch self {
    case .bass: [95, 103.5, 113]
    case .tenor: [123, 134, 146]
    case .alto: [159, 173, 189]
    case .soprano: [206, 225, 245]
    }
  }

  /// By how much the formants lie above those of an average tract.
  var formantScale: Float {
    switch self {
    case .bass: 0.9
    case .tenor: 0.98
    case .alto: 1.08
    case .soprano: 1.18
    }
  }

  /// Syllables in a phrase, before a pause: different for each, so that no two keep talking in step.
  var phraseLength: Int {
    switch self {
    case .bass: 7
    case .tenor: 5
    case .alto: 9
    case .soprano: 6
    }
  }

  var seed: UInt32 {
    switch self {
    case .bass: 0x1234_5671
    case .tenor: 0x2345_6781
    case .alto: 0x3456_7891
    case .soprano: 0x4567_89a1
    }
  }
}
