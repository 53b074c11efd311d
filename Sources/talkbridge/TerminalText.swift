/// Text for a terminal, where a character takes no, one or two columns.
enum TerminalText {
  /// `text` as one harmless line: what moves the cursor, changes the direction or looks different on every terminal is
  /// left out. Names are chosen by strangers.
  static func printable(_ text: some StringProtocol) -> String {
    String(
      String.UnicodeScalarView(
        text.flatMap { character -> [Unicode.Scalar] in
          // Of joined emoji the first, which every terminal shows at the same width.
          let scalars = character.unicodeScalars.prefix { $0 != zeroWidthJoiner }.prefix(mostScalars)
          return scalars.compactMap { scalar in
            switch scalar.properties.generalCategory {
            case .lineSeparator, .paragraphSeparator: " "
            case .control: scalar.properties.isWhitespace ? " " : nil
            case .format, .surrogate, .privateUse, .unassigned: nil
            default: isVariation(scalar) ? nil : scalar
            }
          }
        }))
  }

  /// How many columns `text` takes.
  static func width(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + width($1) } }

  /// `text` in exactly so many columns: filled up with spaces, or cut off, which an ellipsis shows.
  static func fitted(_ text: String, to columns: Int) -> String {
    let text = shortened(text, to: columns)
    return text + String(repeating: " ", count: max(0, columns - width(text)))
  }

  /// `text` in at most so many columns; an ellipsis shows where it was cut off.
  static func shortened(_ text: String, to columns: Int) -> String {
    guard width(text) > columns else { return text }
    guard columns > 0 else { return "" }
    var short = ""
    var used = 0
    for character in text {
      guard used + width(character) < columns else { break }
      short.append(character)
      used += width(character)
    }
    return short + "…"
  }

  /// A line of the display without its colors.
  static func uncolored(_ line: String) -> String {
    line.split(separator: "\u{1B}[", omittingEmptySubsequences: false).enumerated().map { index, part in
      index == 0 ? String(part) : String(part.drop { $0 != "m" }.dropFirst())
    }.joined()
  }

  /// More marks on one character than any language has would be piled up over the lines around it.
  private static let mostScalars = 8

  private static let zeroWidthJoiner: Unicode.Scalar = "\u{200D}"

  /// Asks for the picture or the sign of a character, which terminals obey in different widths.
  private static func isVariation(_ scalar: Unicode.Scalar) -> Bool { (0xFE00...0xFE0F).contains(scalar.value) }

  private static func width(_ character: Character) -> Int {
    character.unicodeScalars.reduce(0) { max($0, width($1)) }
  }

  /// East Asian width (Unicode annex 11), as `wcwidth` has it.
  private static func width(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: break
    }
    if scalar.properties.isEmojiPresentation { return 2 }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3,
      0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x17000...0x18CFF, 0x1B000...0x1B2FB,
      0x20000...0x3FFFD:
      return 2
    default: return 1
    }
  }
}
