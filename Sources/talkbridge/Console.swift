import FoundationEssentials
import GLibLoop
import Glibc
import Synchronization

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

  private struct State {
    var wanted = Display()
    /// What is on the terminal.
    var shown = Display()
    /// How often the process was continued when it was drawn.
    var continuations = 0
  }

  private let stream = TextStream.standardError
  private let state = Locked(State())

  /// Writes a line, made harmless: it may hold what strangers wrote.
  func say(_ line: String) { redraw(below: TerminalText.printable(line) + "\n") { _ in } }

  /// Shows these lines as the live display, in place of those before; none takes it away.
  func show(_ lines: [String]) {
    // A terminal that is halted is spared: what it misses is of no interest later.
    if lines.isEmpty || !stream.isBusy { redraw { $0.lines = lines } }
  }

  /// Shows the line in which the user types, below all others; nil takes it away.
  func prompt(_ prompt: Prompt?) { redraw { $0.prompt = prompt } }

  /// Waits until all of it is on the terminal, or that takes nothing any more.
  func flush() { stream.flush() }

  private func redraw(below line: String? = nil, _ change: (inout Display) -> Void) {
    let columns = size.columns
    // In the background the terminal is somebody else's.
    let isOurs = !abilities.isInteractive || JobControl.isInForeground(STDERR_FILENO)
    state.withLock { state in
      change(&state.wanted)
      let continuations = JobControl.continuations
      if !isOurs || state.continuations != continuations {
        // By now it shows other things where the display was.
        state.shown = Display()
        state.continuations = continuations
      }
      let new = isOurs ? state.wanted : Display()
      guard new != state.shown || line != nil else { return }
      let keepsLines = line == nil && !new.lines.isEmpty
      var text = Self.above(state.shown, columns: columns, keepsLines: keepsLines) + (line ?? "") + Self.text(of: new)
      if (new.prompt == nil) != (state.shown.prompt == nil) {
        text += new.prompt == nil ? Self.pastingOff : Self.pastingOn
        Self.isPasting.store(new.prompt != nil, ordering: .relaxed)
      }
      stream.write(text)
      state.shown = new
    }
  }

  // Bracketed paste: what is pasted is told from what is typed.
  private static let pastingOn = "\u{1B}[?2004h"
  private static let pastingOff = "\u{1B}[?2004l"
  private static let isPasting = Atomic<Bool>(false)

  /// What signal handlers use is made now, not in one of them.
  static func prepareForSignals() { _ = isPasting.load(ordering: .relaxed) }

  /// Takes back what the line in which the user types has set in the terminal; safe in a signal handler.
  static func endPasting() {
    guard isPasting.exchange(false, ordering: .relaxed) else { return }
    let sequence: StaticString = "\u{1B}[?2004l\r\n"
    _ = Glibc.write(STDERR_FILENO, sequence.utf8Start, sequence.utf8CodeUnitCount)
  }

  /// How many columns and rows there are.
  var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Goes back to the display's first line; clears it, unless it is about to be written over.
  private static func above(_ display: Display, columns: Int, keepsLines: Bool = false) -> String {
    guard display != Display() else { return "" }
    // A terminal that was made narrower has broken those lines that no longer fit.
    let rows = display.lines.reduce(0) { rows, line in
      rows + max(1, (TerminalText.width(TerminalText.uncolored(line)) + columns - 1) / columns)
    }
    let above = rows + (display.prompt?.cursor ?? 0) / columns
    return (display.prompt == nil ? "" : "\r") + (above == 0 ? "" : "\u{1B}[\(above)A") + (keepsLines ? "" : "\u{1B}[J")
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
}

/// One line on standard error that says what went wrong.
func complain(_ message: String) { Console.standardError.say("talkbridge: \(message)") }
