package import Playout

/// A packet on its way: what the sender said, and when it arrives.
package struct SentPacket {
  package var sequenceNumber: UInt16
  package var timestamp: UInt32
  package var payload: [UInt8]
  /// Seconds since the beginning; nil if it never arrives.
  package var arrival: Double?
  /// Whether another stream begins with it (a new SSRC).
  package var beginsStream = false

  package init(sequenceNumber: UInt16, timestamp: UInt32, payload: [UInt8], arrival: Double?) {
    self.sequenceNumber = sequenceNumber
    self.timestamp = timestamp
    self.payload = payload
    self.arrival = arrival
  }
}

/// Sends packets through a network to a playout buffer and pulls them out again, faster than real time. Two runs of equal
/// simulations are equal, bit by bit.
package struct Simulation {
  package var packets: [SentPacket]
  /// Samples a pull.
  package var pullSize = 480
  /// By how much the consumer's clock is fast, in parts per million.
  package var drift = 0.0
  package var configuration = PlayoutConfiguration.lowDelay
  /// The least delay asked for, by the time in seconds; nil: as configured.
  package var minimumDelay: ((Double) -> Duration)?
  /// Seconds to simulate.
  package var length: Double

  /// 20 ms packets with these payloads, through `network`. The sequence wraps early, the timestamp soon.
  package init(
    _ payloads: some Collection<[UInt8]>, through network: Network, configuration: PlayoutConfiguration = .lowDelay
  ) {
    packets = payloads.enumerated().map { index, payload in
      let sent = Double(index) * 0.02
      return SentPacket(
        sequenceNumber: UInt16(truncatingIfNeeded: 65_000 + index),
        timestamp: 0xffff_0000 &+ UInt32(truncatingIfNeeded: index * 960), payload: payload,
        arrival: network.delay(index, sent).map { sent + $0 })
    }
    length = Double(payloads.count) * 0.02
    self.configuration = configuration
  }

  /// What came out.
  package struct Result {
    package var samples: [Float] = []
    package var drift = 0.0
    package var statistics = PlayoutStatistics()
    /// After each pull.
    package var history: [PlayoutStatistics] = []
  }

  /// Runs to the end and keeps everything.
  package func run<Decoder: PlayoutDecoder & ~Copyable>(_ decoder: consuming Decoder) -> Result {
    var result = Result(drift: drift)
    result.samples.reserveCapacity(Int(length * 48_000) + pullSize)
    result.statistics = run(decoder) { samples, _, statistics in
      for index in samples.indices { result.samples.append(samples[index]) }
      result.history.append(statistics)
    }
    return result
  }

  /// Runs to the end and hands out what each pull gave, when it was made (in seconds), and the figures after it.
  @discardableResult
  package func run<Decoder: PlayoutDecoder & ~Copyable>(
    _ decoder: consuming Decoder, _ body: (Span<Float>, Double, PlayoutStatistics) -> Void
  ) -> PlayoutStatistics {
    var buffer = PlayoutBuffer(decoder: decoder, configuration: configuration)
    let origin = ContinuousClock().systemEpoch
    let arrivals = packets.indices.filter { packets[$0].arrival != nil }
      .sorted { (packets[$0].arrival!, $0) < (packets[$1].arrival!, $1) }
    var next = 0
    var block = [Float](repeating: 0, count: pullSize)
    let seconds = Double(pullSize) / 48_000 / (1 + drift / 1_000_000)
    for pull in 0..<Int(length * 48_000 / Double(pullSize)) {
      let now = Double(pull) * seconds
      while next < arrivals.count, let arrival = packets[arrivals[next]].arrival, arrival <= now {
        let packet = packets[arrivals[next]]
        if packet.beginsStream { buffer.restart() }
        buffer.insert(
          ReceivedPacket(
            sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp,
            arrival: origin + .nanoseconds(Int64(arrival * 1e9))), payload: packet.payload.span)
        next += 1
      }
      if let minimumDelay { buffer.minimumDelay = minimumDelay(now) }
      var span = block.mutableSpan
      buffer.pull(into: &span, at: origin + .nanoseconds(Int64(now * 1e9)))
      body(block.span, now, buffer.statistics)
    }
    return buffer.statistics
  }
}
