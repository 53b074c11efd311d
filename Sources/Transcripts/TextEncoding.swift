/// How one text may stand within another.
enum TextEncoding: CaseIterable {
  case plain
  /// `%XX` (RFC 3986 §2.1).
  case percent
  /// The same, with `+` for a space, as forms have it.
  case form
  /// `\/`, `\"`, `\u00e4` (RFC 8259 §7).
  case escaped

  /// The text decoded; nil where that is the same as with another encoding.
  func view(of bytes: [UInt8]) -> EncodedView? {
    let marks: [UInt8] =
      switch self {
      case .plain: []
      case .percent: [UInt8(ascii: "%")]
      case .form: [UInt8(ascii: "+")]
      case .escaped: [UInt8(ascii: "\\")]
      }
    guard marks.allSatisfy({ bytes.contains($0) }) else { return nil }
    var view = EncodedView(original: bytes)
    var position = 0
    while position < bytes.count {
      let (decoded, length) = next(bytes[position...])
      for byte in decoded { view.append(byte, at: position) }
      position += length
    }
    view.end()
    return view
  }

  /// The first character of a text, and how many bytes stand for it.
  private func next(_ bytes: ArraySlice<UInt8>) -> (decoded: [UInt8], length: Int) {
    let first = bytes[bytes.startIndex]
    let rest = bytes.dropFirst()
    switch (self, first) {
    case (.percent, UInt8(ascii: "%")), (.form, UInt8(ascii: "%")):
      guard let value = Self.hexadecimal(rest, 2) else { break }
      return ([UInt8(truncatingIfNeeded: value)], 3)
    case (.form, UInt8(ascii: "+")): return ([UInt8(ascii: " ")], 1)
    case (.escaped, UInt8(ascii: "\\")):
      guard let escaped = rest.first else { break }
      guard escaped == UInt8(ascii: "u") else { return ([escaped], 2) }
      guard let value = Self.hexadecimal(rest.dropFirst(), 4), let scalar = UnicodeScalar(value) else { break }
      return (Array(String(scalar).utf8), 6)
    default: break
    }
    return ([first], 1)
  }

  private static func hexadecimal(_ bytes: ArraySlice<UInt8>, _ count: Int) -> UInt32? {
    guard bytes.count >= count else { return nil }
    var value: UInt32 = 0
    for byte in bytes.prefix(count) {
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}

/// A text as it is meant, and where each byte of that stands in the text as it is.
struct EncodedView {
  let original: [UInt8]
  private(set) var decoded: [UInt8] = []
  /// One more than bytes.
  private(set) var starts: [Int] = []

  init(original: [UInt8]) { self.original = original }

  fileprivate mutating func append(_ byte: UInt8, at position: Int) {
    decoded.append(byte)
    starts.append(position)
  }

  fileprivate mutating func end() { starts.append(original.count) }
}
