import GLibLoop
import Glibc

/// A standard stream for text whose writers never wait.
///
/// A terminal that is halted (Ctrl-S) or a reader that has stopped must hold up neither sound nor network. So a thread of
/// its own writes, in order; what the reader does not take is kept up to a limit, and what comes beyond is left out as whole
/// pieces, and counted.
final class TextStream: Sendable {
  static let standardOutput = TextStream(STDOUT_FILENO, name: "stdout")
  static let standardError = TextStream(STDERR_FILENO, name: "stderr")

  /// In bytes: what waits for the reader at most.
  static let capacity = 1 << 20

  private let queue: TextQueue
  private let loop: GLibExecutor
  private let timer: LoopTimer

  /// - Parameters:
  ///   - descriptor: It stays open.
  ///   - name: Of the thread.
  init(_ descriptor: Int32, name: String) {
    let queue = TextQueue(descriptor)
    self.queue = queue
    loop = GLibExecutor(name: name)
    timer = LoopTimer(on: loop) { queue.drain() }
  }

  /// Writes `text` soon, all of it or, where too much waits already, nothing.
  func write(_ text: String) {
    if queue.append(text) { timer.wake() }
  }

  /// Whether something waits for the reader.
  var isBusy: Bool { queue.isBusy }

  /// How many pieces were left out since the last call.
  func takeOmissions() -> Int { queue.takeOmissions() }

  /// Waits until all is written; a reader that takes nothing is given up after `limit`.
  func flush(within limit: Duration = .seconds(1)) {
    let deadline = ContinuousClock.now + limit
    while isBusy, ContinuousClock.now < deadline { usleep(500) }
  }
}

/// What waits for the reader of a `TextStream`.
private final class TextQueue: Sendable {
  private struct State {
    var waiting: [UInt8] = []
    var isWriting = false
    var omissions = 0
    /// Who reads our messages may be gone; that is no reason to stop.
    var isGone = false
  }

  private let descriptor: Int32
  private let state = Locked(State())

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// - Returns: Whether `drain` is to be called.
  func append(_ text: String) -> Bool {
    state.withLock { state in
      guard !state.isGone else { return false }
      guard state.waiting.isEmpty || state.waiting.count + text.utf8.count <= TextStream.capacity else {
        state.omissions += 1
        return false
      }
      state.waiting += text.utf8
      return !state.isWriting
    }
  }

  var isBusy: Bool { state.withLock { $0.isWriting || !$0.waiting.isEmpty } }

  func takeOmissions() -> Int {
    state.withLock { state in
      defer { state.omissions = 0 }
      return state.omissions
    }
  }

  /// Writes until nothing waits any more; on the stream's own thread, which may be held up here.
  func drain() {
    while true {
      let bytes = state.withLock { state -> [UInt8] in
        let bytes = state.waiting
        state.waiting = []
        state.isWriting = !bytes.isEmpty
        return bytes
      }
      guard !bytes.isEmpty else { return }
      guard write(bytes) else {
        return state.withLock { state in
          state.waiting = []
          (state.isWriting, state.isGone) = (false, true)
        }
      }
    }
  }

  private func write(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + sent, bytes.count - sent) }
      if count >= 0 {
        sent += count
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        // Whoever shares the descriptor with us has made it so.
        var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&query, 1, -1)
      default: return false
      }
    }
    return true
  }
}
