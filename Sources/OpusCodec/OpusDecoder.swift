internal import Audio
internal import COpus
public import Playout

/// Decodes Opus (RFC 6716), mono or stereo of any bandwidth, to mono 48 kHz.
///
/// Where libopus has a neural network for concealment (1.5 and later) it is switched on.
public struct OpusDecoder: ~Copyable, PlayoutDecoder, @unchecked Sendable {
  // Sound as Sendable: `decoder` is reached through this value alone, which cannot be copied.
  private let decoder: OpaquePointer

  public init() throws(OpusError) {
    var status: Int32 = OPUS_OK
    guard let decoder = opus_decoder_create(Int32(PCM.sampleRate), 1, &status) else {
      throw OpusError(operation: "create a decoder", code: status)
    }
    self.decoder = decoder
    if OpusLibrary.hasDeepConcealment {
      // From this complexity on the network is used; it changes nothing else in decoding.
      _ = COpus_decoder_set(decoder, OPUS_SET_COMPLEXITY_REQUEST, 5)
    }
  }

  deinit { opus_decoder_destroy(decoder) }

  public func duration(of packet: Span<UInt8>) -> Int? {
    OpusPacket(packet)?.duration
  }

  public func carriesRedundancy(_ packet: Span<UInt8>) -> Bool {
    OpusPacket(packet)?.carriesRedundancy ?? false
  }

  public func announcesSilence(_ packet: Span<UInt8>) -> Bool {
    packet.count <= 2
  }

  public mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int? {
    guard !packet.isEmpty else { return nil }
    let count = run(packet, into: &samples, count: samples.count, redundancy: 0)
    return count > 0 ? Int(count) : nil
  }

  public mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool {
    guard !packet.isEmpty else { return false }
    return run(packet, into: &samples, count: samples.count, redundancy: 1) == Int32(samples.count)
  }

  public mutating func conceal(into samples: inout MutableSpan<Float>) {
    let decoder = self.decoder
    let count = samples.count
    guard count > 0 else { return }
    let done = samples.withUnsafeMutableBufferPointer { samples in
      opus_decode_float(decoder, nil, 0, samples.baseAddress!, Int32(count), 0)
    }
    if done != Int32(count) { samples.update(repeating: 0) }
  }

  public mutating func reset() {
    _ = COpus_decoder_reset(decoder)
  }

  private func run(
    _ packet: Span<UInt8>, into samples: inout MutableSpan<Float>, count: Int, redundancy: Int32
  ) -> Int32 {
    let decoder = self.decoder
    guard count > 0 else { return 0 }
    let size = Int32(clamping: packet.count)
    return packet.withUnsafeBufferPointer { packet in
      samples.withUnsafeMutableBufferPointer { samples in
        opus_decode_float(decoder, packet.baseAddress, size, samples.baseAddress!, Int32(count), redundancy)
      }
    }
  }
}
