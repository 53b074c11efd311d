internal import CNice

/// A reference to a GObject, given back when the last holder lets go.
///
/// Sound as Sendable: GObject counts its references atomically, and what lies behind the pointer is used on the thread
/// of one loop alone.
final class GObjectReference: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer

  /// Takes over a reference that the caller owns.
  init(owning pointer: UnsafeMutableRawPointer) { self.pointer = pointer }

  /// Takes a reference of its own.
  convenience init(retaining pointer: UnsafeMutableRawPointer) { self.init(owning: g_object_ref(pointer)) }

  deinit { g_object_unref(pointer) }

  func cast<Object>(to _: Object.Type = Object.self) -> UnsafeMutablePointer<Object> {
    pointer.assumingMemoryBound(to: Object.self)
  }
}

/// Starts an asynchronous GIO operation and waits for its `GAsyncResult`, which the caller hands to the operation's
/// finish function. Call it on the thread of a loop: GIO answers there.
func finished(
  isolation: isolated (any Actor)? = #isolation,
  _ start: (_ done: @escaping GAsyncReadyCallback, _ data: UnsafeMutableRawPointer) -> Void
) async -> GObjectReference {
  precondition(g_main_context_get_thread_default() != nil, "GIO would answer on a loop that nobody runs")
  return await withCheckedContinuation { continuation in
    let waiting = Unmanaged.passRetained(WaitingCall(continuation))
    start(
      { _, result, data in
        let waiting = Unmanaged<WaitingCall>.fromOpaque(data!).takeRetainedValue()
        waiting.continuation.resume(returning: GObjectReference(retaining: UnsafeMutableRawPointer(result!)))
      }, waiting.toOpaque())
  }
}

private final class WaitingCall: Sendable {
  let continuation: CheckedContinuation<GObjectReference, Never>
  init(_ continuation: CheckedContinuation<GObjectReference, Never>) { self.continuation = continuation }
}

/// What GIO said about an operation that failed.
struct GIOError: Error {
  enum Cause {
    case nameNotFound, refused, timedOut, cancelled
    /// No trusted connection.
    case trust
    case other
  }

  let message: String
  let cause: Cause

  init(message: String, cause: Cause) {
    self.message = message
    self.cause = cause
  }

  /// Frees GLib's account of a failed call.
  init(taking error: UnsafeMutablePointer<GError>?) {
    defer { if let error { g_error_free(error) } }
    message = error.map { String(cString: $0.pointee.message) } ?? "unknown error"
    cause = error.map { Cause($0.pointee) } ?? .other
  }
}

extension GIOError.Cause {
  fileprivate init(_ error: GError) {
    switch (error.domain, UInt32(bitPattern: error.code)) {
    case (g_resolver_error_quark(), _), (g_io_error_quark(), UInt32(G_IO_ERROR_HOST_NOT_FOUND.rawValue)):
      self = .nameNotFound
    case (g_tls_error_quark(), _): self = .trust
    case (g_io_error_quark(), UInt32(G_IO_ERROR_CONNECTION_REFUSED.rawValue)): self = .refused
    case (g_io_error_quark(), UInt32(G_IO_ERROR_TIMED_OUT.rawValue)): self = .timedOut
    case (g_io_error_quark(), UInt32(G_IO_ERROR_CANCELLED.rawValue)): self = .cancelled
    default: self = .other
    }
  }
}
