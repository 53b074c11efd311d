internal import Foundation

/// The simplest of sound files, read and written by the tests themselves: 48 kHz, mono, 16 bits.
public enum WaveFile {
  /// The samples of a file, ±1.0. Throws unless it is 48 kHz mono 16-bit PCM.
  /// - Parameter isGrowing: It is still being written: there may be more sound than its header says.
  public static func read(_ path: String, isGrowing: Bool = false) throws -> [Float] {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    func number(_ offset: Int, _ count: Int) -> Int {
      (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
    var format: [Int] = []
    var offset = 12
    while offset + 8 <= bytes.count {
      let name = String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
      let size = number(offset + 4, 4)
      offset += 8
      if name == "fmt ", offset + 16 <= bytes.count {
        format = [number(offset + 2, 2), number(offset + 4, 4), number(offset + 14, 2)]
      } else if name == "data" {
        guard format == [1, 48_000, 16] else { break }
        let end = isGrowing ? bytes.count : min(bytes.count, offset + size)
        return stride(from: offset, to: end - 1, by: 2).map {
          Float(Int16(truncatingIfNeeded: number($0, 2))) / 32_768
        }
      }
      offset += size + size % 2
    }
    throw RigError("\(path) is no 48 kHz mono 16-bit WAV file")
  }

  /// Writes samples, ±1.0, as a file.
  public static func write(_ samples: [Float], to path: String) throws {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(44 + 2 * samples.count)
    func append(_ value: Int, _ count: Int) {
      for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
    bytes += "RIFF".utf8
    append(36 + 2 * samples.count, 4)
    bytes += "WAVEfmt ".utf8
    for (value, count) in [(16, 4), (1, 2), (1, 2), (48_000, 4), (96_000, 4), (2, 2), (16, 2)] { append(value, count) }
    bytes += "data".utf8
    append(2 * samples.count, 4)
    for sample in samples { append(Int(max(-32_768, min(32_767, (sample * 32_768).rounded()))), 2) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }
}
