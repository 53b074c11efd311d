public import Audio
public import GLibLoop
internal import Glibc

/// Raw sound from standard input: signed 16-bit little-endian samples (`s16le`), 48 kHz, mono.
///
/// A pipe is read no more than a tenth of a second ahead and its kernel buffer is made small, so that what a live
/// program writes is sent soon; a program that could write faster is held back. After the end comes silence.
///
/// Pipes, sockets and terminals are read on the loop that hands blocks out: they never make it wait, and its priority is
/// that of sound. A file may have to wait for its disk, and is read elsewhere, a second ahead.
public actor PipeInput: AudioInput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// `F_SETPIPE_SZ` of <linux/fcntl.h>, which the importer does not see.
  private static let setPipeSize: Int32 = 1031

  private let descriptor: Int32
  private let name: String
  private let pacingLoop: GLibExecutor
  private let ring: SampleRing
  private let underruns = Locked(0)
  private var bytes: [UInt8]
  private var samples: [Float]
  /// Bytes at the beginning of `bytes` that are half a sample: 0 or 1.
  private var carried = 0
  private var watch: DescriptorWatch?
  private var end: RunEnd?

  /// - Parameters:
  ///   - descriptor: What to read; it stays open.
  ///   - name: What errors call it.
  ///   - fileLoop: Where it is read if it is a file.
  ///   - pacingLoop: Where blocks are handed out.
  public init(
    descriptor: Int32 = 0, name: String = "standard input", filesOn fileLoop: GLibExecutor = .files,
    pacedOn pacingLoop: GLibExecutor = .audio
  ) {
    self.descriptor = descriptor
    self.name = name
    self.pacingLoop = pacingLoop
    var status = stat()
    let isFile = fstat(descriptor, &status) == 0 && [S_IFREG, S_IFBLK].contains(status.st_mode & S_IFMT)
    loop = isFile ? fileLoop : pacingLoop
    ring = SampleRing(capacity: isFile ? PCM.sampleRate : PCM.sampleRate / 10)
    samples = Array(repeating: 0, count: ring.capacity)
    bytes = Array(repeating: 0, count: 2 * ring.capacity)
  }

  /// Checks that the descriptor is one that can be read.
  /// - Throws: `unreadable`, for a terminal too.
  public func open() throws(AudioFileError) {
    let flags = fcntl(descriptor, F_GETFL)
    guard flags >= 0 else { throw .unreadable(path: name, reason: systemReason(errno)) }
    guard flags & O_ACCMODE != O_WRONLY else { throw .unreadable(path: name, reason: "open for writing only") }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: name, reason: systemReason(errno)) }
    guard isatty(descriptor) == 0 else {
      throw .unreadable(
        path: name, reason: "it is a terminal, and raw sound is not text; take it from a pipe or a file")
    }
    if status.st_mode & S_IFMT == S_IFDIR { throw .unreadable(path: name, reason: systemReason(EISDIR)) }
    // One page, 43 ms. Only pipes have this, and only those that hold no more already; refusal does no harm.
    _ = fcntl(descriptor, Self.setPipeSize, 4096)
  }

  /// How often silence was sent because the writer did not keep up.
  public nonisolated var underrunCount: Int { underruns.withLock { $0 } }

  /// Hands out blocks on the pacing loop until the task is cancelled.
  /// - Throws: `readFailed`.
  public func run(_ receive: @escaping @Sendable (Span<Float>) -> Void) async throws(AudioFileError) {
    let end = RunEnd()
    self.end = end
    let refill = LoopTimer(on: loop, in: self) { $0.fill() }
    let pacer = BlockPacer(ring, refill: refill, underruns: underruns, on: pacingLoop, receive: receive)
    fill()
    await pacer.start()
    let outcome = await end.outcome(on: loop)
    await pacer.stop()
    refill.invalidate()
    unwatch()
    self.end = nil
    try outcome.get()
  }

  /// Reads what is there and fits. Never waits: the descriptor is asked before each read.
  private func fill() {
    guard let end, !end.isReached, !ring.isComplete else { return }
    while ring.room > 0 {
      var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&query, 1, 0) != 0 else { return waitForInput() }
      let wanted = min(2 * ring.room, bytes.count) - carried
      let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + carried, wanted) }
      if count < 0 {
        switch errno {
        case EINTR: continue
        case EAGAIN: return waitForInput()
        case let code:
          end.reach(.failure(.readFailed(path: name, reason: systemReason(code))))
          return unwatch()
        }
      }
      if count == 0 {
        ring.complete()
        return unwatch()
      }
      store(carried + count)
    }
    // Until there is room again, being readable must not wake us.
    unwatch()
  }

  private func store(_ byteCount: Int) {
    let count = byteCount / 2
    var decoded = samples.mutableSpan
    PCM16.decode(littleEndian: bytes.span.extracting(first: 2 * count), into: &decoded)
    _ = ring.append(samples.span.extracting(first: count))
    carried = byteCount % 2
    if carried == 1 { bytes[0] = bytes[byteCount - 1] }
  }

  private func waitForInput() {
    guard watch == nil else { return }
    watch = DescriptorWatch(descriptor, .read, on: loop) { [weak self] _ in self?.assumeIsolated { $0.fill() } }
  }

  private func unwatch() {
    watch?.invalidate()
    watch = nil
  }
}
