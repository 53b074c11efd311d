import FoundationEssentials
import GLibLoop
import Glibc
import Transcripts
import Transport

/// A transcript of what this process and servers say to each other (`--trace`), in a file that only its owner can read.
///
/// Every line is written at once and whole, so that the file is good up to the last moment however the process ends. That
/// is done on a thread of its own: a slow disk costs lines, never sound. When the file cannot be written any more it ends
/// with its last whole line, and that is told once.
final class TraceFile: Sendable {
  /// That of the command that runs, if it has one.
  @TaskLocal static var current: TraceFile?

  private struct Entry {
    let traffic: Traffic
    let who: String
    let now: ContinuousClock.Instant
    let date: Double
  }

  private struct Waiting {
    var entries: [Entry] = []
    var bytes = 0
    var leftOut = 0
    var isOver = false
  }

  private let waiting = Locked(Waiting())
  private let mostWaiting: Int
  private let writer: TraceWriter
  private let timer: LoopTimer

  /// Makes the file, or empties the one that is there.
  convenience init(path: String) throws(Failure) {
    func unusable(_ reason: String) -> Failure {
      Failure("The trace \(path) cannot be written: \(reason).", .outputUnwritable, identifier: "trace-unwritable")
    }
    // Not before it is known whose it is: what others can read must not be what we write to.
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else { throw unusable(String(cString: strerror(errno))) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw unusable("it is no ordinary file")
    }
    guard fchmod(descriptor, 0o600) == 0, ftruncate(descriptor, 0) == 0 else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw unusable(reason)
    }
    self.init(descriptor: descriptor) { complain("the trace \(path) ends here: \($0)") }
  }

  /// - Parameters:
  ///   - descriptor: Is closed at the end.
  ///   - mostWaiting: How much may wait for the disk, in bytes.
  ///   - complain: Is told why it ends before its time, once.
  init(descriptor: Int32, mostWaiting: Int = 32 << 20, complain: @escaping @Sendable (String) -> Void) {
    self.mostWaiting = mostWaiting
    let loop = GLibExecutor(name: "trace")
    let writer = TraceWriter(descriptor, on: loop, complain)
    self.writer = writer
    timer = LoopTimer(on: loop) { [waiting] in
      let batch = waiting.withLock { waiting in
        let batch = (waiting.entries, waiting.leftOut)
        (waiting.entries, waiting.bytes, waiting.leftOut) = ([], 0, 0)
        return batch
      }
      let isGood = writer.assumeIsolated { writer in
        for entry in batch.0 { writer.write(entry.traffic, entry.who, entry.now, entry.date) }
        return writer.note(leftOut: batch.1)
      }
      if !isGood { waiting.withLock { $0.isOver = true } }
    }
  }

  /// Takes down what one client of this process hears and says.
  func observer(_ who: String) -> TrafficObserver {
    { [waiting, timer, mostWaiting] traffic in
      let entry = Entry(traffic: traffic, who: who, now: .now, date: Date.now.timeIntervalSince1970)
      let size = traffic.size
      waiting.withLock { waiting in
        guard !waiting.isOver else { return }
        guard waiting.bytes + size <= mostWaiting else {
          waiting.leftOut += 1
          return
        }
        waiting.bytes += size
        waiting.entries.append(entry)
      }
      timer.wake()
    }
  }

  /// Waits until all is written.
  func finish() async {
    while waiting.withLock({ !$0.isOver && !($0.entries.isEmpty && $0.leftOut == 0) }) {
      timer.wake()
      try? await Task.sleep(for: .milliseconds(1))
    }
    await writer.finish()
  }
}

/// Writes the lines, on the trace's loop.
private actor TraceWriter {
  private nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private var descriptor: Int32
  private var transcript = Transcript(start: .now)
  private let complain: @Sendable (String) -> Void

  init(_ descriptor: Int32, on loop: GLibExecutor, _ complain: @escaping @Sendable (String) -> Void) {
    self.descriptor = descriptor
    self.loop = loop
    self.complain = complain
  }

  func write(_ traffic: Traffic, _ who: String, _ now: ContinuousClock.Instant, _ date: Double) {
    guard descriptor >= 0 else { return }
    write(Array((transcript.line(traffic, who: who, at: now, date: date) + "\n").utf8))
  }

  /// - Returns: Whether more can be written.
  func note(leftOut: Int) -> Bool {
    if leftOut > 0, descriptor >= 0 {
      let text = "\(leftOut) left out: the disk is too slow"
      let line = transcript.note(text, at: .now, date: Date.now.timeIntervalSince1970)
      write(Array((line + "\n").utf8))
    }
    return descriptor >= 0
  }

  func finish() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  private func write(_ line: [UInt8]) {
    let end = lseek(descriptor, 0, SEEK_END)
    var written = 0
    while written < line.count {
      let count = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, line.count - written) }
      if count > 0 {
        written += count
      } else if errno != EINTR {
        let reason = String(cString: strerror(errno))
        // Half a line is none.
        if written > 0 { ftruncate(descriptor, end) }
        finish()
        return complain(reason)
      }
    }
  }
}

extension Traffic {
  /// About what it takes in memory.
  fileprivate var size: Int {
    switch self {
    case .request(_, let url, _, _, let body): 512 + url.utf8.count + (body?.count ?? 0)
    case .reply(let url, _, _, let body): 512 + url.utf8.count + body.count
    case .messageSent(let text), .messageReceived(let text), .dataSent(_, let text), .dataReceived(_, let text):
      256 + text.utf8.count
    case .requestFailed, .socketOpened, .socketFailed, .socketClosed, .peerState: 512
    }
  }
}
