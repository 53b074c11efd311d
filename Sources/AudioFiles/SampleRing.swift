internal import GLibLoop

/// A bounded queue of samples between two threads, allocated once.
final class SampleRing: Sendable {
  private struct Contents {
    var samples: [Float]
    var first = 0
    var count = 0
    var isComplete = false

    mutating func append(_ source: Span<Float>) {
      var position = (first + count) % samples.count
      for index in source.indices {
        samples[position] = source[index]
        position = position + 1 == samples.count ? 0 : position + 1
      }
      count += source.count
    }

    mutating func take(_ wanted: Int, into target: inout MutableSpan<Float>) {
      for index in 0..<wanted {
        target[index] = samples[first]
        first = first + 1 == samples.count ? 0 : first + 1
      }
      count -= wanted
    }
  }

  let capacity: Int
  private let contents: Locked<Contents>

  init(capacity: Int) {
    self.capacity = capacity
    contents = Locked(Contents(samples: Array(repeating: 0, count: capacity)))
  }

  var count: Int { contents.withLock { $0.count } }

  /// How many samples may be appended.
  var room: Int { capacity - count }

  /// Whether nothing will come after what is held.
  var isComplete: Bool { contents.withLock { $0.isComplete } }

  /// Declares that nothing comes after what is held.
  func complete() { contents.withLock { $0.isComplete = true } }

  /// Appends `samples`, no more than the ring can hold; drops the oldest where there is no room.
  /// - Returns: How many were dropped.
  func append(_ samples: Span<Float>) -> Int {
    precondition(samples.count <= capacity, "\(samples.count) samples for a ring of \(capacity)")
    return contents.withLock { contents in
      let excess = max(0, contents.count + samples.count - contents.samples.count)
      contents.first = (contents.first + excess) % contents.samples.count
      contents.count -= excess
      contents.append(samples)
      return excess
    }
  }

  /// Moves up to `target.count` samples, the oldest first, to the beginning of `target`.
  /// - Returns: How many there were.
  func take(into target: inout MutableSpan<Float>) -> Int {
    contents.withLock { contents in
      let wanted = min(contents.count, target.count)
      contents.take(wanted, into: &target)
      return wanted
    }
  }
}
