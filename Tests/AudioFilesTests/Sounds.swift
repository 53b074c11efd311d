import Audio
import Foundation
import GLibLoop

/// A folder that goes away with the test.
final class ScratchFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/talkbridge-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}

/// Counts up, so that every sample says which one it is: sample *n* is *n* mod 20 000 in 16-bit steps.
final class Counter: SampleProvider {
  private let next = Locked(0)
  private let first = Locked<ContinuousClock.Instant?>(nil)

  /// The sample that a 16-bit file holds at `index`.
  static func value(at index: Int) -> Int16 { Int16(index % 20_000) }

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    self.first.withLock { $0 = $0 ?? now }
    let first = next.withLock { next in
      defer { next += samples.count }
      return next
    }
    for index in 0..<samples.count { samples[index] = PCM16.decode(Self.value(at: first + index)) }
  }

  var count: Int { next.withLock { $0 } }
  var firstAsked: ContinuousClock.Instant? { first.withLock { $0 } }
}

/// Keeps what an input hands out, and when.
final class Listener: Sendable {
  private let heard = Locked<(samples: [Float], times: [ContinuousClock.Instant], sizes: Set<Int>)>(([], [], []))

  var receive: @Sendable (Span<Float>) -> Void {
    { block in
      var samples: [Float] = []
      for index in block.indices { samples.append(block[index]) }
      self.heard.withLock { [samples] heard in
        heard.samples += samples
        heard.times.append(.now)
        heard.sizes.insert(samples.count)
      }
    }
  }

  var samples: [Float] { heard.withLock { $0.samples } }
  /// Without the blocks of silence, which a loaded machine may bring into anything.
  var sound: [Float] {
    let samples = samples
    return stride(from: 0, to: samples.count, by: 960).map { samples[$0..<min(samples.count, $0 + 960)] }
      .filter { !$0.allSatisfy { $0 == 0 } }.flatMap(Array.init)
  }
  var times: [ContinuousClock.Instant] { heard.withLock { $0.times } }
  var blockSizes: Set<Int> { heard.withLock { $0.sizes } }
}

/// What a WAV or RF64 file says of itself and holds, read here from the bytes and by no library.
struct ParsedWAV {
  var identifier = ""
  var riffSize = 0
  /// 1: WAVE_FORMAT_PCM.
  var format = 0
  var sampleRate = 0
  var channels = 0
  var bits = 0
  var dataSize = 0
  var dataOffset = 0
  var chunks: [String] = []
  var samples: [Int16] = []
  let fileSize: Int

  init(_ path: String, withSamples: Bool = true) throws {
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    fileSize = Int(try handle.seekToEnd())
    try handle.seek(toOffset: 0)
    let head = [UInt8](try handle.read(upToCount: 4096) ?? Data())
    func number(_ offset: Int, _ size: Int) -> Int {
      head[offset..<(offset + size)].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    func text(_ offset: Int) -> String { String(decoding: head[offset..<(offset + 4)], as: UTF8.self) }
    guard head.count >= 12 else { return }
    identifier = text(0)
    riffSize = number(4, 4)
    var wide = 0
    var offset = 12
    while offset + 8 <= head.count {
      let name = text(offset)
      let size = number(offset + 4, 4)
      chunks.append(name)
      switch name {
      case "ds64":
        riffSize = number(offset + 8, 8)
        wide = number(offset + 16, 8)
      case "fmt ":
        format = number(offset + 8, 2)
        channels = number(offset + 10, 2)
        sampleRate = number(offset + 12, 4)
        bits = number(offset + 22, 2)
      case "data":
        dataOffset = offset + 8
        dataSize = size == 0xffff_ffff ? wide : size
      default: break
      }
      if name == "data" { break }
      offset += 8 + size
    }
    guard withSamples else { return }
    try handle.seek(toOffset: UInt64(dataOffset))
    let data = [UInt8](try handle.read(upToCount: dataSize) ?? Data())
    samples = stride(from: 0, to: data.count - 1, by: 2).map {
      Int16(bitPattern: UInt16(data[$0]) | UInt16(data[$0 + 1]) << 8)
    }
  }
}

/// The encodings of samples that WAV files have.
enum Encoding: CaseIterable {
  case unsigned8, signed16, signed24, float32

  var bits: Int {
    switch self {
    case .unsigned8: 8
    case .signed16: 16
    case .signed24: 24
    case .float32: 32
    }
  }

  fileprivate func bytes(_ sample: Float) -> [UInt8] {
    func little(_ value: UInt32, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }
    return switch self {
    case .unsigned8: [UInt8(clamping: 128 + Int((sample * 128).rounded()))]
    case .signed16: little(UInt32(bitPattern: Int32((sample * 32_767).rounded())), 2)
    case .signed24: little(UInt32(bitPattern: Int32((sample * 8_388_607).rounded())), 3)
    case .float32: little(sample.bitPattern, 4)
    }
  }
}

/// Writes a WAV file of interleaved samples.
func writeWAV(
  _ path: String, rate: Int, channels: Int, encoding: Encoding = .signed16, _ samples: [Float]
) throws {
  func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xff) } }
  let data = samples.flatMap(encoding.bytes)
  let frame = channels * encoding.bits / 8
  var bytes = Array("RIFF".utf8) + little(36 + data.count, 4) + Array("WAVEfmt ".utf8) + little(16, 4)
  bytes += little(encoding == .float32 ? 3 : 1, 2) + little(channels, 2) + little(rate, 4)
  bytes += little(rate * frame, 4) + little(frame, 2) + little(encoding.bits, 2)
  bytes += Array("data".utf8) + little(data.count, 4) + data
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

func tone(_ frequency: Double, at rate: Int, count: Int, amplitude: Double = 0.5) -> [Float] {
  (0..<count).map { Float(amplitude * sin(2 * .pi * frequency * Double($0) / Double(rate))) }
}
