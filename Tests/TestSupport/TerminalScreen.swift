internal import Glibc

/// What a terminal shows that understands no more than a careful program sends: text, line ends, colors, the cursor up,
/// clearing, and the modes for wrapping and the cursor. Everything else is a violation.
public struct TerminalScreen: Sendable {
  public private(set) var columns: Int
  public private(set) var rows: Int
  /// What has left the screen at its top.
  public private(set) var scrolledOff: [String] = []
  public private(set) var isCursorVisible = true
  /// What no careful program sends.
  public private(set) var violations: [String] = []
  /// From 0, the top left.
  public private(set) var cursor = (row: 0, column: 0)

  /// A cell holds a character and its marks; the second cell of a wide one is empty.
  private var cells: [[String]]
  private var wraps = true
  private var sequence: String?
  private var partial: [UInt8] = []

  public init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    cells = Array(repeating: Self.blank(columns), count: rows)
    _ = Self.hasLocale
  }

  /// The rows as text, without trailing spaces.
  public var lines: [String] { cells.map(Self.text) }

  /// All that was shown, top to bottom.
  public var everything: [String] { scrolledOff + lines }

  public mutating func receive(_ bytes: some Sequence<UInt8>) {
    partial += bytes
    // A character may come in pieces.
    var length = partial.count
    for back in 1...4 where back <= partial.count {
      let byte = partial[partial.count - back]
      guard byte & 0xC0 != 0x80 else { continue }
      let needed = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
      if needed > back { length = partial.count - back }
      break
    }
    for scalar in String(decoding: partial[..<length], as: UTF8.self).unicodeScalars { receive(scalar) }
    partial.removeFirst(length)
  }

  /// Changes the size; lines that no longer fit are broken, as most terminals do.
  public mutating func resize(columns: Int, rows: Int) {
    var broken: [[String]] = []
    for row in cells.prefix(cursor.row) {
      var rest = row[..<(row.lastIndex { $0 != " " }.map { $0 + 1 } ?? 0)]
      repeat {
        broken.append(Array(rest.prefix(columns)) + Self.blank(max(0, columns - rest.count)))
        rest = rest.dropFirst(columns)
      } while !rest.isEmpty
    }
    let gone = max(0, broken.count + 1 - rows)
    scrolledOff += broken.prefix(gone).map(Self.text)
    broken.removeFirst(gone)
    cursor = (broken.count, 0)
    cells = broken + Array(repeating: Self.blank(columns), count: rows - broken.count)
    (self.columns, self.rows) = (columns, rows)
  }

  private mutating func receive(_ scalar: Unicode.Scalar) {
    if let sequence { return goOn(sequence, scalar) }
    switch scalar.value {
    case 0x1B: sequence = ""
    case 0x0D: cursor.column = 0
    case 0x0A: feedLine()
    default:
      let width = Self.width(scalar)
      switch width {
      case ..<0: violations.append("U+" + String(scalar.value, radix: 16, uppercase: true))
      case 0: mark(scalar)
      default: put(String(scalar), width)
      }
    }
  }

  private mutating func goOn(_ sequence: String, _ scalar: Unicode.Scalar) {
    let text = sequence + String(scalar)
    if text == "[" || !(0x40...0x7E).contains(scalar.value) && text.count < 20 {
      self.sequence = text
      return
    }
    self.sequence = nil
    let count = max(1, Int(text.dropFirst().dropLast()) ?? 1)
    switch text {
    case "[?25l": isCursorVisible = false
    case "[?25h": isCursorVisible = true
    case "[?7l": wraps = false
    case "[?7h": wraps = true
    case "[J":
      clearLine()
      for row in (cursor.row + 1)..<max(rows, cursor.row + 1) { cells[row] = Self.blank(columns) }
    case "[K": clearLine()
    case _ where text.hasPrefix("[") && text.hasSuffix("A"): cursor.row = max(0, cursor.row - count)
    case _ where text.hasPrefix("[") && text.hasSuffix("m"): break
    default: violations.append("ESC " + text)
    }
  }

  private mutating func clearLine() {
    for column in min(cursor.column, columns)..<columns { cells[cursor.row][column] = " " }
  }

  private mutating func feedLine() {
    if cursor.row + 1 < rows {
      cursor.row += 1
    } else {
      scrolledOff.append(Self.text(cells.removeFirst()))
      cells.append(Self.blank(columns))
    }
  }

  private mutating func put(_ text: String, _ width: Int) {
    if cursor.column + width > columns {
      if wraps {
        feedLine()
        cursor.column = 0
      } else {
        cursor.column = columns - width
      }
    }
    cells[cursor.row][cursor.column] = text
    if width == 2 { cells[cursor.row][cursor.column + 1] = "" }
    cursor.column += width
  }

  private mutating func mark(_ scalar: Unicode.Scalar) {
    guard cursor.column > 0 else { return }
    cells[cursor.row][cursor.column - 1].unicodeScalars.append(scalar)
  }

  private static func blank(_ columns: Int) -> [String] { Array(repeating: " ", count: columns) }

  private static func text(_ cells: [String]) -> String {
    var text = cells.joined()
    while text.last == " " { text.removeLast() }
    return text
  }

  private static func width(_ scalar: Unicode.Scalar) -> Int { Int(wcwidth(wchar_t(scalar.value))) }

  /// Hidden from Swift by a macro in <wchar.h>.
  private static let wcwidth = unsafeBitCast(
    dlsym(nil, "wcwidth"), to: (@convention(c) (wchar_t) -> Int32).self)

  /// `wcwidth` knows the widths of what the locale can encode.
  private static let hasLocale = setlocale(LC_CTYPE, "C.UTF-8") != nil
}
