internal import Playout

/// A codec that changes nothing: a packet names 20 ms of a sound that both ends have. What is lost is silence.
package struct PCMDecoder: PlayoutDecoder {
  private let sound: [Float]

  package init(_ sound: [Float]) { self.sound = sound }

  /// A packet for each whole 20 ms of `sound`.
  package static func payloads(_ sound: [Float]) -> [[UInt8]] {
    (0..<(sound.count / 960)).map { index in (0..<4).map { UInt8(truncatingIfNeeded: index >> (8 * $0)) } }
  }

  package func duration(of packet: Span<UInt8>) -> Int? { packet.count == 4 ? 960 : nil }
  package func carriesRedundancy(_ packet: Span<UInt8>) -> Bool { false }
  package func announcesSilence(_ packet: Span<UInt8>) -> Bool { false }

  package mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int? {
    let index = (0..<4).reduce(0) { $0 | Int(packet[$1]) << (8 * $1) }
    guard (index + 1) * 960 <= sound.count else { return nil }
    for offset in 0..<960 { samples[offset] = sound[index * 960 + offset] }
    return 960
  }

  package mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool {
    false
  }
  package mutating func conceal(into samples: inout MutableSpan<Float>) { samples.update(repeating: 0) }
  package mutating func reset() {}
}
