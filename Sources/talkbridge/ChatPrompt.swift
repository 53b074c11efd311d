import GLibLoop
import TalkProtocol

/// The line below the live display in which messages are typed.
final class ChatPrompt: Sendable {
  /// Lines as they are finished.
  let lines: AsyncStream<String>
  private let continuation: AsyncStream<String>.Continuation
  private let keys: TerminalKeys

  private static let mark = "> "

  /// Nil where standard input is no terminal, or not ours now.
  /// - Parameter command: Called on the network loop's thread with what need not wait for the lines before.
  init?(_ command: @escaping @Sendable (ChatInput.Command) -> Void) {
    let (lines, continuation) = AsyncStream.makeStream(of: String.self)
    let editor = Locked(LineEditor())
    let keys = TerminalKeys(
      on: .network,
      bytes: { bytes in
        for outcome in editor.withLock({ $0.take(bytes) }) {
          switch outcome {
          case .end: command(.quit)
          case .line(let line):
            // Leaving waits until what was typed before is sent.
            if case .command(let order) = ChatInput(line), order != .quit {
              command(order)
            } else {
              continuation.yield(line)
            }
          }
        }
        Self.draw(editor.withLock { $0 })
      })
    guard let keys else { return nil }
    (self.lines, self.continuation, self.keys) = (lines, continuation, keys)
    Self.draw(LineEditor())
  }

  private static func draw(_ editor: LineEditor) {
    let console = Console.standardError
    let window = editor.window(columns: max(8, console.size.columns - mark.count - 1))
    console.prompt(Console.Prompt(text: mark + window.text, cursor: mark.count + window.cursor))
  }

  /// Reads no more, and takes the line off the screen.
  func end() {
    Console.standardError.prompt(nil)
    keys.end()
    continuation.finish()
  }
}
