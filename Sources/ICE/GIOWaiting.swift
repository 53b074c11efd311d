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

/// GLib's account of a failed call; frees the error.
func takeMessage(_ error: UnsafeMutablePointer<GError>?) -> String {
  guard let error else { return "unknown error" }
  defer { g_error_free(error) }
  return String(cString: error.pointee.message)
}
