public import Audio
public import GLibLoop

/// Speaks what a provider makes, at real-time pace: a synthetic voice, or silence.
public actor GeneratedInput: AudioInput {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let provider: (any SampleProvider)?
  private var timer: LoopTimer?
  private var pace = Pace(start: .now)
  private var delivered = 0
  private var block = [Float](repeating: 0, count: PCM.blockSize)

  /// - Parameter provider: Asked for a block of 20 ms at a time, on the loop's thread; nil gives silence.
  public init(_ provider: (any SampleProvider)? = nil, on loop: GLibExecutor = .audio) {
    self.provider = provider
    self.loop = loop
  }

  /// Nothing can be missing.
  public func open() {}

  /// Hands out blocks until the task is cancelled.
  public func run(_ receive: @escaping @Sendable (Span<Float>) -> Void) async {
    pace = Pace(start: .now)
    delivered = 0
    let (ended, end) = AsyncStream.makeStream(of: Never.self)
    let timer = LoopTimer(on: loop, in: self) { $0.tick(receive) }
    self.timer = timer
    tick(receive)
    // The stream has no elements: it ends when the task is cancelled.
    for await _ in ended {}
    withExtendedLifetime(end) {}
    timer.invalidate()
    self.timer = nil
  }

  private func tick(_ receive: @Sendable (Span<Float>) -> Void) {
    let now = ContinuousClock.now
    while delivered <= pace.blocks(at: now) {
      var samples = block.mutableSpan
      if let provider { provider.render(into: &samples, at: now) }
      receive(block.span)
      delivered += 1
    }
    timer?.schedule(at: pace.start(ofBlock: delivered))
  }
}
