internal import Playout

/// A codec whose sound is its own position: packet n decodes to n × 960, n × 960 + 1, … over 2²⁴, so that a delay can be
/// read from each sample. What is concealed is −1, what is restored counts like what was sent, silence is 0.
package struct PositionDecoder: PlayoutDecoder {
  package static let scale: Float = 1 / Float(1 << 24)

  package init() {}

  package static func payloads(_ count: Int) -> [[UInt8]] {
    (1...count).map {
      [UInt8(truncatingIfNeeded: $0 >> 16), UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
    }
  }

  private func index(_ packet: Span<UInt8>) -> Int {
    Int(packet[0]) << 16 | Int(packet[1]) << 8 | Int(packet[2])
  }

  package func duration(of packet: Span<UInt8>) -> Int? { packet.count == 3 ? 960 : nil }
  package func carriesRedundancy(_ packet: Span<UInt8>) -> Bool { true }
  package func announcesSilence(_ packet: Span<UInt8>) -> Bool { false }

  package mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int? {
    let start = index(packet) * 960
    for offset in 0..<960 { samples[offset] = Float(start + offset) * Self.scale }
    return 960
  }

  package mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool {
    let start = index(packet) * 960 - samples.count
    for offset in samples.indices { samples[offset] = Float(start + offset) * Self.scale }
    return true
  }

  package mutating func conceal(into samples: inout MutableSpan<Float>) { samples.update(repeating: -1) }
  package mutating func reset() {}
}

extension Simulation.Result {
  /// The mean delay in milliseconds, in a range of seconds, from a packet's departure until its sound is played.
  package func meanDelay(_ range: Range<Double>) -> Double {
    let delays = delays(range)
    return delays.reduce(0, +) / Double(max(delays.count, 1))
  }

  /// The delay in milliseconds of one sample in 48 in a range of seconds; what was made up has none.
  package func delays(_ range: Range<Double>) -> [Double] {
    stride(from: Int(range.lowerBound * 48_000), to: min(samples.count, Int(range.upperBound * 48_000)), by: 48)
      .compactMap { index in
        guard samples[index] > 0 else { return nil }
        let sent = Double(samples[index] / PositionDecoder.scale) - 960
        return (Double(index) / (1 + drift / 1_000_000) - sent) / 48
      }
  }

  /// How many of the packets sent between two times, in seconds, were not heard, not even in part.
  package func unheardPackets(_ range: Range<Double>) -> Int {
    let packets = Int(range.lowerBound * 50)..<Int(range.upperBound * 50)
    var heard = [Bool](repeating: false, count: packets.upperBound)
    for sample in samples where sample > 0 {
      let packet = Int(sample / PositionDecoder.scale) / 960 - 1
      if packets.contains(packet) { heard[packet] = true }
    }
    return packets.count { !heard[$0] }
  }

  /// How many milliseconds of what was sent were left out of what was heard, by jumps longer than any pitch period.
  package var skipped: Double {
    var newest: Float = 0
    var sum = 0
    for sample in samples where sample > 0 {
      let step = Int((sample - newest) / PositionDecoder.scale)
      if newest > 0, step > 960 { sum += step - 1 }
      newest = max(newest, sample)
    }
    return Double(sum) / 48
  }
}
