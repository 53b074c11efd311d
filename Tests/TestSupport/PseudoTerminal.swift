internal import Foundation
internal import GLibLoop
internal import Glibc

/// A terminal without a screen of glass: a program runs in it, a test types and looks.
public final class PseudoTerminal: Sendable {
  private struct Seen {
    var screen: TerminalScreen
    var bytes: [UInt8] = []
    var marks = 0
  }

  private let master: Int32
  /// The program's side.
  private let slave: Int32
  private let seen: Locked<Seen>

  public init(columns: Int, rows: Int) throws {
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var number: UInt32 = 0
    var unlocked: Int32 = 0
    // TIOCSPTLCK and TIOCGPTN of <asm-generic/ioctls.h>, which the importer does not see.
    guard master >= 0, ioctl(master, 0x4004_5431, &unlocked) == 0, ioctl(master, 0x8004_5430, &number) == 0 else {
      throw RigError("no pseudo-terminal: errno \(errno)")
    }
    let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard slave >= 0 else {
      Glibc.close(master)
      throw RigError("no /dev/pts/\(number): errno \(errno)")
    }
    (self.master, self.slave) = (master, slave)
    seen = Locked(Seen(screen: TerminalScreen(columns: columns, rows: rows)))
    setSize(columns, rows)
    let seen = seen
    let thread = inThread {
      var buffer = [UInt8](repeating: 0, count: 4096)
      while case let count = read(master, &buffer, buffer.count), count > 0 || errno == EINTR {
        seen.withLock { [bytes = buffer[..<max(0, count)]] seen in
          seen.screen.receive(bytes.filter { $0 != 0 })
          seen.bytes += bytes
          seen.marks += bytes.count { $0 == 0 }
        }
      }
      Glibc.close(master)
    }
    pthread_detach(thread)
  }

  deinit {
    // Whoever still runs in it gets SIGHUP, and our thread sees the end.
    let group = tcgetpgrp(master)
    if group > 0 { killpg(group, SIGKILL) }
    Glibc.close(slave)
  }

  /// Starts a program that has this terminal for its own.
  /// - Returns: What waits for it, and ends as it does.
  public func start(
    _ program: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> ChildProcess {
    try ChildProcess(
      "setsid", ["--ctty", "--wait", ChildProcess.executable(program)] + arguments,
      environment: ["TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": ""].merging(environment) { _, new in new },
      input: .descriptor(slave), output: .descriptor(slave), errorOutput: .descriptor(slave))
  }

  /// What it shows now.
  public var screen: TerminalScreen { seen.withLock { $0.screen } }
  /// All that was written to it so far.
  public var text: String { String(decoding: seen.withLock { $0.bytes }, as: UTF8.self) }

  /// Waits until all that was written to it so far is on the screen.
  public func settle() async throws {
    let marks = seen.withLock { $0.marks }
    var mark: UInt8 = 0
    write(slave, &mark, 1)
    try await eventually("the terminal's output") { seen.withLock { $0.marks } > marks }
  }

  /// Types; a control character does what it does on any terminal.
  public func type(_ keys: String) {
    let bytes = Array(keys.utf8)
    _ = bytes.withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
  }

  /// Makes it larger or smaller; the program in the foreground gets SIGWINCH.
  public func resize(columns: Int, rows: Int) {
    seen.withLock { $0.screen.resize(columns: columns, rows: rows) }
    setSize(columns, rows)
  }

  private func setSize(_ columns: Int, _ rows: Int) {
    var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  /// Whether it shows what is typed, and hands it out by lines, as terminals usually do.
  public var isAsUsual: Bool {
    var settings = termios()
    let usual = tcflag_t(ECHO | ICANON)
    return tcgetattr(slave, &settings) == 0 && settings.c_lflag & usual == usual
  }

  /// The process group in the foreground.
  public var foregroundGroup: Int32 { tcgetpgrp(master) }
}
