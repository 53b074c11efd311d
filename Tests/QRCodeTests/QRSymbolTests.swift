import QRCode
import Testing

@Suite struct QRSymbolTests {
  @Test func `a symbol has its finder patterns in three corners`() throws {
    let symbol = try #require(QRSymbol("https://cloud.example.com/login/v2/flow/abcdefgh"))
    #expect(symbol.width >= 21 && (symbol.width - 17) % 4 == 0)
    let last = symbol.width - 7
    for (top, left) in [(0, 0), (0, last), (last, 0)] {
      for offset in 0..<7 {
        #expect(symbol.isDark(row: top, column: left + offset) && symbol.isDark(row: top + 6, column: left + offset))
        #expect(symbol.isDark(row: top + offset, column: left) && symbol.isDark(row: top + offset, column: left + 6))
      }
      #expect(symbol.isDark(row: top + 3, column: left + 3) && !symbol.isDark(row: top + 1, column: left + 1))
    }
    #expect(!symbol.isDark(row: -1, column: 0) && !symbol.isDark(row: 0, column: symbol.width))
  }

  @Test func `in a terminal two rows share a line, with a light margin around`() throws {
    let symbol = try #require(QRSymbol("talk"))
    let lines = symbol.terminalLines
    #expect(lines.count == (symbol.width + 5) / 2)
    #expect(lines.allSatisfy { $0.filter { " ▀▄█".contains($0) }.count == symbol.width + 4 })
    #expect(lines[0].filter { $0 == "█" }.count == symbol.width + 4)
  }

  @Test func `what does not fit is refused`() {
    #expect(QRSymbol("") == nil)
    #expect(QRSymbol(String(repeating: "x", count: 4000)) == nil)
  }
}
