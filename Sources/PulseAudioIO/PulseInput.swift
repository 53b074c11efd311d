public import Audio
public import GLibLoop

/// Takes what a PulseAudio source captures, 20 ms behind; a sink's monitor is a source too (`NAME.monitor`).
///
/// The source's clock sets the pace. While it stands still or the server is away, silence is handed out at the pace of
/// the clock, so that what is sent never stops.
public actor PulseInput: AudioInput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// What is older when we come to it is dropped: it would be late for the rest of the call.
  private static let tolerated = PCM.sampleRate / 5

  private let source: String?
  private let server: String?
  private let report: @Sendable (PulseEvent) -> Void
  private var end: PulseEnd?
  private var receive: (@Sendable (Span<Float>) -> Void)?
  /// The block that is being filled, and how far it is.
  private var block = [Float](repeating: 0, count: PCM.blockSize)
  private var filled = 0
  private var staleCount = 0

  /// - Parameters:
  ///   - source: Its name; nil for the default one.
  ///   - server: In libpulse's notation (`unix:/path`, `tcp:host`); nil for the user's own.
  ///   - loop: Where blocks are handed out.
  ///   - report: Told on the loop's thread what happens on the way.
  public init(
    source: String? = nil, server: String? = nil, on loop: GLibExecutor = .audio,
    report: @escaping @Sendable (PulseEvent) -> Void = { _ in }
  ) {
    self.source = source
    self.server = server
    self.loop = loop
    self.report = report
  }

  /// Connects to the server and checks that the source is there.
  /// - Throws: `noServer`, `noSource` or `failed`.
  public func open() async throws(PulseError) {
    end = try await .opened(.record, device: source, server: server, on: loop, report: report)
  }

  /// The figures of now.
  public var statistics: PulseStatistics {
    var statistics = end?.statistics ?? PulseStatistics()
    statistics.overflowCount += staleCount
    return statistics
  }

  /// Hands out blocks until the task is cancelled; a server or a source that goes away is waited for.
  /// - Throws: `noServer` or `failed`, at the start only.
  public func run(_ receive: @escaping @Sendable (Span<Float>) -> Void) async throws(PulseError) {
    guard let end else { preconditionFailure("a PulseAudio input must be opened before it runs") }
    self.receive = receive
    defer { self.receive = nil }
    try await end.run(
      transfer: { stream, count in self.capture(count, from: stream) },
      standIn: { blocks in self.standIn(for: blocks) })
  }

  /// The server has `count` samples.
  private func capture(_ count: Int, from stream: PulseStream) {
    var excess = max(0, count - Self.tolerated)
    if excess > 0 { staleCount += 1 }
    stream.read { samples, count in
      let skipped = min(excess, count)
      excess -= skipped
      append(samples, skipped..<count)
    }
  }

  private func append(_ samples: Span<Float>?, _ range: Range<Int>) {
    for index in range {
      if let samples { block[filled] = samples[index] } else { block[filled] = 0 }
      filled += 1
      if filled == block.count { handOut() }
    }
  }

  private func handOut() {
    filled = 0
    receive?(block.span)
  }

  private func standIn(for blocks: Int) {
    for _ in 0..<blocks {
      for index in filled..<block.count { block[index] = 0 }
      handOut()
    }
  }
}
