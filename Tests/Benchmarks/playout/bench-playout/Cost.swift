import Glibc
import OpusCodec
import Playout
import PlayoutSimulator

/// Playout took memory where it must not.
struct AllocatingPlayout: Error {}

/// What playout costs beside the decoder, and whether it allocates.
struct Cost {
  var seconds: Double

  func run() throws {
    var text = SpokenText(seed: 3)
    let payloads = try EncodedSpeech.packets(of: try text.speak(seconds))
    let networks: [(String, () -> Network)] = [
      ("clean", { .clean }), ("5 % loss", { .jitter(0, loss: 0.05) }), ("jitter 30 ms", { .jitter(30) }),
      ("bursts 5 %, jitter 80 ms", { .bursts(0.05, length: 4, jitter: 80) }),
    ]
    var allocations = 0
    for (name, network) in networks {
      for pullSize in [480, 960] {
        var simulation = Simulation(payloads, through: network())
        simulation.pullSize = pullSize
        simulation.drift = 100
        let figures = try measure(simulation)
        allocations += figures.allocations
        tell(
          "\(name), \(pullSize / 48) ms a pull: decoder \(rounded(figures.decoder * 60 / seconds * 1_000, 1)),",
          "playout \(rounded(figures.playout * 60 / seconds * 1_000, 1)) ms of a core for a minute of sound,",
          "\(rounded(figures.playout / figures.decoder * 100, 1)) %;",
          AllocationCount.now == nil ? "" : "\(figures.allocations) allocations")
      }
    }
    if AllocationCount.now == nil { tell("allocations were not counted; run.sh does") }
    if allocations > 0 { throw AllocatingPlayout() }
  }

  private func measure(_ simulation: Simulation) throws -> (decoder: Double, playout: Double, allocations: Int) {
    let clock = UnsafeMutablePointer<Double>.allocate(capacity: 1)
    defer { clock.deallocate() }
    clock.pointee = 0
    let decoder = TimedDecoder(decoder: try OpusDecoder(), clock: clock)
    var buffer = PlayoutBuffer(decoder: decoder, configuration: simulation.configuration)
    let origin = ContinuousClock().systemEpoch
    let arrivals = simulation.packets.filter { $0.arrival != nil }.sorted { $0.arrival! < $1.arrival! }
    var next = 0
    var block = [Float](repeating: 0, count: simulation.pullSize)
    let length = Double(simulation.pullSize) / 48_000 / (1 + simulation.drift / 1_000_000)
    let pulls = Int(simulation.length / length)
    var inside = 0.0
    let allocations = AllocationCount.now ?? 0
    let overhead = clockOverhead()
    var readings = 0
    for pull in 0..<pulls {
      let now = Double(pull) * length
      let start = threadTime()
      while next < arrivals.count, arrivals[next].arrival! <= now {
        let packet = arrivals[next]
        buffer.insert(
          ReceivedPacket(
            sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp,
            arrival: origin + .nanoseconds(Int64(packet.arrival! * 1e9))), payload: packet.payload.span)
        next += 1
      }
      var span = block.mutableSpan
      buffer.pull(into: &span, at: origin + .nanoseconds(Int64(now * 1e9)))
      inside += threadTime() - start
      readings += 1
    }
    let allocated = (AllocationCount.now ?? 0) - allocations
    let calls = Double(next)
    return (clock.pointee, inside - clock.pointee - overhead * (Double(readings) + calls), allocated)
  }

  /// What asking for the time costs, in seconds.
  private func clockOverhead() -> Double {
    let start = threadTime()
    for _ in 0..<10_000 { _ = threadTime() }
    return (threadTime() - start) / 10_000
  }
}

/// Counts the time that is spent decoding. Copies are not made, and the pointer outlives it.
struct TimedDecoder: ~Copyable, PlayoutDecoder, @unchecked Sendable {
  // Sound as Sendable: used by the one thread that reads `clock` too.
  var decoder: OpusDecoder
  let clock: UnsafeMutablePointer<Double>

  func duration(of packet: Span<UInt8>) -> Int? { decoder.duration(of: packet) }
  func carriesRedundancy(_ packet: Span<UInt8>) -> Bool { decoder.carriesRedundancy(packet) }
  func announcesSilence(_ packet: Span<UInt8>) -> Bool { decoder.announcesSilence(packet) }

  mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int? {
    let start = threadTime()
    defer { clock.pointee += threadTime() - start }
    return decoder.decode(packet, into: &samples)
  }

  mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool {
    let start = threadTime()
    defer { clock.pointee += threadTime() - start }
    return decoder.decodeRedundancy(of: packet, into: &samples)
  }

  mutating func conceal(into samples: inout MutableSpan<Float>) {
    let start = threadTime()
    defer { clock.pointee += threadTime() - start }
    decoder.conceal(into: &samples)
  }

  mutating func reset() { decoder.reset() }
}

/// How often memory was allocated, by the library that `run.sh` loads before us; nil without it.
enum AllocationCount {
  private static let counter = dlsym(nil, "allocation_count").map {
    unsafeBitCast($0, to: (@convention(c) () -> Int).self)
  }

  static var now: Int? { counter?() }
}
