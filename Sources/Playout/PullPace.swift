/// Follows the consumer's clock: how early its pulls come, at worst, against its own count of samples.
struct PullPace {
  /// How long an early pull is remembered, at least: 1 s.
  private static let window = 48_000

  /// Samples pulled before the one at the head of the queue.
  private(set) var pulled = 0
  private var windowEnd = 0
  private var earliest = Int.max
  private var earliestBefore = Int.max
  private var largest = 0
  private var largestBefore = 0

  /// A pull of `count` samples happens at `time`.
  mutating func pull(of count: Int, at time: Int) {
    if pulled >= windowEnd {
      windowEnd = pulled + Self.window
      earliestBefore = earliest
      earliest = .max
      largestBefore = largest
      largest = 0
    }
    earliest = min(earliest, time - pulled - count)
    largest = max(largest, count)
  }

  mutating func advance(by count: Int) { pulled += count }

  /// How many samples a pull asks for, at most.
  var pullSize: Int { max(largest, largestBefore) }

  /// How long after its position a sample is asked for, at worst, if `position` is next at the head of the queue.
  func delay(of position: Int) -> Int { min(earliest, earliestBefore) + pulled - position }
}
