internal import CGLib

/// What a custom GSource runs when it is dispatched; retained by the source, freed with it.
final class SourceHandler: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

enum SourceFunctions {
  /// The dispatch table of all our sources. GLib keeps the pointer, so it is made once and never freed.
  // Written once, before anybody reads it, and constant from then on.
  static nonisolated(unsafe) let shared: UnsafeMutablePointer<GSourceFuncs> = {
    let functions = UnsafeMutablePointer<GSourceFuncs>.allocate(capacity: 1)
    functions.initialize(to: GSourceFuncs())
    functions.pointee.dispatch = { source, _, data in
      g_source_set_ready_time(source, -1)
      Unmanaged<SourceHandler>.fromOpaque(data!).takeUnretainedValue().run()
      return 1  // G_SOURCE_CONTINUE
    }
    return functions
  }()

  static func attach(_ source: UnsafeMutablePointer<GSource>, _ handler: SourceHandler, to context: OpaquePointer) {
    // The callback pointer is what GLib hands to `dispatch` as its second argument; it is never called itself.
    g_source_set_callback(
      source, { _ in 1 }, Unmanaged.passRetained(handler).toOpaque(),
      { Unmanaged<SourceHandler>.fromOpaque($0!).release() })
    g_source_attach(source, context)
  }
}

/// Runs a closure on a loop's thread at a given time, or as soon as possible when woken.
///
/// One object serves many firings: `schedule` replaces the time that was set before, so the earliest deadline of a state
/// machine is one timer. All methods may be called from any thread and allocate nothing. GLib waits in whole
/// milliseconds: expect up to a millisecond of delay.
public final class LoopTimer: Sendable {
  private let queue: TimerQueue
  private let entry: TimerQueue.Entry

  /// - Parameters:
  ///   - loop: The loop whose thread runs `fire`.
  ///   - fire: Called on the loop's thread. Capture the owner weakly: the timer keeps the closure until `invalidate`.
  public init(on loop: GLibExecutor, _ fire: @escaping @Sendable () -> Void) {
    queue = loop.timers
    entry = queue.add(SourceHandler(fire))
  }

  /// Fires inside an actor of the loop, as long as there is one: `LoopTimer(on: loop, in: self) { $0.tick() }`.
  public convenience init<Target: Actor>(
    on loop: GLibExecutor, in target: Target, _ fire: @escaping @Sendable (isolated Target) -> Void
  ) {
    let entry = ActorEntry<Target, Void, Void> { target, _ in fire(target) }
    self.init(on: loop) { [weak target] in if let target { entry(target, ()) } }
  }

  deinit { queue.remove(entry) }

  /// Fires at `instant`, in place of any earlier appointment.
  public func schedule(at instant: ContinuousClock.Instant) {
    let wait = (instant - ContinuousClock.now).components
    queue.set(entry, after: Int(wait.seconds * 1_000_000 + wait.attoseconds / 1_000_000_000_000))
  }

  /// Fires as soon as the loop gets to it. Several calls before that count as one.
  public func wake() { queue.set(entry, after: 0) }

  /// Takes the appointment back.
  public func cancel() { queue.set(entry, after: nil) }

  /// Ends the timer for good and lets go of its closure.
  public func invalidate() { queue.remove(entry) }
}

/// Watches a file descriptor and calls back on a loop's thread while it is readable or writable.
public final class DescriptorWatch: Sendable {
  /// What to wait for. Errors and hang-ups are always reported, as readable.
  public struct Interest: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let read = Interest(rawValue: 1)
    public static let write = Interest(rawValue: 4)
  }

  // GLib's source functions used here are thread-safe.
  private nonisolated(unsafe) let source: UnsafeMutablePointer<GSource>

  /// - Parameters:
  ///   - descriptor: An open descriptor; it must stay open until `invalidate` has been called.
  ///   - handler: Called on the loop's thread with what is possible now, again and again until it is acted upon.
  public init(
    _ descriptor: Int32, _ interest: Interest, on loop: GLibExecutor,
    handler: @escaping @Sendable (Interest) -> Void
  ) {
    source = g_unix_fd_source_new(descriptor, GIOCondition(interest.rawValue | G_IO_ERR.rawValue | G_IO_HUP.rawValue))
    let callback: @convention(c) (Int32, GIOCondition, UnsafeMutableRawPointer?) -> Int32 = { _, condition, data in
      let troubled = condition.rawValue & (G_IO_ERR.rawValue | G_IO_HUP.rawValue) != 0
      var possible = Interest(rawValue: condition.rawValue).intersection([.read, .write])
      if troubled { possible.insert(.read) }
      Unmanaged<DescriptorHandler>.fromOpaque(data!).takeUnretainedValue().run(possible)
      return 1  // G_SOURCE_CONTINUE
    }
    // GLib stores every source's callback under one function type and calls it with the source's own.
    g_source_set_callback(
      source, unsafeBitCast(callback, to: GSourceFunc.self),
      Unmanaged.passRetained(DescriptorHandler(handler)).toOpaque(),
      { Unmanaged<DescriptorHandler>.fromOpaque($0!).release() })
    // Or GLib takes the descriptor out of those it waits for while the handler runs, and wakes the loop up both times.
    g_source_set_can_recurse(source, 1)
    g_source_attach(source, loop.context)
  }

  deinit {
    g_source_destroy(source)
    g_source_unref(source)
  }

  /// Stops watching; call it before the descriptor is closed.
  public func invalidate() { g_source_destroy(source) }
}

private final class DescriptorHandler: Sendable {
  let run: @Sendable (DescriptorWatch.Interest) -> Void
  init(_ run: @escaping @Sendable (DescriptorWatch.Interest) -> Void) { self.run = run }
}
