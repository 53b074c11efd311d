internal import TestSupport

/// Something that networks, senders and clocks do, to be tested and plotted.
package struct Scenario: Sendable, CustomStringConvertible {
  package var name: String
  /// How long it lasts.
  package var seconds: Int
  package var network: @Sendable () -> Network
  /// By how much the consumer's clock is fast, in parts per million.
  package var drift: Double
  /// What the sender does beside sending a packet every 20 ms.
  package var alter: @Sendable (inout [SentPacket]) -> Void

  package init(
    _ name: String, seconds: Int = 40, drift: Double = 0, _ network: @escaping @Sendable () -> Network = { .clean },
    alter: @escaping @Sendable (inout [SentPacket]) -> Void = { _ in }
  ) {
    self.name = name
    self.seconds = seconds
    self.network = network
    self.drift = drift
    self.alter = alter
  }

  /// A sender that does something of its own on a clean network.
  private init(sender name: String, alter: @escaping @Sendable (inout [SentPacket]) -> Void) {
    self.init(name, seconds: 20, { .clean }, alter: alter)
  }

  package var description: String { name }

  /// The simulation of it with packets of these contents, at most as many as it lasts.
  package func simulation(_ payloads: some Collection<[UInt8]>) -> Simulation {
    var simulation = Simulation(payloads.prefix(seconds * 50), through: network())
    simulation.drift = drift
    alter(&simulation.packets)
    return simulation
  }
}

extension Scenario {
  /// What the network does.
  package static let networks: [Scenario] = [
    Scenario("clean"),
    Scenario("random loss of 2 %") { .jitter(0, loss: 0.02) },
    Scenario("random loss of 5 %") { .jitter(0, loss: 0.05) },
    Scenario("random loss of 10 %") { .jitter(0, loss: 0.1) },
    Scenario("bursts of 4, 5 %") { .bursts(0.05, length: 4) },
    Scenario("bursts of 4, 10 %") { .bursts(0.1, length: 4) },
    Scenario("jitter of 30 ms") { .jitter(30) },
    Scenario("jitter of 80 ms") { .jitter(80) },
    Scenario("jitter of 30 ms, loss of 5 %") { .jitter(30, loss: 0.05) },
    Scenario("jitter of 80 ms, bursts of 4, 5 %") { .bursts(0.05, length: 4, jitter: 80) },
    Scenario("spikes of 60 ms", seconds: 41) { .spikes(every: 4, 60) },
    Scenario("spikes of 200 ms", seconds: 41) { .spikes(every: 8, 200) },
    Scenario("route 150 ms longer, then back", seconds: 50) { .step(0.15, from: 10, to: 25) },
    Scenario("route 150 ms longer, then back, with jitter of 20 ms", seconds: 50) {
      .step(0.15, from: 10, to: 25).followed(by: .jitter(20))
    },
    Scenario("outage of 2 s, lost") { .outage(from: 10, to: 12, isLost: true) },
    Scenario("outage of 2 s, held back") { .outage(from: 10, to: 12, isLost: false) },
    Scenario("losses that end") {
      var noise = SeededRandom(seed: 4)
      return Network { _, sent in sent < 10 && noise.uniform() < 0.1 ? nil : Network.leastDelay }
    },
    Scenario("clock 200 ppm fast", seconds: 120, drift: 200),
    Scenario("clock 200 ppm slow", seconds: 120, drift: -200),
    Scenario("clock 200 ppm fast, jitter of 30 ms, loss of 5 %", seconds: 120, drift: 200) { .jitter(30, loss: 0.05) },
  ]

  /// What the sender does, at 10 s.
  package static let senders: [Scenario] = [
    Scenario(sender: "new stream") { packets in
      packets[500].beginsStream = true
      for index in 500..<packets.count {
        packets[index].sequenceNumber &+= 17_171
        packets[index].timestamp &+= 0x7123_4567
      }
    },
    Scenario(sender: "sequence and timestamp jump") { packets in
      for index in 500..<packets.count {
        packets[index].sequenceNumber &+= 20_000
        packets[index].timestamp &-= 0x1234_5678
      }
    },
    Scenario(sender: "timestamp jumps by an hour") { packets in
      for index in 500..<packets.count { packets[index].timestamp &+= 172_800_000 }
    },
    Scenario(sender: "timestamp jumps back by a minute") { packets in
      for index in 500..<packets.count { packets[index].timestamp &-= 2_880_000 }
    },
    Scenario(sender: "sender's clock steps by 5 s") { packets in
      for index in 500..<packets.count { packets[index].timestamp &+= 240_000 }
    },
    Scenario(sender: "sender's clock steps back by 100 ms") { packets in
      for index in 500..<packets.count { packets[index].timestamp &-= 4_800 }
    },
    Scenario(sender: "pause of 5 s") { packets in
      for index in 500..<packets.count {
        packets[index].timestamp &+= 240_000
        packets[index].arrival = packets[index].arrival.map { $0 + 5 }
      }
    },
    Scenario(sender: "every packet twice") { packets in
      packets += packets.map { packet in
        var copy = packet
        copy.arrival = packet.arrival.map { $0 + 0.013 }
        return copy
      }
    },
    Scenario(sender: "every fiftieth packet a second late") { packets in
      for index in stride(from: 49, to: packets.count, by: 50) {
        packets[index].arrival = packets[index].arrival.map { $0 + 1 }
      }
    },
    Scenario(sender: "sequence and timestamp wrap") { packets in
      for index in packets.indices {
        packets[index].sequenceNumber = UInt16(truncatingIfNeeded: 65_036 + index)
        packets[index].timestamp = UInt32(truncatingIfNeeded: 0xffff_ffff - 480_000 + index * 960)
      }
    },
  ]
}
