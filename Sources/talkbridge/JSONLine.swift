import TalkProtocol

/// JSON for a line of its own, which is harmless on a terminal too.
enum JSONLine {
  /// What commands a terminal, turns the writing direction or ends a line for some readers can only be within strings, and is
  /// escaped there; for programs that is the same.
  static func text(_ value: JSONValue) -> String {
    let text = JSONCoding.text(value)
    guard text.unicodeScalars.contains(where: isEscaped) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isEscaped(scalar) {
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isEscaped(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.value > 0x7E else { return false }
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: return true
    // They join letters and emoji, and spell flags.
    case .format: return !["\u{200C}", "\u{200D}"].contains(scalar) && !(0xE0020...0xE007F).contains(scalar.value)
    default: return false
    }
  }
}
