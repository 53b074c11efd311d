import GLibLoop
import Glibc

/// The signals that ask the program to end.
enum Interrupts {
  /// Calls `handler` on the network loop for each of them, as long as the result is kept.
  static func watched(_ handler: @escaping @Sendable () -> Void) -> [SignalWatch] {
    // Under nohup the terminal may close.
    [SIGINT, SIGTERM, SIGHUP].filter { $0 != SIGHUP || !isIgnored($0) }.map { signal in
      SignalWatch(signal, on: .network, handler: handler)
    }
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    return sigaction(signal, nil, &action) == 0
      && unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
