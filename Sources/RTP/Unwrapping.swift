/// Turns 16-bit sequence numbers into numbers that never wrap.
///
/// The first one keeps its value; each further one is taken at the distance from the one before that is below half the
/// range, so packets out of order and streams that wrap, backwards too (below zero), come out right.
public struct SequenceNumberUnwrapper: Sendable {
  private var last: Int64?

  public init() {}

  public mutating func unwrap(_ sequenceNumber: UInt16) -> Int64 {
    guard let last else {
      self.last = Int64(sequenceNumber)
      return Int64(sequenceNumber)
    }
    let step = Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: last))
    let unwrapped = last &+ Int64(step)
    self.last = unwrapped
    return unwrapped
  }
}

/// Turns 32-bit RTP timestamps into numbers that never wrap; see ``SequenceNumberUnwrapper``.
public struct TimestampUnwrapper: Sendable {
  private var last: Int64?

  public init() {}

  public mutating func unwrap(_ timestamp: UInt32) -> Int64 {
    guard let last else {
      self.last = Int64(timestamp)
      return Int64(timestamp)
    }
    let step = Int32(bitPattern: timestamp &- UInt32(truncatingIfNeeded: last))
    let unwrapped = last &+ Int64(step)
    self.last = unwrapped
    return unwrapped
  }
}
