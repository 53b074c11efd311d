/// Signed 16-bit samples, as pipes and most files carry them.
///
/// ±1 is ±32768: 16-bit sound survives the way to `Float` and back bit for bit.
public enum PCM16 {
  /// One sample, rounded to nearest, saturated at the ends; what is not a number becomes 0.
  @inlinable public static func encode(_ sample: Float) -> Int16 {
    let scaled = sample * 32_768
    let number = scaled == scaled ? scaled : 0
    let aboveBottom = number > -32_768 ? number : -32_768
    let withinRange = aboveBottom < 32_767 ? aboveBottom : 32_767
    // The step from one Float to the next is 1 here, so the sum is rounded, to nearest or even, and its last 16 bits are
    // the whole number. Without a branch or a call, several samples are converted at once.
    return Int16(truncatingIfNeeded: Int32(bitPattern: (withinRange + 12_582_912).bitPattern))
  }

  /// One sample.
  @inlinable public static func decode(_ sample: Int16) -> Float {
    Float(sample) * (1 / 32_768)
  }

  /// Converts `samples` into the beginning of `output`, which must be at least as long.
  public static func encode(_ samples: Span<Float>, into output: inout MutableSpan<Int16>) {
    precondition(output.count >= samples.count, "no room for \(samples.count) samples in \(output.count)")
    for index in samples.indices { output[index] = encode(samples[index]) }
  }

  /// Converts `samples` into the beginning of `output`, which must be at least as long.
  public static func decode(_ samples: Span<Int16>, into output: inout MutableSpan<Float>) {
    precondition(output.count >= samples.count, "no room for \(samples.count) samples in \(output.count)")
    for index in samples.indices { output[index] = decode(samples[index]) }
  }

  /// Writes `samples` as little-endian bytes (`s16le`) to the beginning of `bytes`, which must hold two per sample.
  public static func encode(_ samples: Span<Float>, intoLittleEndian bytes: inout MutableSpan<UInt8>) {
    precondition(bytes.count >= 2 * samples.count, "no room for \(samples.count) samples in \(bytes.count) bytes")
    for index in samples.indices {
      let value = UInt16(bitPattern: encode(samples[index]))
      bytes[2 * index] = UInt8(truncatingIfNeeded: value)
      bytes[2 * index + 1] = UInt8(truncatingIfNeeded: value >> 8)
    }
  }

  /// Reads little-endian bytes (`s16le`) into the beginning of `output`, one sample for two bytes; an odd last byte is
  /// left alone.
  public static func decode(littleEndian bytes: Span<UInt8>, into output: inout MutableSpan<Float>) {
    let count = bytes.count / 2
    precondition(output.count >= count, "no room for \(count) samples in \(output.count)")
    for index in 0..<count {
      output[index] = decode(Int16(bitPattern: UInt16(bytes[2 * index]) | UInt16(bytes[2 * index + 1]) << 8))
    }
  }
}
