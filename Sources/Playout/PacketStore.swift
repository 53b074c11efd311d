/// Packets that wait for their time, in order, in slots of a fixed size.
struct PacketStore {
  /// A packet that waits.
  struct Entry {
    var sequence: Int
    var position: Int
    /// Samples it decodes to.
    var duration: Int
    /// When it came, in samples.
    var arrival: Int
    var hasRedundancy: Bool
    var announcesSilence: Bool
    fileprivate var slot = 0
    fileprivate var size = 0

    init(
      sequence: Int, position: Int, duration: Int, arrival: Int, hasRedundancy: Bool, announcesSilence: Bool
    ) {
      self.sequence = sequence
      self.position = position
      self.duration = duration
      self.arrival = arrival
      self.hasRedundancy = hasRedundancy
      self.announcesSilence = announcesSilence
    }
  }

  private var entries: [Entry] = []
  private var freeSlots: [Int]
  private(set) var payloads: [UInt8]

  init(capacity: Int) {
    precondition(capacity > 0, "a store needs room for a packet")
    entries.reserveCapacity(capacity)
    freeSlots = Array((0..<capacity).reversed())
    payloads = Array(untouchedBytes: capacity * ReceivedPacket.maximumPayload)
  }

  var first: Entry? { entries.first }
  var count: Int { entries.count }

  /// Where an entry that is still there has its bytes in `payloads`.
  func payloadRange(of entry: Entry) -> Range<Int> {
    let start = entry.slot * ReceivedPacket.maximumPayload
    return start..<(start + entry.size)
  }

  /// Puts a packet of at most `ReceivedPacket.maximumPayload` bytes in its place. Returns false when one had to go for
  /// it, the oldest.
  mutating func insert(_ entry: Entry, payload: Span<UInt8>) -> Bool {
    var index = entries.count
    while index > 0, entries[index - 1].sequence > entry.sequence { index -= 1 }
    let isFull = freeSlots.isEmpty
    if isFull {
      guard index > 0 else { return false }
      removeFirst()
      index -= 1
    }
    var entry = entry
    entry.slot = freeSlots.removeLast()
    entry.size = payload.count
    let start = entry.slot * ReceivedPacket.maximumPayload
    var bytes = payloads.mutableSpan
    for byte in payload.indices { bytes[start + byte] = payload[byte] }
    entries.insert(entry, at: index)
    return !isFull
  }

  mutating func removeFirst() {
    freeSlots.append(entries.removeFirst().slot)
  }

  mutating func removeAll() {
    while !entries.isEmpty { freeSlots.append(entries.removeLast().slot) }
  }
}
