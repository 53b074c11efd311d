import Audio
import Playout

/// Numbers that look random and are the same on every run (SplitMix64).
struct Noise {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// From 0 to 1.
  mutating func uniform() -> Double { Double(next() >> 11) / Double(1 << 53) }
}

/// A packet on its way: what the sender said, and when it arrived.
struct SentPacket {
  var sequenceNumber: UInt16
  var timestamp: UInt32
  var payload: [UInt8]
  /// Seconds since the beginning; nil if it never arrives.
  var arrival: Double?
}

/// What a network does to packets: the delay of each in seconds, or nil for a loss.
struct Network {
  var delay: (_ index: Int, _ sent: Double) -> Double?

  static var clean: Network { Network { _, _ in 0.02 } }

  static func jitter(_ milliseconds: Double, loss: Double = 0, seed: UInt64 = 1) -> Network {
    var noise = Noise(seed)
    return Network { _, _ in
      let delay = 0.02 + noise.uniform() * milliseconds / 1_000
      return noise.uniform() < loss ? nil : delay
    }
  }

  /// Losses in bursts of a mean length (Gilbert–Elliott), with uniform jitter.
  static func bursts(_ loss: Double, length: Double, jitter: Double = 0, seed: UInt64 = 1) -> Network {
    var noise = Noise(seed)
    var isBad = false
    return Network { _, _ in
      isBad = isBad ? noise.uniform() > 1 / length : noise.uniform() < loss / (1 - loss) / length
      let delay = 0.02 + noise.uniform() * jitter / 1_000
      return isBad ? nil : delay
    }
  }

  /// A way that changes: `step` seconds more between two times.
  static func step(_ step: Double, from start: Double, to end: Double) -> Network {
    Network { _, sent in 0.02 + (sent >= start && sent < end ? step : 0) }
  }
}

/// Sends packets through a network to a playout buffer and pulls them out again, faster than real time.
struct Simulation {
  var packets: [SentPacket]
  /// Samples a pull.
  var pullSize = 480
  /// By how much the consumer's clock is fast, in parts per million.
  var drift = 0.0
  var configuration = PlayoutConfiguration.lowDelay
  /// Seconds to simulate.
  var length: Double

  /// 20 ms packets with these payloads, through `network`.
  init(_ payloads: [[UInt8]], through network: Network, configuration: PlayoutConfiguration = .lowDelay) {
    packets = payloads.indices.map { index in
      let sent = Double(index) * 0.02
      return SentPacket(
        sequenceNumber: UInt16(truncatingIfNeeded: 65_000 + index),
        timestamp: 0xffff_0000 &+ UInt32(truncatingIfNeeded: index * 960), payload: payloads[index],
        arrival: network.delay(index, sent).map { sent + $0 })
    }
    length = Double(payloads.count) * 0.02
    self.configuration = configuration
  }

  struct Result {
    var samples: [Float] = []
    var drift = 0.0
    var statistics = PlayoutStatistics()
    /// After each pull.
    var history: [PlayoutStatistics] = []
  }

  func run<Decoder: PlayoutDecoder & ~Copyable>(_ decoder: consuming Decoder) -> Result {
    var buffer = PlayoutBuffer(decoder: decoder, configuration: configuration)
    let origin = ContinuousClock().systemEpoch
    let arrivals = packets.indices.filter { packets[$0].arrival != nil }
      .sorted { (packets[$0].arrival!, $0) < (packets[$1].arrival!, $1) }
    var next = 0
    var result = Result(drift: drift)
    var block = [Float](repeating: 0, count: pullSize)
    let pulls = Int(length * 48_000 / Double(pullSize))
    let seconds = Double(pullSize) / 48_000 / (1 + drift / 1_000_000)
    for pull in 0..<pulls {
      let now = Double(pull) * seconds
      while next < arrivals.count, let arrival = packets[arrivals[next]].arrival, arrival <= now {
        let packet = packets[arrivals[next]]
        buffer.insert(
          ReceivedPacket(
            sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp,
            arrival: origin + .nanoseconds(Int64(arrival * 1e9))), payload: packet.payload.span)
        next += 1
      }
      var span = block.mutableSpan
      buffer.pull(into: &span, at: origin + .nanoseconds(Int64(now * 1e9)))
      result.samples += block
      result.history.append(buffer.statistics)
    }
    result.statistics = buffer.statistics
    return result
  }
}

/// A codec whose sound is its own position: packet n decodes to n × 960, n × 960 + 1, … over 2²⁴, so that a delay can be
/// read from each sample. What is concealed is −1, what is restored counts like what was sent, silence is 0.
struct PositionDecoder: PlayoutDecoder {
  static let scale: Float = 1 / Float(1 << 24)

  static func payloads(_ count: Int) -> [[UInt8]] {
    (1...count).map {
      [UInt8(truncatingIfNeeded: $0 >> 16), UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
    }
  }

  private func index(_ packet: Span<UInt8>) -> Int {
    Int(packet[0]) << 16 | Int(packet[1]) << 8 | Int(packet[2])
  }

  func duration(of packet: Span<UInt8>) -> Int? { packet.count == 3 ? 960 : nil }
  func carriesRedundancy(_ packet: Span<UInt8>) -> Bool { true }
  func announcesSilence(_ packet: Span<UInt8>) -> Bool { false }

  mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int? {
    let start = index(packet) * 960
    for offset in 0..<960 { samples[offset] = Float(start + offset) * Self.scale }
    return 960
  }

  mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool {
    let start = index(packet) * 960 - samples.count
    for offset in samples.indices { samples[offset] = Float(start + offset) * Self.scale }
    return true
  }

  mutating func conceal(into samples: inout MutableSpan<Float>) { samples.update(repeating: -1) }
  mutating func reset() {}
}

extension Simulation.Result {
  /// The mean delay in milliseconds, in a range of seconds, from a packet's departure until its sound is played.
  func meanDelay(_ range: Range<Double>) -> Double {
    let delays = delays(range)
    return delays.reduce(0, +) / Double(max(delays.count, 1))
  }

  /// The delay in milliseconds of one sample in 48 in a range of seconds; what was made up has none.
  func delays(_ range: Range<Double>) -> [Double] {
    stride(from: Int(range.lowerBound * 48_000), to: min(samples.count, Int(range.upperBound * 48_000)), by: 48)
      .compactMap { index in
        guard samples[index] > 0 else { return nil }
        let sent = Double(samples[index] / PositionDecoder.scale) - 960
        return (Double(index) / (1 + drift / 1_000_000) - sent) / 48
      }
  }
}
