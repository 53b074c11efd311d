import OpusCodec
import Playout
import PlayoutSimulator
import Testing

/// Whatever comes from the network, playout gives what is asked and does not trap. `bench-playout fuzz` does the same with
/// a hundred million packets.
@Suite struct ArbitraryPacketTests {
  /// Another one in every run; what failed is found again by what the test prints.
  static let seed = UInt64.random(in: 0...0xffff_ffff)

  @Test(arguments: [PlayoutConfiguration.lowDelay, .patient, .recording])
  func `arbitrary packets do no harm`(configuration: PlayoutConfiguration) {
    print("arbitrary packets, seed \(Self.seed)")
    var buffer = PlayoutBuffer(decoder: ArbitraryDecoder(), configuration: configuration)
    var traffic = ArbitraryTraffic(seed: Self.seed)
    traffic.send(34_000, to: &buffer)
    #expect(buffer.statistics.packetsReceived == 34_000)
    #expect(traffic.notFinite == 0)
  }

  @Test func `damaged Opus gives finite sound`() throws {
    print("damaged Opus, seed \(Self.seed)")
    var buffer = PlayoutBuffer(decoder: try OpusDecoder())
    var traffic = ArbitraryTraffic(seed: Self.seed)
    traffic.send(3_000, to: &buffer)
    #expect(traffic.notFinite == 0)
    #expect(buffer.statistics.packetsDiscarded > 0)
  }
}
