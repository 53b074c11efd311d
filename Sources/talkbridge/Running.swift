import Dispatch
import FoundationEssentials
import Glibc

/// Runs `body` to its end and exits with its status, from the synchronous main function.
/// - Parameter trace: Where the transcript of its traffic goes, if anywhere.
func runAndExit(tracing trace: TraceArgument? = nil, _ body: @escaping @Sendable () async -> ExitCause) -> Never {
  // Standard output closed by its reader is an event of the pipe's, not the death of the process.
  signal(SIGPIPE, SIG_IGN)
  let done = DispatchSemaphore(value: 0)
  let status = ResultBox()
  let path = trace?.file
  Task {
    status.value = await traced(path, body)
    done.signal()
  }
  done.wait()
  TextStream.standardOutput.flush()
  TextStream.standardError.flush()
  exit(status.value.rawValue)
}

private func traced(_ path: String?, _ body: @Sendable () async -> ExitCause) async -> ExitCause {
  guard let path else { return await body() }
  let trace: TraceFile
  do throws(Failure) { trace = try TraceFile(path: path) } catch {
    complain(error.message)
    return error.status
  }
  let status = await TraceFile.$current.withValue(trace) { await body() }
  await trace.finish()
  return status
}

/// Written before the semaphore is signalled, read after it was waited for.
private final class ResultBox: @unchecked Sendable {
  // The semaphore orders the one write before the one read.
  var value = ExitCause.unexpected
}
