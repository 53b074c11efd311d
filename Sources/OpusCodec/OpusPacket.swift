internal import COpus

/// What can be told of an Opus packet without decoding it (RFC 6716 §3).
struct OpusPacket {
  /// Samples at 48 kHz in the whole packet: 120 to 5760.
  let duration: Int
  /// Whether its first frame holds a copy of the frame before (LBRR, RFC 6716 §4.2.4).
  let carriesRedundancy: Bool

  /// Nil when the bytes are no Opus packet.
  init?(_ packet: Span<UInt8>) {
    guard !packet.isEmpty, packet.count <= 65_536 else { return nil }
    var sizes = InlineArray<48, Int16>(repeating: 0)
    var payloadOffset: Int32 = 0
    let size = Int32(packet.count)
    var sizesSpan = sizes.mutableSpan
    let frameCount = packet.withUnsafeBufferPointer { packet in
      sizesSpan.withUnsafeMutableBufferPointer { sizes in
        opus_packet_parse(packet.baseAddress!, size, nil, nil, sizes.baseAddress!, &payloadOffset)
      }
    }
    let frame = packet.withUnsafeBufferPointer { opus_packet_get_samples_per_frame($0.baseAddress!, 48_000) }
    guard frameCount > 0, frame > 0, frameCount * frame <= 5_760 else { return nil }
    duration = Int(frameCount * frame)

    // Configurations 16 to 31 are CELT alone, which has no such copies (§3.1).
    guard packet[0] >> 3 < 16, sizes[0] > 0, Int(payloadOffset) < packet.count else {
      carriesRedundancy = false
      return
    }
    // The header bits of SILK are the first of the range coder, so they can be read as they stand (§4.2.3): for each
    // channel an activity flag per 20 ms, then the flag we look for.
    let header = packet[Int(payloadOffset)]
    let silkFrames = max(1, Int(frame) / 960)
    let isStereo = packet[0] & 4 != 0
    let mid = header >> (7 - silkFrames) & 1 == 1
    let side = isStereo && header >> (6 - 2 * silkFrames) & 1 == 1
    carriesRedundancy = mid || side
  }
}
