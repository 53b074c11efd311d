internal import Audio

/// A schedule of 20 ms blocks on the clock: block *n* ends at `start` + (*n* + 1) · 20 ms, without accumulating error.
struct Pace {
  let start: ContinuousClock.Instant

  /// The blocks that have ended by `now`.
  func blocks(at now: ContinuousClock.Instant) -> Int { samples(at: now) / PCM.blockSize }

  /// The samples whose time has passed by `now`.
  func samples(at now: ContinuousClock.Instant) -> Int { max(0, PCM.samples(in: now - start)) }

  /// When block `index` begins.
  func start(ofBlock index: Int) -> ContinuousClock.Instant { start + PCM.duration(of: index * PCM.blockSize) }
}
