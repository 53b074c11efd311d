public import Audio
public import GLibLoop

/// Plays a call on a PulseAudio sink, 20 ms behind.
///
/// The sink's clock sets the pace: the provider is asked on the audio loop when the server wants samples. While the sink
/// stands still or the server is away, the provider is asked at the pace of the clock and what it gives is dropped, so
/// that sound is current when it comes back.
public actor PulseOutput: AudioOutput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let sink: String?
  private let server: String?
  private let report: @Sendable (PulseEvent) -> Void
  private var session: PulseSession?
  /// Closes the session on its loop when this object goes.
  private var sessionCleanup: LoopCleanup?
  private var provider: (any SampleProvider)?
  private var watchdog = DeviceWatchdog(at: .now)
  private var timer: LoopTimer?
  private var dropped = [Float](repeating: 0, count: PCM.blockSize)

  /// - Parameters:
  ///   - sink: Its name; nil for the default one.
  ///   - server: In libpulse's notation (`unix:/path`, `tcp:host`); nil for the user's own.
  ///   - loop: Where the provider is asked.
  ///   - report: Told on the loop's thread what happens on the way.
  public init(
    sink: String? = nil, server: String? = nil, on loop: GLibExecutor = .audio,
    report: @escaping @Sendable (PulseEvent) -> Void = { _ in }
  ) {
    self.sink = sink
    self.server = server
    self.loop = loop
    self.report = report
  }

  /// Connects to the server and checks that the sink is there.
  /// - Throws: `noServer`, `noSink` or `failed`.
  public func open() async throws(PulseError) {
    let session = PulseSession(.playback, device: sink, server: server, on: loop, report: report)
    do throws(PulseError) {
      try await session.open()
    } catch {
      session.close()
      throw error
    }
    self.session?.close()
    self.session = session
    nonisolated(unsafe) let owned = session  // used once more, on the loop's thread
    sessionCleanup = LoopCleanup(on: loop) { owned.close() }
  }

  /// The figures of now.
  public var statistics: PulseStatistics { session?.statistics ?? PulseStatistics() }

  /// Plays until the task is cancelled; a server or a sink that goes away is waited for.
  /// - Throws: `noServer` or `failed`, at the start only.
  public func run(_ provider: any SampleProvider) async throws(PulseError) {
    guard let session else { preconditionFailure("a PulseAudio output must be opened before it runs") }
    self.provider = provider
    watchdog = DeviceWatchdog(at: .now)
    let timer = LoopTimer(on: loop) { [weak self] in self?.assumeIsolated { $0.standIn() } }
    let stop = LoopTimer(on: loop) { [weak self] in self?.assumeIsolated { $0.session?.close() } }
    self.timer = timer
    timer.schedule(at: watchdog.due)
    defer {
      timer.invalidate()
      stop.invalidate()
      self.provider = nil
      session.close()
    }
    let result = await withTaskCancellationHandler {
      await flow(through: session)
    } onCancel: {
      stop.wake()
    }
    try result.get()
  }

  private func flow(through session: PulseSession) async -> Result<Void, PulseError> {
    do throws(PulseError) {
      try await session.run { stream, count in self.play(count, on: stream) }
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  /// The server wants `count` samples.
  private func play(_ count: Int, on stream: PulseStream) {
    guard let provider else { return }
    let now = ContinuousClock.now
    watchdog.transfer(at: now)
    timer?.schedule(at: watchdog.due)
    // After a long standstill the server wants all the time that has passed; nobody would hear it.
    let isStale = count > PCM.sampleRate
    var remaining = isStale ? PCM.blockSize : count
    var isFirst = true
    while remaining > 0 {
      let written = stream.write(min(remaining, PCM.blockSize), afterGap: isStale && isFirst) { samples in
        provider.render(into: &samples, at: now)
      }
      guard written > 0 else { return }
      remaining -= written
      isFirst = false
    }
  }

  private func standIn() {
    guard let provider else { return }
    let now = ContinuousClock.now
    for _ in 0..<watchdog.blocks(at: now) {
      var samples = dropped.mutableSpan
      provider.render(into: &samples, at: now)
    }
    timer?.schedule(at: watchdog.due)
  }
}
