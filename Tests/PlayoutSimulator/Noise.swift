/// Numbers that look random and are the same on every run (SplitMix64).
package struct Noise: Sendable {
  private var state: UInt64

  package init(_ seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// From 0 to 1.
  package mutating func uniform() -> Double { Double(next() >> 11) / Double(1 << 53) }

  /// One of 0, 1, … `count` − 1.
  package mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
}
