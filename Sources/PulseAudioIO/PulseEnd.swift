internal import GLibLoop

/// What playing and capturing have in common: a session that flows until the task is cancelled, and a watchdog that
/// tells when the device stands still meanwhile.
///
/// Lives on its loop's thread alone, and may be let go of anywhere.
final class PulseEnd {
  private let session: PulseSession
  private let loop: GLibExecutor
  /// Closes the session on its loop when this object goes.
  private let cleanup: LoopCleanup
  private var watchdog = DeviceWatchdog(at: .now)
  private var timer: LoopTimer?
  private var standIn: ((Int) -> Void)?

  private init(_ session: PulseSession, on loop: GLibExecutor) {
    self.session = session
    self.loop = loop
    nonisolated(unsafe) let owned = session  // used once more, on the loop's thread
    cleanup = LoopCleanup(on: loop) { owned.close() }
  }

  /// Connects to the server and checks that the device is there.
  /// - Throws: `noServer`, `noSink`, `noSource` or `failed`.
  nonisolated(nonsending) static func opened(
    _ direction: PulseStream.Direction, device: String?, server: String?, on loop: GLibExecutor,
    report: @escaping @Sendable (PulseEvent) -> Void
  ) async throws(PulseError) -> PulseEnd {
    let end = PulseEnd(PulseSession(direction, device: device, server: server, on: loop, report: report), on: loop)
    try await end.session.open()
    return end
  }

  var statistics: PulseStatistics { session.statistics }

  /// Lets sound flow until the task is cancelled; a server or a device that goes away is waited for.
  /// - Parameters:
  ///   - transfer: Called in the media path with the number of samples that the server wants or has.
  ///   - standIn: Called with the number of blocks of time that went by without the device.
  /// - Throws: `noServer` or `failed`, at the start only.
  func run(
    transfer: @escaping (PulseStream, Int) -> Void, standIn: @escaping (Int) -> Void,
    isolation: isolated any Actor = #isolation
  ) async throws(PulseError) {
    // Both fire on the loop's thread, where this object lives.
    nonisolated(unsafe) weak let me = self
    let timer = LoopTimer(on: loop) { me?.lookAtDevice() }
    let stop = LoopTimer(on: loop) { me?.session.close() }
    self.timer = timer
    self.standIn = standIn
    watchdog = DeviceWatchdog(at: .now)
    timer.schedule(at: watchdog.due)
    defer {
      timer.invalidate()
      stop.invalidate()
      self.standIn = nil
      session.close()
    }
    let result = await withTaskCancellationHandler {
      _ = isolation  // without it the closure would run on another thread
      return await flow(transfer)
    } onCancel: {
      stop.wake()
    }
    try result.get()
  }

  private nonisolated(nonsending) func flow(
    _ transfer: @escaping (PulseStream, Int) -> Void
  ) async -> Result<Void, PulseError> {
    do throws(PulseError) {
      try await session.run { [unowned self] stream, count in
        watchdog.transfer(at: .now)
        timer?.schedule(at: watchdog.due)
        transfer(stream, count)
      }
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private func lookAtDevice() {
    let blocks = watchdog.blocks(at: .now)
    if blocks > 0 { standIn?(blocks) }
    timer?.schedule(at: watchdog.due)
  }
}
