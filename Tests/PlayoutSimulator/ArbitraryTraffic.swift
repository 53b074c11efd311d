package import Playout
internal import TestSupport

/// What no sender sends and no network delivers: packets in any order, of any content, at any time, to a consumer that
/// pulls as it likes. The same for the same seed.
package struct ArbitraryTraffic {
  private var noise: SeededRandom
  private var now = ContinuousClock().systemEpoch
  private var sequenceNumber: UInt16 = 0
  private var timestamp: UInt32 = 0
  private var payload = [UInt8](repeating: 0, count: 1_600)
  private var block = [Float](repeating: 0, count: 5_760)

  /// Samples that were pulled, and those of them that were no numbers.
  package private(set) var pulled = 0
  package private(set) var notFinite = 0

  package init(seed: UInt64) { noise = SeededRandom(seed: seed) }

  /// Hands `count` packets to `buffer`.
  package mutating func send<Decoder: PlayoutDecoder & ~Copyable>(
    _ count: Int, to buffer: inout PlayoutBuffer<Decoder>
  ) {
    for _ in 0..<count {
      let choice = noise.next()
      disturb(choice, &buffer)
      let size = sizeOfPayload(choice >> 8)
      buffer.insert(
        ReceivedPacket(sequenceNumber: sequenceNumber, timestamp: timestamp, arrival: now),
        payload: payload.span.extracting(0..<size))
      sequenceNumber &+= 1
      timestamp &+= 960
      now += .milliseconds(20)
      if choice >> 40 % 8 == 0 { pull(choice >> 42, from: &buffer) }
    }
  }

  private mutating func disturb<Decoder: PlayoutDecoder & ~Copyable>(
    _ choice: UInt64, _ buffer: inout PlayoutBuffer<Decoder>
  ) {
    let amount = choice >> 20
    switch choice % 64 {
    case 0: sequenceNumber = UInt16(truncatingIfNeeded: amount)
    case 1: timestamp = UInt32(truncatingIfNeeded: amount)
    case 2: sequenceNumber &-= UInt16(truncatingIfNeeded: amount & 31)
    case 3: sequenceNumber &+= UInt16(truncatingIfNeeded: amount & 31)
    case 4: timestamp &+= UInt32(truncatingIfNeeded: amount & 0xfffff)
    case 5: now -= .milliseconds(Int64(amount & 1_023))
    case 6 where amount & 255 == 0: now += .seconds(Int64(amount >> 10 & 0xfffff))
    case 7 where amount & 63 == 0: buffer.restart()
    case 8: now += .milliseconds(Int64(amount & 255))
    default: break
    }
  }

  /// Mostly some bytes; at times none, or more than a packet may have.
  private mutating func sizeOfPayload(_ choice: UInt64) -> Int {
    let size =
      switch choice % 32 {
      case 0: 0
      case 1: 1 + Int(choice >> 5 & 1)
      case 2: Int(choice >> 5) % payload.count
      default: 3 + Int(choice >> 5 & 127)
      }
    for index in 0..<min(size, 8) { payload[index] = UInt8(truncatingIfNeeded: choice >> (UInt64(index) * 5)) }
    if size > 8 { payload[8 + Int(choice >> 13) % (size - 8)] = UInt8(truncatingIfNeeded: choice >> 3) }
    return size
  }

  private mutating func pull<Decoder: PlayoutDecoder & ~Copyable>(
    _ choice: UInt64, from buffer: inout PlayoutBuffer<Decoder>
  ) {
    // Taken out while it is filled: both are parts of one value.
    var block: [Float] = []
    swap(&block, &self.block)
    let count = choice % 16 == 0 ? Int(choice >> 4) % block.count : 480
    var whole = block.mutableSpan
    var part = whole._mutatingExtracting(0..<count)
    buffer.pull(into: &part, at: now)
    pulled += count
    for index in 0..<count where !block[index].isFinite { notFinite += 1 }
    swap(&block, &self.block)
  }
}

/// A codec as bad as the protocol allows: any length, any claim, failing as it likes, and not as long as it had said.
package struct ArbitraryDecoder: PlayoutDecoder {
  package init() {}

  package func duration(of packet: Span<UInt8>) -> Int? {
    packet.isEmpty || packet[0] == 255 ? nil : (Int(packet[0]) % 48 + 1) * 120
  }

  package func carriesRedundancy(_ packet: Span<UInt8>) -> Bool { packet[0] & 64 != 0 }
  package func announcesSilence(_ packet: Span<UInt8>) -> Bool { packet.count <= 2 }

  package mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int? {
    guard packet.count > 1, packet[1] & 15 != 0 else { return nil }
    let count = packet[1] & 48 != 0 ? duration(of: packet) ?? 120 : (Int(packet[1]) % 48 + 1) * 120
    for index in 0..<count { samples[index] = 0.01 }
    return count
  }

  package mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool {
    samples.update(repeating: 0.02)
    return packet.count > 2 && packet[2] & 3 != 0
  }

  package mutating func conceal(into samples: inout MutableSpan<Float>) { samples.update(repeating: -0.01) }
  package mutating func reset() {}
}
