/// Numbers in network byte order. The caller has checked that the bytes are there; outside the span is a trap.
extension Span<UInt8> {
  func uint16(at offset: Int) -> UInt16 {
    UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
  }

  func uint32(at offset: Int) -> UInt32 {
    UInt32(uint16(at: offset)) << 16 | UInt32(uint16(at: offset + 2))
  }
}

/// Writes forward into a buffer whose size the caller has checked.
struct PacketCursor {
  var offset = 0

  mutating func put(_ value: UInt8, into buffer: inout MutableSpan<UInt8>) {
    buffer[offset] = value
    offset += 1
  }

  mutating func put(_ value: UInt16, into buffer: inout MutableSpan<UInt8>) {
    put(UInt8(truncatingIfNeeded: value >> 8), into: &buffer)
    put(UInt8(truncatingIfNeeded: value), into: &buffer)
  }

  mutating func put(_ value: UInt32, into buffer: inout MutableSpan<UInt8>) {
    put(UInt16(truncatingIfNeeded: value >> 16), into: &buffer)
    put(UInt16(truncatingIfNeeded: value), into: &buffer)
  }

  /// Zeros up to the next multiple of four bytes.
  mutating func align(in buffer: inout MutableSpan<UInt8>) {
    while offset % 4 != 0 { put(UInt8(0), into: &buffer) }
  }
}

extension Duration {
  /// The duration in units of `1 / rate` seconds, towards zero; wraps beyond the range of Int64.
  func ticks(per rate: Int64) -> Int64 {
    let (seconds, attoseconds) = components
    // |attoseconds| < 10¹⁸, so the quotient is below `rate` and fits.
    let fraction = Int64(1_000_000_000_000_000_000).dividingFullWidth(attoseconds.multipliedFullWidth(by: rate))
      .quotient
    return seconds &* rate &+ fraction
  }
}
