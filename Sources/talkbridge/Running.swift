import Foundation

/// Runs `body` to its end and exits with its status, from the synchronous main function.
func runAndExit(_ body: @escaping @Sendable () async -> ExitCause) -> Never {
  // Standard output closed by its reader is an event of the pipe's, not the death of the process.
  signal(SIGPIPE, SIG_IGN)
  let done = DispatchSemaphore(value: 0)
  let status = ResultBox()
  Task {
    status.value = await body()
    done.signal()
  }
  done.wait()
  exit(status.value.rawValue)
}

/// Written before the semaphore is signalled, read after it was waited for.
private final class ResultBox: @unchecked Sendable {
  // The semaphore orders the one write before the one read.
  var value = ExitCause.unexpected
}
