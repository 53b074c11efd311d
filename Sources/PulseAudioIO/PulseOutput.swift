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
  private var end: PulseEnd?
  private var provider: (any SampleProvider)?
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
    end = try await .opened(.playback, device: sink, server: server, on: loop, report: report)
  }

  /// The figures of now.
  public var statistics: PulseStatistics { end?.statistics ?? PulseStatistics() }

  /// Plays until the task is cancelled; a server or a sink that goes away is waited for.
  /// - Throws: `noServer` or `failed`, at the start only.
  public func run(_ provider: any SampleProvider) async throws(PulseError) {
    guard let end else { preconditionFailure("a PulseAudio output must be opened before it runs") }
    self.provider = provider
    defer { self.provider = nil }
    try await end.run(
      transfer: { stream, count in self.play(count, on: stream) },
      standIn: { blocks in self.standIn(for: blocks) })
  }

  /// The server wants `count` samples.
  private func play(_ count: Int, on stream: PulseStream) {
    guard let provider else { return }
    let now = ContinuousClock.now
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

  private func standIn(for blocks: Int) {
    guard let provider else { return }
    let now = ContinuousClock.now
    for _ in 0..<blocks {
      var samples = dropped.mutableSpan
      provider.render(into: &samples, at: now)
    }
  }
}
