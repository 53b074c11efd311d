extension StringProtocol {
  /// The text with its `%XX` undone (RFC 3986 §2.1); what is no such triple stays as it is.
  package var percentDecoded: String {
    var bytes: [UInt8] = []
    var rest = Array(utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(hexadecimal: rest.prefix(2)) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension String {
  /// The text with `%XX` for all but the unreserved characters (RFC 3986 §2.3), as a value in a form may hold it.
  package var percentEncoded: String {
    utf8.reduce(into: "") { text, byte in
      let character = Character(UnicodeScalar(byte))
      if byte < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) {
        text.append(character)
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        text += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
      }
    }
  }
}

extension UInt8 {
  fileprivate init?(hexadecimal digits: ArraySlice<UInt8>) {
    var value: UInt8 = 0
    for digit in digits {
      guard let digit = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
      value = value << 4 | UInt8(digit)
    }
    self = value
  }
}
