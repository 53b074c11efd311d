import GLibLoop
import Glibc

/// The lines of standard input, one at a time: nothing is read before it is asked for, so that a program that writes faster
/// than its lines are dealt with is held back.
actor InputLines {
  private nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// In bytes: more than a chat takes of a message.
  private static let longestLine = 256 << 10

  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var isAtEnd = false
  private var waiting: CheckedContinuation<Void, Never>?
  private var watch: DescriptorWatch?

  init(descriptor: Int32 = STDIN_FILENO, on loop: GLibExecutor = .files) {
    self.descriptor = descriptor
    self.loop = loop
  }

  /// The next line, without its end; a longer one than can be of use comes in pieces. Nil at the end of the input, or
  /// when the task is cancelled.
  func next() async -> String? {
    while true {
      if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) { return take(end, dropping: 1) }
      if buffer.count >= Self.longestLine { return take(buffer.count) }
      if isAtEnd { return buffer.isEmpty ? nil : take(buffer.count) }
      await untilReadable()
      guard !Task.isCancelled else { return nil }
      read()
    }
  }

  private func take(_ count: Int, dropping end: Int = 0) -> String {
    var line = buffer[..<count]
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    defer { buffer.removeFirst(count + end) }
    return String(decoding: line, as: UTF8.self)
  }

  private func untilReadable() async {
    let stop = LoopTimer(on: loop, in: self) { $0.wake() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiting = continuation
        watch = DescriptorWatch(descriptor, .read, on: loop) { [weak self] _ in self?.assumeIsolated { $0.wake() } }
      }
    } onCancel: {
      stop.wake()
    }
    stop.invalidate()
  }

  private func wake() {
    watch?.invalidate()
    watch = nil
    waiting?.resume()
    waiting = nil
  }

  private func read() {
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    if count > 0 {
      buffer += bytes[..<count]
    } else if count == 0 || (errno != EINTR && errno != EAGAIN) {
      isAtEnd = true
    }
  }
}
