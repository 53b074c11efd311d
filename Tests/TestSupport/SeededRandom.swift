/// Random numbers that are the same in every run (SplitMix64), so that a failing case can be found again.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// From 0 to 1.
  public mutating func uniform() -> Double { Double(next() >> 11) / Double(1 << 53) }

  /// One of 0, 1, … `count` − 1.
  public mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

  /// `count` random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// `bytes` with a few of them changed, removed, doubled, or the end cut off.
  public mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &self) where !result.isEmpty {
      let index = result.indices.randomElement(using: &self)!
      switch Int.random(in: 0..<5, using: &self) {
      case 0: result[index] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      case 1: result[index] = UInt8(truncatingIfNeeded: next())
      case 2: result.remove(at: index)
      case 3: result.insert(result[index], at: index)
      default: result.removeSubrange(index...)
      }
    }
    return result
  }
}
