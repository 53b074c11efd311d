/// A received packet's header, as far as playout needs it.
public struct ReceivedPacket: Sendable, Equatable {
  /// RTP sequence number (RFC 3550 §5.1).
  public var sequenceNumber: UInt16
  /// RTP timestamp, in units of 1/48000 s (RFC 7587 §4.1).
  public var timestamp: UInt32
  /// When it arrived.
  public var arrival: ContinuousClock.Instant

  public init(sequenceNumber: UInt16, timestamp: UInt32, arrival: ContinuousClock.Instant) {
    self.sequenceNumber = sequenceNumber
    self.timestamp = timestamp
    self.arrival = arrival
  }

  /// The longest payload that is taken, in bytes: what fits into an Ethernet frame.
  public static var maximumPayload: Int { 1_500 }
}

/// Packets on their way from the network to one consumer, in slots of a fixed size.
///
/// A plain value: put it under the lock that both sides share. A slow consumer costs the oldest packets and never makes
/// the network wait. Nothing is allocated after the initialiser.
public struct PacketRing: Sendable {
  private var headers: [ReceivedPacket]
  private var sizes: [Int]
  private(set) var payloads: [UInt8]
  private var first = 0

  /// How many packets wait.
  public private(set) var count = 0
  /// How many packets were dropped because the consumer was too slow, or because they were too long to be sound.
  public private(set) var droppedCount = 0

  /// Makes room for `capacity` packets: 64 are 1.3 s of 20 ms packets.
  public init(capacity: Int = 64) {
    precondition(capacity > 0, "a ring needs room for a packet")
    let nothing = ReceivedPacket(sequenceNumber: 0, timestamp: 0, arrival: ContinuousClock.Instant.distantPast)
    headers = Array(repeating: nothing, count: capacity)
    sizes = Array(repeating: 0, count: capacity)
    payloads = Array(untouchedBytes: capacity * ReceivedPacket.maximumPayload)
  }

  /// Puts a packet in; when all slots are taken the oldest packet goes.
  public mutating func push(_ packet: ReceivedPacket, payload: Span<UInt8>) {
    guard payload.count <= ReceivedPacket.maximumPayload else {
      droppedCount &+= 1
      return
    }
    if count == headers.count {
      first = (first + 1) % headers.count
      count -= 1
      droppedCount &+= 1
    }
    // Who keeps up never touches the memory of the slots behind.
    if count == 0 { first = 0 }
    let slot = (first + count) % headers.count
    headers[slot] = packet
    sizes[slot] = payload.count
    let start = slot * ReceivedPacket.maximumPayload
    var bytes = payloads.mutableSpan
    for index in payload.indices { bytes[start + index] = payload[index] }
    count += 1
  }

  /// Takes the oldest packet out: its header, and where in `payloads` its bytes are until the next `push`.
  mutating func takeFirst() -> (packet: ReceivedPacket, range: Range<Int>)? {
    guard count > 0 else { return nil }
    let start = first * ReceivedPacket.maximumPayload
    let result = (headers[first], start..<(start + sizes[first]))
    first = (first + 1) % headers.count
    count -= 1
    return result
  }

  /// Forgets what waits.
  public mutating func removeAll() {
    count = 0
  }
}

extension [UInt8] {
  /// Bytes of no particular value: memory that is written before it is read. Until then the system need not provide it.
  init(untouchedBytes count: Int) {
    self.init(unsafeUninitializedCapacity: count) { $1 = count }
  }
}

extension ContinuousClock.Instant {
  /// What stands in a slot that was never filled.
  fileprivate static var distantPast: Self { ContinuousClock().systemEpoch }
}
