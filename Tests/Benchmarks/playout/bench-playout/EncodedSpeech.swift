import OpusCodec
import PlayoutSimulator

enum EncodedSpeech {
  /// Opus packets of 20 ms, encoded as for a call in which packets are lost.
  static func packets(of sound: [Float]) throws -> [[UInt8]] {
    var configuration = OpusEncoder.Configuration()
    configuration.expectedLoss = 10
    var encoder = try OpusEncoder(configuration)
    var packet = [UInt8](repeating: 0, count: OpusEncoder.maximumPacketSize)
    return try (0..<(sound.count / 960)).map { index in
      var room = packet.mutableSpan
      let size = try encoder.encode(sound.span.extracting((index * 960)..<(index * 960 + 960)), into: &room)
      return Array(packet[..<size])
    }
  }

  /// The best that can be made of what arrives of these packets, however late: what libopus alone does.
  static func bestOf(_ packets: [SentPacket]) throws -> [Float] {
    var decoder = try OpusDecoder()
    var sound: [Float] = []
    var block = [Float](repeating: 0, count: 5_760)
    for (index, packet) in packets.enumerated() {
      var room = block.mutableSpan
      if packet.arrival != nil {
        _ = decoder.decode(packet.payload.span, into: &room)
      } else {
        var missing = room._mutatingExtracting(0..<960)
        let next = index + 1 < packets.count ? packets[index + 1] : nil
        if next?.arrival == nil || !decoder.decodeRedundancy(of: next!.payload.span, into: &missing) {
          decoder.conceal(into: &missing)
        }
      }
      sound += block[..<960]
    }
    return sound
  }
}
