internal import Audio
internal import GLibLoop

/// Hands out what is in a ring, a block every 20 ms, and silence while there is nothing.
///
/// It lives on the audio loop, apart from the loop that reads files, so that a slow disk does not delay what is sent.
actor BlockPacer {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// After it has run empty, a ring is left to fill up to this before it is used again: with less, a writer whose
  /// blocks come a little unevenly would be cut at every other block.
  private static let cushion = 2 * PCM.blockSize
  /// Blocks that are made up for after a delay; beyond, time is skipped, so that no burst floods the network.
  private static let patience = 50

  private let ring: SampleRing
  private let refill: LoopTimer
  private let receive: @Sendable (Span<Float>) -> Void
  private var timer: LoopTimer?
  private var pace = Pace(start: .now)
  private var delivered = 0
  private var isFilling = true
  private var block = [Float](repeating: 0, count: PCM.blockSize)
  private let underruns: Locked<Int>

  /// - Parameters:
  ///   - refill: Woken after each block that was taken.
  ///   - underruns: Counts how often the ring ran empty before it was complete.
  init(
    _ ring: SampleRing, refill: LoopTimer, underruns: Locked<Int>, on loop: GLibExecutor,
    receive: @escaping @Sendable (Span<Float>) -> Void
  ) {
    self.ring = ring
    self.refill = refill
    self.underruns = underruns
    self.loop = loop
    self.receive = receive
  }

  /// Hands out the first block at once.
  func start() {
    pace = Pace(start: .now)
    timer = LoopTimer(on: loop, in: self) { $0.tick() }
    tick()
  }

  /// Returns when no further block will be handed out.
  func stop() {
    timer?.invalidate()
    timer = nil
  }

  private func tick() {
    let now = ContinuousClock.now
    let due = pace.blocks(at: now) + 1
    if due - delivered > Self.patience {
      pace = Pace(start: now - PCM.duration(of: delivered * PCM.blockSize))
      deliver()
    } else {
      while delivered < due { deliver() }
    }
    refill.wake()
    timer?.schedule(at: pace.start(ofBlock: delivered))
  }

  private func deliver() {
    delivered += 1
    var span = block.mutableSpan
    let count = take(into: &span)
    for index in count..<span.count { span[index] = 0 }
    receive(block.span)
  }

  private func take(into span: inout MutableSpan<Float>) -> Int {
    let isComplete = ring.isComplete
    let held = ring.count
    if isFilling {
      guard isComplete || held >= Self.cushion else { return 0 }
      isFilling = false
    }
    guard isComplete || held >= span.count else {
      isFilling = true
      underruns.withLock { $0 += 1 }
      return 0
    }
    return ring.take(into: &span)
  }
}
