import GLibLoop
import Gateway
import Glibc
import Synchronization

/// Single keys of the terminal on standard input, as they are pressed and without echo.
///
/// The terminal is as before when the process ends or is stopped, whichever way it does, short of SIGKILL and SIGSTOP.
/// Ctrl-C and its like stay signals. In the background no key is read, for they belong to whoever is in the foreground; as
/// soon as we are there, they are ours.
final class TerminalKeys: Sendable {
  private struct State {
    var watch: DescriptorWatch?
    var continuations = 0
    /// The terminal is gone.
    var isClosed = false
  }

  /// How often it is looked who has the terminal: a shell does not tell a job that already runs.
  private static let interval = Duration.milliseconds(300)

  private let loop: GLibExecutor
  private let handler: @Sendable ([UInt8]) -> Void
  private let state = Locked(State())
  private let timer: Locked<LoopTimer?> = Locked(nil)

  /// Nil where standard input is not the terminal that we are controlled from.
  /// - Parameter handler: Called on the loop's thread with each key.
  convenience init?(on loop: GLibExecutor, handler: @escaping @Sendable (Character) -> Void) {
    self.init(
      on: loop,
      bytes: { keys in
        var rest = keys[...]
        while let key = rest.popFirst() {
          if key == 0x1B { Self.skipSequence(&rest) } else { handler(Character(UnicodeScalar(key))) }
        }
      })
  }

  /// Nil where standard input is not the terminal that we are controlled from.
  /// - Parameter handler: Called on the loop's thread with what the terminal sends.
  init?(on loop: GLibExecutor, bytes handler: @escaping @Sendable ([UInt8]) -> Void) {
    guard isatty(STDIN_FILENO) == 1, tcgetpgrp(STDIN_FILENO) > 0, Self.isPrepared else { return nil }
    self.loop = loop
    self.handler = handler
    let timer = LoopTimer(on: loop) { [weak self] in self?.look() }
    self.timer.withLock { $0 = timer }
    timer.wake()
  }

  /// An arrow key, say, sends ESC and more, which is no key of ours.
  private static func skipSequence(_ keys: inout ArraySlice<UInt8>) {
    guard let kind = keys.popFirst(), kind == UInt8(ascii: "[") || kind == UInt8(ascii: "O") else { return }
    while let key = keys.popFirst(), !(0x40...0x7E).contains(key) {}
  }

  /// Whether keys reach us now.
  static var areOurs: Bool { tcgetpgrp(STDIN_FILENO) == getpgrp() }

  /// Reads no more keys, and puts the terminal back.
  func end() {
    timer.withLock { $0 }?.invalidate()
    state.withLock { state in
      state.isClosed = true
      state.watch?.invalidate()
      state.watch = nil
    }
    Self.restoreTerminal()
  }

  /// Whether reading standard input does not stop the process: a terminal must be ours now.
  static var mayRead: Bool { isatty(STDIN_FILENO) == 0 || areOurs }

  /// Takes the terminal when it has become ours, and lets go of it when it is somebody else's.
  private func look() {
    let isOpen = state.withLock { state in
      guard !state.isClosed else { return false }
      let continuations = JobControl.continuations
      guard Self.areOurs else {
        // Watched, the keys of others would wake us without end.
        state.watch?.invalidate()
        state.watch = nil
        return true
      }
      if state.watch == nil || state.continuations != continuations {
        guard Self.takeTerminal() else { return true }
        state.continuations = continuations
      }
      if state.watch == nil {
        state.watch = DescriptorWatch(STDIN_FILENO, .read, on: loop) { [weak self] _ in self?.read() }
      }
      return true
    }
    if isOpen { timer.withLock { $0 }?.schedule(at: .now + Self.interval) }
  }

  private func read() {
    guard Self.areOurs else { return look() }
    var keys = [UInt8](repeating: 0, count: 4096)
    let count = Glibc.read(STDIN_FILENO, &keys, keys.count)
    guard count > 0 else {
      if count == 0 || ![EINTR, EAGAIN].contains(errno) { end() }
      return
    }
    handler(Array(keys[..<count]))
  }

  // MARK: The terminal's settings

  // The settings from before. Allocated once and never freed. Written only while `isTaken` is off, read only by whoever has
  // turned that off: it is read in signal handlers, where there can be no lock.
  private static nonisolated(unsafe) let before = UnsafeMutablePointer<termios>.allocate(capacity: 1)
  private static let isTaken = Atomic<Bool>(false)

  private static let isPrepared: Bool = {
    before.initialize(to: termios())
    guard tcgetattr(STDIN_FILENO, before) == 0 else { return false }
    prepareForSignals()
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

  /// What signal handlers use is made now, not in one of them.
  static func prepareForSignals() { _ = isTaken.load(ordering: .relaxed) }

  private static func takeTerminal() -> Bool {
    let wasTaken = isTaken.exchange(false, ordering: .acquiringAndReleasing)
    var settings = termios()
    guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return false }
    let ours = tcflag_t(ICANON | ECHO)
    // After a SIGSTOP that no shell has noticed they are still our own.
    if !wasTaken || settings.c_lflag & ours != 0 { before.pointee = settings }
    settings.c_lflag &= ~ours
    isTaken.store(true, ordering: .releasing)
    return tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0
  }

  /// Puts the terminal back as it was; safe in a signal handler, and harmless when there is nothing to put back.
  static func restoreTerminal() {
    guard isTaken.exchange(false, ordering: .acquiringAndReleasing) else { return }
    // From the background it would stop the process, and the shell has the terminal as it wants it.
    guard areOurs else { return }
    tcsetattr(STDIN_FILENO, TCSANOW, before)
    Console.endPasting()
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
