/// Puts packets of one stream in order and on one line of time, whatever the sender's counters do.
///
/// Times are in samples: arrival times since an origin, positions since some other. Only differences matter.
struct StreamTimeline {
  /// Where a packet belongs.
  struct Place {
    /// The sequence number without wrapping; consecutive across a restart of the sender.
    var sequence: Int
    /// The sender's time of the first sample.
    var position: Int
    /// Arrival less position: on a perfect network, and with clocks that run alike, constant.
    var delay: Int
    /// Whether the same packet was here before.
    var isDuplicate = false
  }

  /// A jump of the sequence beyond this is a restart, or a packet of somebody else (RFC 3550 A.1, MAX_DROPOUT).
  private static let largestGap = 3_000
  /// How old a packet may be (RFC 3550 A.1, MAX_MISORDER).
  private static let largestDisorder = 500
  /// A packet that seems faster than all others by more than this comes from a clock that stepped: 1 s.
  private static let largestGain = 48_000
  /// A packet that seems later by more than this comes from a clock that stood still: 10 s.
  private static let largestDelay = 480_000

  private var newest: (sequenceNumber: UInt16, timestamp: UInt32, place: Place)?
  /// After a jump of the sequence: the number that would confirm it.
  private var expectedAfterJump: UInt16?

  /// The packets seen lately: at its number modulo the window, each packet's number.
  private var seen = [Int](repeating: -1, count: window)
  private static let window = 512

  /// How many packets of the sequence have not come.
  private(set) var missingCount: Int

  /// A new stream; `missing` packets of those before it have not come.
  init(missing: Int = 0) { missingCount = missing }

  /// The place of a packet; nil when it seems not to be part of the stream.
  ///
  /// `duration` is the packet's length in samples, `fastest` the least delay of the packets before.
  mutating func place(
    sequenceNumber: UInt16, timestamp: UInt32, arrival: Int, duration: Int, fastest: Int
  ) -> Place? {
    guard let newest else {
      let first = Place(sequence: 1 << 20, position: 0, delay: arrival)
      missingCount += 1
      self.newest = (sequenceNumber, timestamp, first)
      return noted(first)
    }
    var step = Int(Int16(bitPattern: sequenceNumber &- newest.sequenceNumber))
    var restarts = false
    if step > Self.largestGap || step < -Self.largestDisorder {
      guard expectedAfterJump == sequenceNumber else {
        expectedAfterJump = sequenceNumber &+ 1
        return nil
      }
      step = 1
      restarts = true
    }
    expectedAfterJump = nil

    let elapsed = Int(Int32(bitPattern: timestamp &- newest.timestamp))
    var position = newest.place.position + elapsed
    let delay = arrival - position
    if restarts || delay < fastest - Self.largestGain || delay > fastest + Self.largestDelay {
      // What follows continues where the network's delay says.
      guard step > 0 else { return nil }
      position = max(arrival - fastest, newest.place.position + duration)
    }
    let place = Place(sequence: newest.place.sequence + step, position: position, delay: arrival - position)
    if step > 0 {
      missingCount += step
      self.newest = (sequenceNumber, timestamp, place)
    }
    return noted(place)
  }

  private mutating func noted(_ place: Place) -> Place {
    var place = place
    let index = place.sequence & (Self.window - 1)
    if seen[index] == place.sequence {
      place.isDuplicate = true
    } else {
      seen[index] = place.sequence
      missingCount -= 1
    }
    return place
  }
}
