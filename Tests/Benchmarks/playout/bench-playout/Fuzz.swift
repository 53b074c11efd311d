import Glibc
import OpusCodec
import Playout
import PlayoutSimulator

/// Arbitrary packets by the hundred million; what must not happen is a trap, and memory that grows.
struct Fuzz {
  var packets: Int
  var seed: UInt64

  func run() {
    let configurations: [(String, PlayoutConfiguration)] = [
      ("low delay", .lowDelay), ("patient", .patient), ("recording", .recording),
    ]
    for (index, (name, configuration)) in configurations.enumerated() {
      let seed = self.seed + UInt64(index)
      var buffer = PlayoutBuffer(decoder: ArbitraryDecoder(), configuration: configuration)
      drive(&buffer, packets / configurations.count, "\(name), arbitrary codec", seed)
    }
    // The real codec is two hundred times as slow.
    guard let decoder = try? OpusDecoder() else { return }
    var buffer = PlayoutBuffer(decoder: decoder)
    drive(&buffer, packets / 100, "low delay, \(OpusLibrary.version)", seed)
  }

  private func drive<Decoder: PlayoutDecoder & ~Copyable>(
    _ buffer: inout PlayoutBuffer<Decoder>, _ count: Int, _ name: String, _ seed: UInt64
  ) {
    var traffic = ArbitraryTraffic(seed: seed)
    let start = threadTime()
    traffic.send(count / 10, to: &buffer)
    let early = residentMemory()
    traffic.send(count - count / 10, to: &buffer)
    tell(
      "\(name), seed \(seed): \(buffer.statistics.packetsReceived) packets, \(traffic.pulled / 48_000) s of sound,",
      "\(traffic.notFinite) samples no numbers, memory \(early) kB after a tenth, \(residentMemory()) kB at the end,",
      "\(rounded(threadTime() - start, 1)) s")
  }

  private func residentMemory() -> Int {
    var text = [UInt8](repeating: 0, count: 256)
    let file = open("/proc/self/statm", O_RDONLY)
    let count = read(file, &text, text.count)
    close(file)
    let fields = String(decoding: text.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4
  }
}
