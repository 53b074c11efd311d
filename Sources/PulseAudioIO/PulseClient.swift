internal import CPulse
internal import GLibLoop
internal import Glibc

/// A connection to a PulseAudio server.
///
/// Made, used and released on the thread of its loop alone. `close` it before the last reference goes.
final class PulseClient {
  /// How long the server may take to let us in: a user's server may have to be started first.
  private static let patience: pa_usec_t = 5_000_000

  private let mainLoop: OpaquePointer
  private(set) var context: OpaquePointer?
  private var connecting: CheckedContinuation<Void, Never>?

  init(on loop: GLibExecutor) {
    precondition(loop.isCurrent, "PulseAudio must be used on its loop")
    mainLoop = pa_glib_mainloop_new(loop.context)
  }

  deinit {
    precondition(context == nil, "a PulseAudio connection must be closed")
    pa_glib_mainloop_free(mainLoop)
  }

  /// Whether the server has let us in and is still there.
  var isConnected: Bool { context.map { pa_context_get_state($0) == PA_CONTEXT_READY } ?? false }

  /// What libpulse says went wrong last.
  var reason: String {
    String(cString: pa_strerror(context.map { pa_context_errno($0) } ?? Int32(PA_ERR_CONNECTIONTERMINATED.rawValue)))
  }

  /// Connects, in place of an older connection.
  /// - Throws: `noServer`.
  nonisolated(nonsending) func connect(to server: String?) async throws(PulseError) {
    close()
    let properties = PulseProperties.make([
      ("application.name", "talkbridge"), ("application.id", "talkbridge"), ("application.icon_name", "audio-headset"),
    ])
    defer { pa_proplist_free(properties) }
    let context = pa_context_new_with_proplist(pa_glib_mainloop_get_api(mainLoop), "talkbridge", properties)
    self.context = context
    pa_context_set_state_callback(
      context, { _, me in PulseClient.of(me).stateChanged() }, Unmanaged.passUnretained(self).toOpaque())
    // A desktop's user may rely on being served at the first call; for root a server must have been started on purpose.
    let flags = geteuid() == 0 ? PA_CONTEXT_NOAUTOSPAWN : PA_CONTEXT_NOFLAGS
    if pa_context_connect(context, server, flags, nil) >= 0 {
      let limit = pa_context_rttime_new(
        context, pa_rtclock_now() + Self.patience,
        { _, _, _, me in PulseClient.of(me).giveUp() }, Unmanaged.passUnretained(self).toOpaque())
      await withCheckedContinuation { continuation in
        connecting = continuation
        stateChanged()
      }
      pa_glib_mainloop_get_api(mainLoop).pointee.time_free(limit)
    }
    guard isConnected else {
      let reason = isTimedOut ? "it does not answer" : reason
      close()
      throw .noServer(reason: reason)
    }
  }

  private var isTimedOut = false

  private func giveUp() {
    isTimedOut = true
    resume()
  }

  private func stateChanged() {
    guard let context else { return resume() }
    switch pa_context_get_state(context) {
    case PA_CONTEXT_READY, PA_CONTEXT_FAILED, PA_CONTEXT_TERMINATED: resume()
    default: break
    }
  }

  private func resume() {
    connecting?.resume()
    connecting = nil
  }

  /// Ends the connection; whoever waits for an answer gets an error.
  func close() {
    guard let context else { return }
    self.context = nil
    isTimedOut = false
    pa_context_set_state_callback(context, nil, nil)
    pa_context_disconnect(context)
    pa_context_unref(context)
    resume()
  }

  /// Waits until an operation is done.
  /// - Throws: `failed` if it was not, because the connection has gone.
  nonisolated(nonsending) func finish(_ operation: OpaquePointer?) async throws(PulseError) {
    guard let operation else { throw .failed(reason: reason) }
    defer { pa_operation_unref(operation) }
    if pa_operation_get_state(operation) == PA_OPERATION_RUNNING {
      await withCheckedContinuation { continuation in
        pa_operation_set_state_callback(
          operation,
          { operation, me in
            guard pa_operation_get_state(operation) != PA_OPERATION_RUNNING else { return }
            Unmanaged<OperationWait>.fromOpaque(me!).takeRetainedValue().continuation.resume()
          }, Unmanaged.passRetained(OperationWait(continuation)).toOpaque())
      }
    }
    guard pa_operation_get_state(operation) == PA_OPERATION_DONE else { throw .failed(reason: reason) }
  }

  private static func of(_ me: UnsafeMutableRawPointer?) -> PulseClient {
    Unmanaged<PulseClient>.fromOpaque(me!).takeUnretainedValue()
  }
}

private final class OperationWait {
  let continuation: CheckedContinuation<Void, Never>
  init(_ continuation: CheckedContinuation<Void, Never>) { self.continuation = continuation }
}

/// What we tell the server of ourselves.
enum PulseProperties {
  /// The caller frees it.
  static func make(_ entries: [(String, String)]) -> OpaquePointer {
    let list = pa_proplist_new()!
    for (key, value) in entries { pa_proplist_sets(list, key, value) }
    return list
  }
}
