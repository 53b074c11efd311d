public import Audio
public import GLibLoop
internal import Glibc

/// Records to a WAV file (48 kHz, mono, 16 bit) for as long as it takes: the file turns into RF64 beyond 4 GiB.
///
/// The recording is paced by the clock of the machine: its length is the time that `run` took, to 20 ms, whatever the
/// disk does; blocks that a slow disk delayed are asked for afterwards, none is left out. The header on disk is brought
/// up to date every second, so a recording that dies with the machine is short of a second, not broken.
///
/// An existing file keeps its contents until `run` starts. One `run` for each `open`.
public actor WAVRecorder: AudioOutput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// 100 ms.
  public static let defaultTurn = 5

  private let path: String
  private let turn: Int
  private var descriptor: Int32 = -1
  /// Whether the file was not there before.
  private var isNew = false
  private var file: WAVFile?
  private var provider: (any SampleProvider)?
  private var pace = Pace(start: .now)
  private var timer: LoopTimer?
  private var block = [Float](repeating: 0, count: PCM.blockSize)
  private var headerDue = 0
  private var end: RunEnd?

  /// - Parameters:
  ///   - path: The file. Its folder must exist; a file that is there is overwritten. A device may be named too.
  ///   - turn: How many blocks are asked for at a time. A thread that sleeps for longer costs less; a recording has time.
  ///   - loop: Where the file is written.
  public init(path: String, turn: Int = defaultTurn, on loop: GLibExecutor = .files) {
    precondition(turn > 0, "a recorder asks for a block at least")
    self.path = path
    self.turn = turn
    self.loop = loop
  }

  deinit {
    let descriptor = descriptor
    if descriptor >= 0 { close(descriptor) }
  }

  /// Opens the file, creating it if need be.
  /// - Throws: `notWritable` or `inUse`.
  public func open() throws(AudioFileError) {
    precondition(descriptor < 0, "a recorder is opened once")
    // Without O_NONBLOCK a pipe that nobody reads would hold us up here.
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK
    var opened = Glibc.open(path, flags | O_EXCL, 0o644)
    isNew = opened >= 0
    if opened < 0, errno == EEXIST { opened = Glibc.open(path, flags, 0o644) }
    guard opened >= 0 else { throw .notWritable(path: path, reason: systemReason(errno)) }
    do throws(AudioFileError) {
      try Self.check(opened, path)
    } catch {
      close(opened)
      throw error
    }
    descriptor = opened
  }

  /// Gives up a file that was opened and is not to be recorded to: a new one goes away again, another stays as it was.
  public func discard() {
    guard descriptor >= 0 else { return }
    if isNew { unlink(path) }
    close(descriptor)
    descriptor = -1
  }

  private static func check(_ descriptor: Int32, _ path: String) throws(AudioFileError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .notWritable(path: path, reason: systemReason(errno)) }
    switch status.st_mode & S_IFMT {
    case S_IFREG:
      // File systems without locks answer otherwise, and then there is none.
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { throw .inUse(path: path) }
    case S_IFCHR, S_IFBLK:
      break
    default:
      throw .notWritable(path: path, reason: "a WAV file cannot be written to a pipe; use - for raw sound")
    }
  }

  /// Samples written so far.
  public var sampleCount: Int { file?.sampleCount ?? 0 }

  /// Records until the task is cancelled.
  /// - Throws: `diskFull` or `writeFailed`; the file is complete up to there.
  public func run(_ provider: any SampleProvider) async throws(AudioFileError) {
    precondition(descriptor >= 0, "a recorder must be opened before it runs")
    // From here on the descriptor is the file's.
    let descriptor = self.descriptor
    self.descriptor = -1
    // Refused by devices, which need no emptying.
    ftruncate(descriptor, 0)
    let file = try WAVFile(descriptor: descriptor, path: path)
    let end = RunEnd()
    (self.file, self.end, self.provider) = (file, end, provider)
    pace = Pace(start: .now)
    timer = LoopTimer(on: loop, in: self) { $0.tick() }
    tick()
    let outcome = await end.outcome(on: loop)
    timer?.invalidate()
    (self.file, self.end, self.provider) = (nil, nil, nil)
    try complete(file, from: provider, after: outcome)
  }

  private func tick() {
    guard let end, !end.isReached, let timer, let provider, let file else { return }
    let now = ContinuousClock.now
    let due = pace.blocks(at: now) * PCM.blockSize
    // A second at most in one go, so that the loop serves others while we make up for a long delay.
    let target = min(due, file.sampleCount + PCM.sampleRate)
    do throws(AudioFileError) {
      while file.sampleCount < target { try record(&block, from: provider, to: file, at: now) }
      if file.sampleCount >= headerDue {
        try file.updateHeader()
        headerDue = file.sampleCount + PCM.sampleRate
      }
    } catch {
      return end.reach(.failure(error))
    }
    if target < due { timer.wake() } else { timer.schedule(at: pace.start(ofBlock: due / PCM.blockSize + turn)) }
  }

  private func record(
    _ samples: inout [Float], from provider: any SampleProvider, to file: WAVFile, at now: ContinuousClock.Instant
  ) throws(AudioFileError) {
    var span = samples.mutableSpan
    provider.render(into: &span, at: now)
    try file.append(samples.span)
  }

  /// Writes what is due, the last piece cut to the sample, and closes the file, whatever happened to it before.
  private func complete(
    _ file: WAVFile, from provider: any SampleProvider, after outcome: Result<Void, AudioFileError>
  ) throws(AudioFileError) {
    var outcome = outcome
    do throws(AudioFileError) {
      try outcome.get()
      let now = ContinuousClock.now
      let due = min(pace.samples(at: now), file.sampleCount + PCM.sampleRate)
      while file.sampleCount < due {
        var samples = [Float](repeating: 0, count: min(PCM.blockSize, due - file.sampleCount))
        try record(&samples, from: provider, to: file, at: now)
      }
    } catch {
      outcome = .failure(error)
    }
    do throws(AudioFileError) {
      try file.close()
    } catch {
      try outcome.get()
      throw error
    }
    try outcome.get()
  }
}
