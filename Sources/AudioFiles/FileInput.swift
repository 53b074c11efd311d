public import Audio
public import GLibLoop

/// Plays a sound file into the call: once, then silence, or over and over.
///
/// Any rate, any number of channels (mixed to one), any encoding libsndfile reads. The file is read ahead by half a
/// second, so that a slow disk is not heard.
public actor FileInput: AudioInput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let path: String
  private let repeats: Bool
  private let pacingLoop: GLibExecutor
  private let ring = SampleRing(capacity: PCM.sampleRate / 2)
  private let underruns = Locked(0)
  private var source: SoundFileReader?
  private var end: RunEnd?

  /// - Parameters:
  ///   - path: The file.
  ///   - repeats: Starts over at the end, without a gap.
  ///   - loop: Where the file is read.
  ///   - pacingLoop: Where blocks are handed out.
  public init(
    path: String, repeats: Bool = false, on loop: GLibExecutor = .files, pacedOn pacingLoop: GLibExecutor = .audio
  ) {
    self.path = path
    self.repeats = repeats
    self.loop = loop
    self.pacingLoop = pacingLoop
  }

  /// Opens the file and reads its header.
  /// - Throws: `missing`, `unreadable` or `notAudio`.
  public func open() throws(AudioFileError) {
    source = try SoundFileReader(path: path, repeats: repeats)
  }

  /// How often silence was sent because the disk did not keep up.
  public nonisolated var underrunCount: Int { underruns.withLock { $0 } }

  /// Hands out blocks on the pacing loop until the task is cancelled.
  /// - Throws: `readFailed`.
  public func run(_ receive: @escaping @Sendable (Span<Float>) -> Void) async throws(AudioFileError) {
    precondition(source != nil, "a file must be opened before it is played")
    let end = RunEnd()
    self.end = end
    let refill = LoopTimer(on: loop, in: self) { $0.fill() }
    let pacer = BlockPacer(ring, refill: refill, underruns: underruns, on: pacingLoop, receive: receive)
    fill()
    await pacer.start()
    let outcome = await end.outcome(on: loop)
    await pacer.stop()
    refill.invalidate()
    self.end = nil
    try outcome.get()
  }

  private func fill() {
    guard let end, !end.isReached, !ring.isComplete else { return }
    do throws(AudioFileError) {
      try source?.fill(ring)
    } catch {
      end.reach(.failure(error))
    }
  }
}
