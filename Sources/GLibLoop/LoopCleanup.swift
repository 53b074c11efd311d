internal import CGLib

/// Runs a closure on a loop's thread when it is let go of, wherever that happens: what belongs to a loop is given back there.
///
/// It does the duty of an `isolated deinit`, with which Swift 6.3 cannot optimise modules that use the actor from another
/// module ("circular reference").
public final class LoopCleanup: Sendable {
  private let loop: GLibExecutor
  private let cleanUp: @Sendable () -> Void

  public init(on loop: GLibExecutor, _ cleanUp: @escaping @Sendable () -> Void) {
    self.loop = loop
    self.cleanUp = cleanUp
  }

  deinit {
    if loop.isCurrent { return cleanUp() }
    g_main_context_invoke_full(
      loop.context, G_PRIORITY_DEFAULT,
      { data in
        Unmanaged<SourceHandler>.fromOpaque(data!).takeUnretainedValue().run()
        return 0  // G_SOURCE_REMOVE
      }, Unmanaged.passRetained(SourceHandler(cleanUp)).toOpaque(),
      { Unmanaged<SourceHandler>.fromOpaque($0!).release() })
  }
}
