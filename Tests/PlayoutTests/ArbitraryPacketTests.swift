import OpusCodec
import Playout
import Testing

/// Whatever comes from the network, playout gives what is asked and does not trap.
@Suite struct ArbitraryPacketTests {
  @Test(arguments: [PlayoutConfiguration.lowDelay, .patient, .recording])
  func `a million arbitrary packets do no harm`(configuration: PlayoutConfiguration) {
    var buffer = PlayoutBuffer(decoder: PositionDecoder(), configuration: configuration)
    var noise = Noise(UInt64(configuration.memory))
    var block = [Float](repeating: 0, count: 480)
    var now = ContinuousClock().systemEpoch
    var sequenceNumber: UInt16 = 0
    var timestamp: UInt32 = 0
    let payload: [UInt8] = [0, 1, 2]
    for _ in 0..<340_000 {
      let choice = noise.next()
      switch choice % 64 {
      case 0: sequenceNumber = UInt16(truncatingIfNeeded: choice >> 20)
      case 1: timestamp = UInt32(truncatingIfNeeded: choice >> 20)
      case 2: sequenceNumber &-= UInt16(truncatingIfNeeded: choice >> 20 & 31)
      case 3: sequenceNumber &+= UInt16(truncatingIfNeeded: choice >> 20 & 31)
      case 4: timestamp &+= UInt32(truncatingIfNeeded: choice >> 20 & 0xfffff)
      case 5: now -= .milliseconds(Int64(choice >> 20 & 1_023))
      case 6 where choice >> 32 & 255 == 0: now += .seconds(Int64(choice >> 40 & 0xfffff))
      case 7: buffer.restart()
      default: break
      }
      buffer.insert(
        ReceivedPacket(sequenceNumber: sequenceNumber, timestamp: timestamp, arrival: now),
        payload: payload.span.extracting(0..<(choice >> 12 % 16 == 0 ? 2 : 3)))
      sequenceNumber &+= 1
      timestamp &+= 960
      now += .milliseconds(20)
      if choice >> 16 % 16 == 0 {
        var span = block.mutableSpan
        buffer.pull(into: &span, at: now)
      }
    }
    #expect(buffer.statistics.packetsReceived == 340_000)
  }

  @Test func `damaged Opus gives finite sound`() throws {
    var buffer = PlayoutBuffer(decoder: try OpusDecoder())
    var noise = Noise(11)
    var block = [Float](repeating: 0, count: 960)
    var now = ContinuousClock().systemEpoch
    for number in 0..<3_000 {
      let payload = (0..<(Int(noise.next() % 80))).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
      buffer.insert(
        ReceivedPacket(
          sequenceNumber: UInt16(truncatingIfNeeded: number), timestamp: UInt32(number * 960), arrival: now),
        payload: payload.span)
      now += .milliseconds(20)
      var span = block.mutableSpan
      buffer.pull(into: &span, at: now)
      #expect(block.allSatisfy { $0.isFinite })
    }
    #expect(buffer.statistics.packetsDiscarded > 0)
  }
}
