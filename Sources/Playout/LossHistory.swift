/// Remembers whether packets are being lost and whether waiting for the next one would bring them back.
struct LossHistory {
  /// So long after the last loss patience lasts: 8.75 s. That is as long as can be, for what is given up too early is
  /// heard twice, now and at the next loss; and with what it takes to shorten sound unheard, ten seconds after the last
  /// loss nothing is left of it.
  private static let patience = 420_000
  /// Two losses further apart than this are two accidents: 10 s.
  private static let accident = 10 * 48_000

  private var last: Int?
  private var beforeLast: Int?
  private var redundancy: Int?

  /// A packet with a copy of the one before arrived.
  mutating func sawRedundancy(at time: Int) { redundancy = time }

  /// A packet was missing when its time had come.
  mutating func missed(at time: Int) {
    beforeLast = last
    last = time
  }

  /// Whether to be later by a packet, so that copies arrive in time.
  func calls(forPatienceAt time: Int) -> Bool {
    guard let age = age(at: time) else { return false }
    return age < Self.patience
  }

  /// Whether patience has ended and its delay has to go soon.
  func calls(forHasteAt time: Int) -> Bool {
    guard let age = age(at: time) else { return false }
    return (Self.patience..<Self.accident).contains(age)
  }

  /// How long ago the last loss was, if it was not the only one and a copy would have helped.
  private func age(at time: Int) -> Int? {
    guard let last, let beforeLast, let redundancy else { return nil }
    guard last - beforeLast < Self.accident, time - redundancy < Self.accident else { return nil }
    return time - last
  }
}
