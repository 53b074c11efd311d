internal import CQREncode

/// A QR code (ISO/IEC 18004) as a square of dark and light modules.
public struct QRSymbol: Sendable, Equatable {
  /// Modules on each side.
  public let width: Int
  /// Row by row; true is dark.
  private let modules: [Bool]

  /// Light modules that must be around the symbol.
  private static let quietZone = 2

  /// The smallest symbol for a text; nil where it is too long for any (some 2,300 bytes).
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard !bytes.isEmpty, bytes.count < 4096,
      let code = QRcode_encodeData(Int32(bytes.count), bytes, 0, QR_ECLEVEL_M)
    else { return nil }
    defer { QRcode_free(code) }
    width = Int(code.pointee.width)
    // The lowest bit of each byte is the module's color; the others tell what it is part of.
    modules = (0..<width * width).map { code.pointee.data[$0] & 1 == 1 }
  }

  /// Whether a module is dark; all are light outside the symbol.
  public func isDark(row: Int, column: Int) -> Bool {
    (0..<width).contains(row) && (0..<width).contains(column) && modules[row * width + column]
  }

  /// The symbol for a terminal, two rows a line, with black and white set whatever the terminal's own colors are.
  public var terminalLines: [String] {
    stride(from: -Self.quietZone, to: width + Self.quietZone, by: 2).map { row in
      let blocks = (-Self.quietZone..<width + Self.quietZone).map { column in
        switch (isDark(row: row, column: column), isDark(row: row + 1, column: column)) {
        case (false, false): "█"
        case (false, true): "▀"
        case (true, false): "▄"
        case (true, true): " "
        }
      }
      // Light is the foreground: bright white on black.
      return "\u{1B}[97;40m" + blocks.joined() + "\u{1B}[0m"
    }
  }
}
