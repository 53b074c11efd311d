import RTP
import TestSupport
import Testing

struct UnwrappingTests {
  @Test func `sequence numbers go on over the wrap, in and out of order`() {
    var unwrapper = SequenceNumberUnwrapper()
    #expect(
      [65533, 65534, 0, 65535, 1, 3, 2].map { unwrapper.unwrap($0) } == [
        65533, 65534, 65536, 65535, 65537, 65539, 65538,
      ])
  }

  @Test func `a packet before the first one gets a number below zero`() {
    var sequenceNumbers = SequenceNumberUnwrapper()
    #expect([1, 65535, 0].map { sequenceNumbers.unwrap($0) } == [1, -1, 0])
    var timestamps = TimestampUnwrapper()
    #expect([0, UInt32.max - 959].map { timestamps.unwrap($0) } == [0, -960])
  }

  @Test func `timestamps go on over the wrap`() {
    var unwrapper = TimestampUnwrapper()
    #expect(
      [UInt32.max, 959, UInt32.max - 960].map { unwrapper.unwrap($0) } == [0xFFFF_FFFF, 0x1_0000_03BF, 0xFFFF_FC3F])
  }

  @Test func `any walk in steps below half the range is followed`() {
    var random = SeededRandom(seed: 2)
    var unwrapper = SequenceNumberUnwrapper()
    var position: Int64 = 30_000
    for _ in 0..<10_000 {
      #expect(unwrapper.unwrap(UInt16(truncatingIfNeeded: position)) == position)
      position += Int64.random(in: -32_768...32_767, using: &random)
    }
  }
}
