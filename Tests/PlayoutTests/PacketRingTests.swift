import Playout
import PlayoutSimulator
import Testing

@Suite struct PacketRingTests {
  let origin = ContinuousClock().systemEpoch

  func packet(_ number: Int) -> ReceivedPacket {
    ReceivedPacket(sequenceNumber: UInt16(number), timestamp: UInt32(number * 960), arrival: origin)
  }

  /// What a buffer got out of the ring, seen by its statistics and its sound.
  func drain(_ ring: inout PacketRing) -> PlayoutStatistics {
    var buffer = PlayoutBuffer(decoder: PositionDecoder())
    buffer.insert(from: &ring)
    return buffer.statistics
  }

  @Test func `packets come out in order until the ring is empty`() {
    var ring = PacketRing(capacity: 4)
    for number in 1...3 { ring.push(packet(number), payload: [0, 0, UInt8(number)].span) }
    #expect(ring.count == 3)
    #expect(drain(&ring).packetsReceived == 3)
    #expect(ring.count == 0)
    #expect(drain(&ring).packetsReceived == 0)
  }

  @Test func `when it is full the oldest packet goes and is counted`() {
    var ring = PacketRing(capacity: 4)
    for number in 1...10 { ring.push(packet(number), payload: [0, 0, UInt8(number)].span) }
    #expect(ring.count == 4)
    #expect(ring.droppedCount == 6)
    let statistics = drain(&ring)
    #expect(statistics.packetsReceived == 4)
    #expect(statistics.packetsLost == 0)
  }

  @Test func `a payload too long for sound is refused and counted`() {
    var ring = PacketRing(capacity: 4)
    ring.push(packet(1), payload: [UInt8](repeating: 0, count: ReceivedPacket.maximumPayload + 1).span)
    ring.push(packet(2), payload: [UInt8](repeating: 0, count: ReceivedPacket.maximumPayload).span)
    #expect(ring.count == 1)
    #expect(ring.droppedCount == 1)
  }

  @Test func `what waits can be forgotten`() {
    var ring = PacketRing()
    ring.push(packet(1), payload: [9].span)
    ring.removeAll()
    #expect(ring.count == 0)
  }
}
