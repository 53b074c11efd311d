internal import CGLib

/// Runs a closure on a loop's thread each time the process receives a POSIX signal.
public final class SignalWatch: Sendable {
  // GLib's source functions used here are thread-safe.
  private nonisolated(unsafe) let source: UnsafeMutablePointer<GSource>

  /// - Parameter signal: SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 or SIGWINCH (what GLib can watch). Its default action
  ///   is off from now on.
  public init(_ signal: Int32, on loop: GLibExecutor, handler: @escaping @Sendable () -> Void) {
    source = g_unix_signal_source_new(signal)
    g_source_set_callback(
      source,
      { data in
        Unmanaged<SourceHandler>.fromOpaque(data!).takeUnretainedValue().run()
        return 1  // G_SOURCE_CONTINUE
      }, Unmanaged.passRetained(SourceHandler(handler)).toOpaque(),
      { Unmanaged<SourceHandler>.fromOpaque($0!).release() })
    g_source_attach(source, loop.context)
  }

  deinit {
    g_source_destroy(source)
    g_source_unref(source)
  }
}
