/// Tells from levels whether somebody speaks: quick to begin, slow to end, so that pauses between words do not flicker.
struct SpeechActivity: Sendable {
  /// Root mean square of a block, in dBFS, that counts as speech.
  static let threshold: Float = -45
  private static let blocksToBegin = 3
  /// 800 ms.
  private static let blocksToEnd = 40

  private(set) var isSpeaking = false
  private var blocks = 0

  /// Takes the level of the next block of 20 ms; true when the answer has changed.
  mutating func process(rms level: Float) -> Bool {
    let contradicts = (level >= Self.threshold) != isSpeaking
    // A loud block in between starts the wait for the end anew; a soft one only slows the beginning.
    blocks = contradicts ? blocks + 1 : isSpeaking ? 0 : max(0, blocks - 1)
    guard blocks >= (isSpeaking ? Self.blocksToEnd : Self.blocksToBegin) else { return false }
    isSpeaking.toggle()
    blocks = 0
    return true
  }
}
