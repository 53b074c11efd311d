import Audio
import OpusCodec
import Playout
import PlayoutSimulator
import TestSupport
import Testing

/// Senders that send next to nothing in pauses (discontinuous transmission), with the real codec.
@Suite struct DiscontinuousTests {
  /// Three seconds of speech, four of a soft background, and so on: as packets, of which those that only repeat that there
  /// is nothing are not sent. The sequence numbers know nothing of them, the timestamps do.
  func packets(announces: Bool) throws -> [SentPacket] {
    var configuration = OpusEncoder.Configuration()
    configuration.discontinuous = true
    var encoder = try OpusEncoder(configuration)
    var signal = SpeechLikeSignal(voice: .tenor)
    var noise = SeededRandom(seed: 3)
    var block = [Float](repeating: 0, count: 960)
    var bytes = [UInt8](repeating: 0, count: OpusEncoder.maximumPacketSize)
    var packets: [SentPacket] = []
    var isPausing = false
    for index in 0..<1_400 {
      if index % 350 < 150 {
        var span = block.mutableSpan
        signal.render(into: &span)
      } else {
        for sample in block.indices { block[sample] = Float(noise.uniform() - 0.5) * 0.000_5 }
      }
      var room = bytes.mutableSpan
      let size = try encoder.encode(block.span, into: &room)
      defer { isPausing = size <= 2 }
      if size <= 2, isPausing || !announces { continue }
      packets.append(
        SentPacket(
          sequenceNumber: UInt16(truncatingIfNeeded: 65_500 + packets.count), timestamp: UInt32(index * 960),
          payload: Array(bytes[..<size]), arrival: Double(index) * 0.02 + Network.leastDelay))
    }
    return packets
  }

  @Test(arguments: [true, false])
  func `pauses that are not sent cost nothing, and what follows is as late as what was before`(announces: Bool) throws {
    var simulation = Simulation([], through: .clean)
    simulation.packets = try packets(announces: announces)
    simulation.length = 27
    #expect(simulation.packets.count < 1_000)
    let result = simulation.run(try OpusDecoder())
    #expect(result.statistics.concealedSamples == 0)
    #expect(result.statistics.packetsLost == 0 && result.statistics.packetsDiscarded == 0)
    #expect(result.statistics.targetDelay < .milliseconds(20))
    let delay = result.statistics.jitterBufferDelay / result.statistics.jitterBufferEmittedCount
    #expect(delay < .milliseconds(35))
    var detector = ClickDetector()
    detector.process(result.samples.span)
    #expect(detector.clicks.isEmpty)
  }
}
