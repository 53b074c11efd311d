import Audio
import Playout
import PlayoutSimulator
import TestSupport
import Testing

/// The receive path against simulated networks, with a codec whose sound tells its own position. The network's least
/// delay is 20 ms and a pull takes 10 ms, so 30 ms is the least that a delay can be.
@Suite struct PlayoutBufferTests {
  func run(
    _ network: Network, seconds: Int = 40, _ configuration: PlayoutConfiguration = .lowDelay, drift: Double = 0,
    pullSize: Int = 480
  ) -> Simulation.Result {
    var simulation = Simulation(
      PositionDecoder.payloads(seconds * 50), through: network, configuration: configuration)
    simulation.drift = drift
    simulation.pullSize = pullSize
    return simulation.run(PositionDecoder())
  }

  @Test(arguments: [1, 7, 240, 441, 480, 960, 5_000])
  func `on a clean network every sample is played, at low delay, whatever a pull asks for`(pullSize: Int) {
    let result = run(.clean, seconds: 8, pullSize: pullSize)
    #expect(result.statistics.concealedSamples == 0)
    #expect(result.statistics.packetsDiscarded == 0)
    #expect(result.statistics.totalSamplesReceived == result.samples.count)
    #expect(result.meanDelay(3..<8) < 20 + 10 + Double(pullSize) / 48 + 10)
    #expect(result.samples.suffix(9_600).allSatisfy { $0 > 0 })
  }

  @Test func `low delay is below 35 ms`() {
    #expect(run(.clean).meanDelay(5..<40) - 20 < 35)
  }

  @Test(arguments: [0.02, 0.05, 0.1])
  func `lost packets are restored from copies, and nothing else is made up`(loss: Double) {
    let result = run(.jitter(0, loss: loss))
    let statistics = result.statistics
    #expect(statistics.packetsLost > 20)
    #expect(statistics.fecPacketsUsed > statistics.packetsLost * 8 / 10)
    // What was lost was either restored or concealed; the first losses may cost twice, while the delay grows.
    let unrestored = statistics.packetsLost - statistics.fecPacketsUsed
    #expect(statistics.concealedSamples <= (unrestored + 2) * 960)
    #expect(result.meanDelay(10..<40) - 20 < 45)
  }

  @Test func `patience restores all that can be restored`() {
    var previousLost = false
    var restorable = 0
    var noise = SeededRandom(seed: 9)
    let network = Network { _, _ in
      let isLost = noise.uniform() < 0.1
      if previousLost && !isLost { restorable += 1 }
      previousLost = isLost
      return isLost ? nil : 0.02
    }
    let result = run(network, .patient)
    #expect(result.statistics.fecPacketsUsed >= restorable - 1)
    #expect(result.meanDelay(5..<40) - 20 < 70)
  }

  @Test(arguments: [(30.0, 60.0), (80.0, 105.0)])
  func `jitter is absorbed by no more delay than it needs`(jitter: Double, bound: Double) {
    let result = run(.jitter(jitter))
    #expect(result.statistics.concealedSamples < 960 * 4)
    #expect(result.meanDelay(10..<40) - 20 < bound)
  }

  @Test func `bursts and jitter together stay bounded and conceal the lost alone`() {
    let result = run(.bursts(0.05, length: 4, jitter: 80))
    let statistics = result.statistics
    #expect(statistics.concealedSamples < (statistics.packetsLost + 5) * 960)
    #expect(result.meanDelay(10..<40) - 20 < 131)
  }

  @Test(arguments: [-200.0, 200])
  func `a clock that runs differently neither empties nor fills the buffer`(drift: Double) {
    let result = run(.clean, seconds: 120, drift: drift)
    #expect(result.statistics.concealedSamples == 0)
    for minute in [60.0, 90, 119] { #expect(abs(result.meanDelay((minute - 1)..<minute) - 37) < 10) }
    // 200 ppm of 120 s are 24 ms.
    let cut =
      result.statistics.removedSamplesForAcceleration - result.statistics.insertedSamplesForDeceleration
    #expect(abs(Double(cut) / 48 + drift * 0.12) < 20)
  }

  @Test func `a step up in delay costs no more than itself, and a step down nothing`() {
    let result = run(.step(0.15, from: 10, to: 25))
    #expect(result.statistics.concealedSamples <= 48 * 175)
    #expect(result.statistics.packetsDiscarded == 0)
    #expect(result.meanDelay(15..<24) < 200)
    #expect(result.meanDelay(35..<40) < 45)
    // Every packet was heard.
    #expect(result.statistics.packetsLost == 0)
  }

  @Test func `a great change of the delay is soon made, to its end`() {
    var simulation = Simulation(PositionDecoder.payloads(750), through: .clean)
    simulation.minimumDelay = { (5..<10).contains($0) ? .milliseconds(120) : .milliseconds(20) }
    let result = simulation.run(PositionDecoder())
    let (low, high) = (result.meanDelay(4..<5), result.meanDelay(9..<10))
    #expect(high - low > 90)
    #expect(abs(result.meanDelay(6..<7) - high) < 10)
    #expect(abs(result.meanDelay(11..<12) - low) < 10)
  }

  @Test func `after losses the delay comes down again within ten seconds`() {
    let result = run(Network { index, sent in sent < 10 && index % 20 == 0 ? nil : 0.02 })
    #expect(result.meanDelay(8..<10) > 48)
    #expect(result.meanDelay(20..<40) < 45)
  }

  @Test func `losses that come every eight seconds are awaited all the time`() {
    let result = run(Network { index, _ in index % 420 < 2 ? nil : 0.02 })
    let settled = result.history[1_500]
    #expect(result.statistics.insertedSamplesForDeceleration == settled.insertedSamplesForDeceleration)
    #expect(result.statistics.removedSamplesForAcceleration == settled.removedSamplesForAcceleration)
    // Of each two packets lost the copy restores one.
    #expect(result.statistics.fecPacketsUsed - settled.fecPacketsUsed >= 3)
  }

  @Test(arguments: [true, false])
  func `after an outage of two seconds the delay is back within three`(isLost: Bool) {
    let result = run(Network { _, sent in (10..<12).contains(sent) ? (isLost ? nil : 12.02 - sent) : 0.02 })
    #expect(result.meanDelay(15..<40) < 45)
    #expect(result.samples[(48_000 * 11)..<(48_000 * 12)].allSatisfy { $0 == 0 })
  }

  @Test func `a sender that pauses is not lost, and resumes cleanly`() {
    var simulation = Simulation(PositionDecoder.payloads(1_000), through: .clean)
    for index in 500..<1_000 {
      // The sequence goes on, the clock went on too: 5 s of nothing.
      simulation.packets[index].timestamp &+= 240_000
      simulation.packets[index].arrival! += 5
    }
    simulation.length = 25
    let result = simulation.run(PositionDecoder())
    #expect(result.statistics.concealedSamples == 0)
    #expect(result.statistics.packetsLost == 0)
    #expect(result.samples[(48_000 * 11)..<(48_000 * 14)].allSatisfy { $0 == 0 })
    #expect(result.samples[(48_000 * 16)..<(48_000 * 24)].allSatisfy { $0 > 0 })
  }

  @Test func `late, duplicate and reordered packets are taken for what they are`() {
    var simulation = Simulation(PositionDecoder.payloads(500), through: .jitter(15))
    simulation.packets += simulation.packets[100..<150]
    for index in stride(from: 200, to: 400, by: 50) { simulation.packets[index].arrival! += 0.5 }
    simulation.length = 10
    let result = simulation.run(PositionDecoder())
    #expect(result.statistics.packetsDuplicated == 50)
    #expect(result.statistics.packetsDiscarded == 4)
    #expect(result.statistics.packetsLost <= 2)
  }

  @Test(arguments: [PlayoutConfiguration.lowDelay, .patient])
  func `stragglers neither raise the delay nor are heard twice`(configuration: PlayoutConfiguration) {
    let straggle = { (lateness: Double) in
      Network { index, _ in 0.02 + (index % 100 == 99 ? lateness : 0) }
    }
    for lateness in [0.012, 0.025, 0.06, 0.1] {
      let result = run(straggle(lateness), seconds: 30, configuration)
      #expect(result.meanDelay(25..<30) < result.meanDelay(1..<1.9) + 30)
      #expect(result.statistics.concealedSamples <= 20 * 960)
      // A sound heard twice would show as a step back of its position, which else goes on by one a sample. Where one sound
      // fades into another, or out of what was made up, no position can be read.
      let heard = zip(result.samples, result.samples.dropFirst()).filter {
        $0 > 0 && abs($1 - $0 - PositionDecoder.scale) < PositionDecoder.scale / 2
      }.map(\.0)
      let steps = zip(heard, heard.dropFirst()).filter { $1 - $0 < -700 * PositionDecoder.scale }
      #expect(steps.isEmpty)
    }
  }

  @Test func `a recording of a clean network is the sender's sound bit for bit, as long as the clock says`() {
    let result = run(.jitter(60), seconds: 60, .recording, pullSize: 960)
    let statistics = result.statistics
    #expect(statistics.concealedSamples == 0)
    #expect(statistics.removedSamplesForAcceleration == 0 && statistics.insertedSamplesForDeceleration == 0)
    #expect(result.samples.count == 60 * 48_000)
    let start = result.samples.firstIndex { $0 > 0 }!
    #expect(result.samples[start...].enumerated().allSatisfy { $1 == Float(960 + $0) * PositionDecoder.scale })
  }

  @Test func `a recording waits for packets that are late by most of a second`() {
    let result = run(Network { _, sent in (10..<10.6).contains(sent) ? 10.62 - sent : 0.02 }, .recording)
    #expect(result.statistics.packetsDiscarded == 0)
    #expect(result.statistics.packetsLost == 0)
  }

  @Test func `another stream can begin at any time`() {
    var buffer = PlayoutBuffer(decoder: PositionDecoder())
    let origin = ContinuousClock().systemEpoch
    var block = [Float](repeating: 0, count: 480)
    var heard = 0
    for tick in 0..<600 {
      let now = origin + .milliseconds(10 * tick)
      if tick == 300 { buffer.restart() }
      if tick % 2 == 0 {
        let number = tick < 300 ? 60_000 + tick / 2 : 5 + tick / 2
        buffer.insert(
          ReceivedPacket(
            sequenceNumber: UInt16(truncatingIfNeeded: number), timestamp: UInt32(truncatingIfNeeded: number * 77_777),
            arrival: now), payload: [0, 1, UInt8(truncatingIfNeeded: tick / 2)].span)
      }
      var span = block.mutableSpan
      buffer.pull(into: &span, at: now)
      heard += block.filter { $0 > 0 }.count
    }
    #expect(buffer.statistics.packetsLost == 0)
    #expect(heard > 480 * 500)
  }

  @Test func `the same packets give the same sound`() {
    let network = { Network.bursts(0.05, length: 4, jitter: 60, seed: 5) }
    let first = run(network(), seconds: 20)
    let second = run(network(), seconds: 20)
    #expect(first.samples == second.samples)
    #expect(first.history == second.history)
  }

  @Test func `statistics agree with each other`() {
    let result = run(.jitter(30, loss: 0.05))
    let statistics = result.statistics
    let meanBuffered = statistics.jitterBufferDelay / statistics.jitterBufferEmittedCount
    #expect(meanBuffered > .milliseconds(20) && meanBuffered < .milliseconds(70))
    let meanTarget = statistics.jitterBufferTargetDelay / statistics.jitterBufferEmittedCount
    #expect(meanTarget > .milliseconds(30) && meanTarget < .milliseconds(80))
    for (before, after) in zip(result.history, result.history.dropFirst()) {
      #expect(after.concealedSamples >= before.concealedSamples && after.packetsDiscarded >= before.packetsDiscarded)
    }
  }
}
