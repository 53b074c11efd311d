public import Audio
public import GLibLoop
internal import Glibc

/// Raw sound to standard output: signed 16-bit little-endian samples (`s16le`), 48 kHz, mono, at the pace of the clock.
///
/// A reader that is slow does not hold up anything: one second is kept for it, then the oldest sound is dropped and
/// counted. When the reader goes away, `run` returns.
public actor PipeOutput: AudioOutput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let descriptor: Int32
  private let name: String
  private let ring = SampleRing(capacity: PCM.sampleRate)
  private let dropped = Locked(0)
  private var provider: (any SampleProvider)?
  private var pace = Pace(start: .now)
  private var rendered = 0
  private var written = 0
  private var timer: LoopTimer?
  private var watch: DescriptorWatch?
  private var block = [Float](repeating: 0, count: PCM.blockSize)
  /// A block on its way, and the part of it that the reader has not taken yet. It is at most `PIPE_BUF` long, so a pipe
  /// that is ready takes it without making us wait.
  private var bytes = [UInt8](repeating: 0, count: 2 * PCM.blockSize)
  private var unsent = 0..<0
  private var end: RunEnd?

  /// - Parameters:
  ///   - descriptor: Where to write; it stays open.
  ///   - name: What errors call it.
  ///   - loop: Where it is written.
  public init(
    descriptor: Int32 = 1, name: String = "standard output", on loop: GLibExecutor = .files
  ) {
    self.descriptor = descriptor
    self.name = name
    self.loop = loop
  }

  /// Checks that the descriptor is one that can be written, and makes the process ignore SIGPIPE.
  /// - Throws: `notWritable`, for a terminal too.
  public func open() throws(AudioFileError) {
    let flags = fcntl(descriptor, F_GETFL)
    guard flags >= 0 else { throw .notWritable(path: name, reason: systemReason(errno)) }
    guard flags & O_ACCMODE != O_RDONLY else { throw .notWritable(path: name, reason: "open for reading only") }
    guard isatty(descriptor) == 0 else {
      throw .notWritable(path: name, reason: "it is a terminal, and raw sound is not text; send it to a pipe or a file")
    }
    signal(SIGPIPE, SIG_IGN)
  }

  /// Samples that were dropped because the reader did not keep up.
  public nonisolated var droppedSampleCount: Int { dropped.withLock { $0 } }

  /// Writes until the task is cancelled or the reader is gone; `Task.isCancelled` tells which.
  /// - Throws: `diskFull` or `writeFailed`.
  public func run(_ provider: any SampleProvider) async throws(AudioFileError) {
    let end = RunEnd()
    self.end = end
    self.provider = provider
    pace = Pace(start: .now)
    rendered = 0
    timer = LoopTimer(on: loop, in: self) { $0.tick() }
    tick()
    let outcome = await end.outcome(on: loop)
    timer?.invalidate()
    unwatch()
    self.provider = nil
    self.end = nil
    try outcome.get()
  }

  private func tick() {
    guard let provider, let end, !end.isReached else { return }
    let now = ContinuousClock.now
    skipWhatCannotBeHeld(at: now)
    while rendered < pace.blocks(at: now) {
      rendered += 1
      var span = block.mutableSpan
      provider.render(into: &span, at: now)
      drop(ring.append(block.span))
    }
    // While a watch stands, the reader is slow, and it will tell when there is room.
    if watch == nil { send() }
    timer?.schedule(at: pace.start(ofBlock: rendered + 1))
  }

  /// After a standstill of more than the ring's second, the time before that second is over.
  private func skipWhatCannotBeHeld(at now: ContinuousClock.Instant) {
    let excess = pace.blocks(at: now) - rendered - ring.capacity / PCM.blockSize
    guard excess > 0 else { return }
    rendered += excess
    drop(excess * PCM.blockSize)
  }

  private func drop(_ count: Int) {
    if count > 0 { dropped.withLock { $0 += count } }
  }

  /// Writes as much as can be written without waiting.
  private func send() {
    while prepare() {
      var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&query, 1, 0) != 0 else { return waitForRoom() }
      let count = bytes.withUnsafeBytes { bytes in
        let start = bytes.baseAddress! + unsent.lowerBound
        let count = Glibc.send(descriptor, start, unsent.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        return count < 0 && errno == ENOTSOCK ? write(descriptor, start, unsent.count) : count
      }
      guard count >= 0 else {
        switch errno {
        case EINTR: continue
        case EAGAIN: return waitForRoom()
        case EPIPE, ECONNRESET: return stop()
        case ENOSPC, EDQUOT: return stop(.failure(.diskFull(path: name, written: PCM.duration(of: written))))
        case let code:
          return stop(
            .failure(.writeFailed(path: name, reason: systemReason(code), written: PCM.duration(of: written))))
        }
      }
      unsent = (unsent.lowerBound + count)..<unsent.upperBound
    }
    unwatch()
  }

  /// Makes the next block the one to be sent if the last one is through.
  /// - Returns: Whether there is anything to send.
  private func prepare() -> Bool {
    guard unsent.isEmpty else { return true }
    var samples = block.mutableSpan
    let count = ring.take(into: &samples)
    var encoded = bytes.mutableSpan
    PCM16.encode(block.span.extracting(first: count), intoLittleEndian: &encoded)
    unsent = 0..<(2 * count)
    written += count
    return count > 0
  }

  private func waitForRoom() {
    guard watch == nil else { return }
    watch = DescriptorWatch(descriptor, .write, on: loop) { [weak self] _ in self?.assumeIsolated { $0.send() } }
  }

  private func unwatch() {
    watch?.invalidate()
    watch = nil
  }

  private func stop(_ result: Result<Void, AudioFileError> = .success(())) {
    unwatch()
    end?.reach(result)
  }
}
