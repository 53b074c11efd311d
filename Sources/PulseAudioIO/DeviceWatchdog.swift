internal import Audio

/// Tells when a device stands still, and how many blocks of time go by meanwhile.
///
/// A suspended device, or one whose server is away, asks for nothing and gives nothing. The call goes on: what would have
/// been played must not pile up, and what is sent must not stop.
struct DeviceWatchdog {
  /// How long a device that works may be silent: several of its 20 ms.
  private static let patience = Duration.milliseconds(100)
  /// When we ourselves come later than this, the device may have called, and will be heard next.
  private static let tolerance = Duration.milliseconds(10)

  /// Until when sound has been exchanged or made up for.
  private var covered: ContinuousClock.Instant
  private var wasLate = false
  /// When to look next.
  private(set) var due: ContinuousClock.Instant

  init(at now: ContinuousClock.Instant) {
    covered = now
    due = now + Self.patience
  }

  /// The device has asked or given.
  mutating func transfer(at now: ContinuousClock.Instant) {
    covered = now
    due = now + Self.patience
    wasLate = false
  }

  /// Looks at the clock at `due` or later.
  /// - Returns: How many blocks to make up for; a second's worth at most.
  mutating func blocks(at now: ContinuousClock.Instant) -> Int {
    if now > due + Self.tolerance, !wasLate {
      wasLate = true
      due = now + Self.tolerance
      return 0
    }
    wasLate = false
    let elapsed = PCM.samples(in: now - covered) / PCM.blockSize
    covered += PCM.blockDuration * elapsed
    due = covered + PCM.blockDuration
    return min(elapsed, PCM.sampleRate / PCM.blockSize)
  }
}
