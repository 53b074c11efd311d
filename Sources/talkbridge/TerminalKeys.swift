import GLibLoop
import Gateway
import Glibc

/// Single keys of the terminal on standard input, as they are pressed and without echo.
///
/// The terminal is as before when the process ends, whichever way it does, short of SIGKILL. Ctrl-C and its like stay
/// signals. In the background no key is read: they belong to whoever is in the foreground.
final class TerminalKeys: Sendable {
  private let watch: DescriptorWatch

  /// Nil where standard input is no terminal, or not ours now.
  /// - Parameter handler: Called on the loop's thread with each key.
  convenience init?(on loop: GLibExecutor, handler: @escaping @Sendable (Character) -> Void) {
    self.init(
      on: loop,
      bytes: { keys in
        // An arrow key sends an escape sequence, which is no key of ours.
        guard keys.first != 0x1B else { return }
        for key in keys { handler(Character(UnicodeScalar(key))) }
      })
  }

  /// Nil where standard input is no terminal, or not ours now.
  /// - Parameter handler: Called on the loop's thread with what the terminal sends.
  init?(on loop: GLibExecutor, bytes handler: @escaping @Sendable ([UInt8]) -> Void) {
    guard isatty(STDIN_FILENO) == 1, Self.isInForeground, Self.takeTerminal() else { return nil }
    watch = DescriptorWatch(STDIN_FILENO, .read, on: loop) { _ in
      guard Self.isInForeground else { return }
      var keys = [UInt8](repeating: 0, count: 4096)
      let count = read(STDIN_FILENO, &keys, keys.count)
      if count > 0 { handler(Array(keys[..<count])) }
    }
  }

  /// Reads no more keys, and puts the terminal back.
  func end() {
    watch.invalidate()
    Self.restoreTerminal()
  }

  /// Whether reading standard input does not stop the process: a terminal must be ours now.
  static var mayRead: Bool { isatty(STDIN_FILENO) == 0 || isInForeground }

  private static var isInForeground: Bool { tcgetpgrp(STDIN_FILENO) == getpgrp() }

  // The terminal's settings from before. Allocated and filled once, before the handlers that read it are installed, and
  // never written again or freed: it is read in signal handlers, where there can be no lock.
  private static nonisolated(unsafe) let before = UnsafeMutablePointer<termios>.allocate(capacity: 1)

  private static let isPrepared: Bool = {
    before.initialize(to: termios())
    guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, before) == 0 else { return false }
    atexit { TerminalKeys.restoreTerminal() }
    for signal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT] {
      var action = sigaction()
      // Once: then the signal does what it does by default.
      action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | Int32(SA_NODEFER)
      action.__sigaction_handler.sa_handler = { number in
        TerminalKeys.restoreTerminal()
        raise(number)
      }
      sigaction(signal, &action, nil)
    }
    return true
  }()

  private static func takeTerminal() -> Bool {
    guard isPrepared else { return false }
    var settings = before.pointee
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
    return tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0
  }

  /// Puts the terminal back as it was; safe in a signal handler, and harmless when there is nothing to put back.
  static func restoreTerminal() {
    // From the background it would stop the process, and the shell has the terminal as it wants it.
    guard isatty(STDIN_FILENO) == 1, isInForeground, isPrepared else { return }
    tcsetattr(STDIN_FILENO, TCSANOW, before)
  }
}

extension CallGateway {
  /// What a key does.
  nonisolated func pressed(_ key: Character) {
    switch key {
    case "m": Task { await toggleMuted() }
    case "h": Task { await toggleHand() }
    case "q": Task { await leave() }
    default: break
    }
  }
}
