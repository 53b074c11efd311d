import Glibc
import Synchronization

/// Being stopped and continued from a shell: Ctrl-Z, `fg`, `bg`, `&`.
enum JobControl {
  private static let counter = Atomic<Int>(0)

  /// How often the process was continued so far: what a terminal showed or had set before is gone then.
  static var continuations: Int { counter.load(ordering: .relaxed) }

  /// Whether the terminal is ours to draw on. Where job control has no say, it is.
  static func isInForeground(_ terminal: Int32) -> Bool {
    let group = tcgetpgrp(terminal)
    return group < 0 || group == getpgrp()
  }

  /// From now on continuations are counted, and a stop by Ctrl-Z leaves the terminal as it was found.
  static func watch() { _ = isWatching }

  private static let isWatching: Bool = {
    // Made here, not in a signal handler.
    _ = counter.load(ordering: .relaxed)
    TerminalKeys.prepareForSignals()
    Console.prepareForSignals()
    var continued = sigaction()
    continued.sa_flags = SA_RESTART
    continued.__sigaction_handler.sa_handler = { _ in
      let number = errno
      JobControl.counter.add(1, ordering: .relaxed)
      JobControl.catchStop()
      errno = number
    }
    sigaction(SIGCONT, &continued, nil)
    var before = sigaction()
    sigaction(SIGTSTP, nil, &before)
    // Whoever started us without job control has it ignored.
    if unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_DFL, to: Int.self) {
      mayStop.store(true, ordering: .relaxed)
      catchStop()
    }
    return true
  }()

  private static let mayStop = Atomic<Bool>(false)

  private static func catchStop() {
    guard mayStop.load(ordering: .relaxed) else { return }
    var stopped = sigaction()
    // Once: then the signal does what it does by default.
    stopped.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | Int32(SA_NODEFER) | SA_RESTART
    stopped.__sigaction_handler.sa_handler = { signal in
      TerminalKeys.restoreTerminal()
      raise(signal)
    }
    sigaction(SIGTSTP, &stopped, nil)
  }
}
