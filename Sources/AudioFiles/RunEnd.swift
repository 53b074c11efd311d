internal import GLibLoop

/// Where a run waits for its end: told on the loop by what reads or writes, or the cancellation of the task.
///
/// Lives on the thread of its loop alone. One for each run.
final class RunEnd {
  private var result: Result<Void, AudioFileError>?
  private var waiting: CheckedContinuation<Void, Never>?

  var isReached: Bool { result != nil }

  /// Ends the run. What is told first counts.
  func reach(_ result: Result<Void, AudioFileError> = .success(())) {
    guard self.result == nil else { return }
    self.result = result
    waiting?.resume()
    waiting = nil
  }

  /// Returns how the run ended; a cancelled task counts as success.
  func outcome(
    on loop: GLibExecutor, isolation: isolated any Actor = #isolation
  ) async -> Result<Void, AudioFileError> {
    // It fires on the loop's thread, where this object lives.
    nonisolated(unsafe) weak let me = self
    let cancelled = LoopTimer(on: loop) { me?.reach() }
    defer { cancelled.invalidate() }
    await withTaskCancellationHandler {
      _ = isolation  // without it the closure would run on another thread
      await withCheckedContinuation { continuation in
        if isReached { continuation.resume() } else { waiting = continuation }
      }
    } onCancel: {
      cancelled.wake()
    }
    return result ?? .success(())
  }
}
