import Foundation
import GLibLoop
import Glibc

/// Standard error: whoever writes a line there, be it a message or the log, writes it above the live display.
///
/// The cursor always rests below what was written, or in the line that is typed there, and is visible, so that there is
/// nothing to restore however the process ends.
final class Console: Sendable {
  static let standardError = Console()

  /// What the terminal can show.
  struct Abilities: Equatable {
    /// Moves its cursor.
    var isInteractive: Bool
    var showsColors: Bool
    var showsUnicode: Bool

    init(isInteractive: Bool, showsColors: Bool, showsUnicode: Bool) {
      self.isInteractive = isInteractive
      self.showsColors = showsColors
      self.showsUnicode = showsUnicode
    }

    /// - Parameter environment: Its `TERM`, `NO_COLOR` (see no-color.org) and locale decide.
    init(isTerminal: Bool, environment: [String: String]) {
      let terminal = environment["TERM"] ?? ""
      let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
      isInteractive = isTerminal && !["", "dumb"].contains(terminal)
      showsColors = isInteractive && environment["NO_COLOR", default: ""].isEmpty
      showsUnicode = locale.uppercased().replacing("-", with: "").contains("UTF8")
    }
  }

  let abilities = Abilities(
    isTerminal: isatty(STDERR_FILENO) == 1, environment: ProcessInfo.processInfo.environment)

  /// The line in which the user types.
  struct Prompt: Equatable {
    /// Harmless, and no longer than the terminal is wide.
    var text: String
    /// The cursor's column.
    var cursor: Int
  }

  /// What is below the lines that were said.
  private struct Display: Equatable {
    var lines: [String] = []
    var prompt: Prompt?
  }

  private let display = Locked(Display())

  /// Writes a line, made harmless: it may hold what strangers wrote.
  func say(_ line: String) {
    let line = TerminalText.printable(line)
    display.withLock { display in
      write(Self.above(display) + line + "\n" + Self.text(of: display))
    }
  }

  /// Shows these lines as the live display, in place of those before; none takes it away.
  func show(_ lines: [String]) { change { $0.lines = lines } }

  /// Shows the line in which the user types, below all others; nil takes it away.
  func prompt(_ prompt: Prompt?) { change { $0.prompt = prompt } }

  private func change(_ change: (inout Display) -> Void) {
    display.withLock { display in
      var new = display
      change(&new)
      guard new != display else { return }
      var modes = ""
      // Bracketed paste: what is pasted is told from what is typed.
      if (new.prompt == nil) != (display.prompt == nil) { modes = "\u{1B}[?2004\(new.prompt == nil ? "l" : "h")" }
      write(Self.above(display, keepsLines: !new.lines.isEmpty) + Self.text(of: new) + modes)
      display = new
    }
  }

  /// How many columns and rows there are.
  var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Goes back to the display's first line; clears it, unless it is about to be written over.
  private static func above(_ display: Display, keepsLines: Bool = false) -> String {
    guard display != Display() else { return "" }
    return (display.prompt == nil ? "" : "\r") + (display.lines.isEmpty ? "" : "\u{1B}[\(display.lines.count)A")
      + (keepsLines ? "" : "\u{1B}[J")
  }

  /// A display, the cursor hidden while it is drawn, too long lines cut off. What was below of a longer one goes.
  private static func text(of display: Display) -> String {
    guard display != Display() else { return "" }
    let prompt = display.prompt.map { prompt in
      prompt.text + "\u{1B}[K\r" + (prompt.cursor > 0 ? "\u{1B}[\(prompt.cursor)C" : "")
    }
    return "\u{1B}[?25l\u{1B}[?7l" + display.lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J" + (prompt ?? "")
      + "\u{1B}[?7h\u{1B}[?25h"
  }

  /// Who reads our messages may be gone; that is no reason to stop.
  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}

/// One line on standard error that says what went wrong.
func complain(_ message: String) { Console.standardError.say("talkbridge: \(message)") }
