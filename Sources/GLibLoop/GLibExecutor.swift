internal import CGLib

/// A thread that runs a GLib main context, and the executor of the actors that live on it.
///
/// An actor chooses it as its executor; callbacks that libnice, libsoup, libpulse or a `LoopTimer` make on this thread
/// then reach the actor's state with `assumeIsolated`, without a hop:
///
///     actor Agent {
///       nonisolated let loop: GLibExecutor
///       nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
///     }
///
/// A loop lives until the process ends, held or not. Only tests shut one down.
public final class GLibExecutor: SerialExecutor {
  private struct Pending {
    var jobs: [UnownedJob] = []
    var spare: [UnownedJob] = []
    var isStopped = false
  }

  /// The `GMainContext`, for wrappers that attach sources to it. GLib allows that from any thread.
  package nonisolated(unsafe) let context: OpaquePointer
  // Written once here; GLib's main loop, source and thread functions used on them are thread-safe.
  private nonisolated(unsafe) let mainLoop: OpaquePointer
  private nonisolated(unsafe) let source: UnsafeMutablePointer<GSource>
  private nonisolated(unsafe) let thread: UnsafeMutablePointer<GThread>
  let timers: TimerQueue
  private let pending: Locked<Pending>
  private let gathering: Gathering

  /// Starts the thread.
  /// - Parameters:
  ///   - name: The thread's name as `ps` and debuggers show it, at most 15 bytes.
  ///   - pause: How long what arrives at descriptors may wait for more of its kind when they are busy, in whole
  ///     milliseconds: a turn of the loop for each packet of many streams would cost more than the packet.
  public init(name: String, gatheringFor pause: Duration = .zero) {
    context = g_main_context_new()
    mainLoop = g_main_loop_new(context, 1)
    pending = Locked(Pending())
    gathering = Gathering(pause: pause)
    timers = TimerQueue(in: context)
    source = CGLib_source_new(SourceFunctions.shared)
    let run = LoopBody(
      context: context, mainLoop: mainLoop, bell: LoopTurn.bell(of: context), gathering: gathering)
    thread = g_thread_new(
      name,
      { body in
        Unmanaged<LoopBody>.fromOpaque(body!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(run).toOpaque())
    let box = SourceHandler { [unowned self] in runPendingJobs() }
    SourceFunctions.attach(source, box, to: context)
    // The thread's share, for it uses what this object holds; `shutdown` lets go of it.
    _ = Unmanaged.passRetained(self)
  }

  deinit {
    g_main_loop_unref(mainLoop)
    g_main_context_unref(context)
    g_source_unref(source)
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let (isFirst, isStopped) = pending.withLock { pending in
      pending.jobs.append(job)
      return (pending.jobs.count == 1, pending.isStopped)
    }
    precondition(!isStopped, "a job came for a loop that was shut down; it would never run")
    if isFirst { g_source_set_ready_time(source, 0) }
  }

  private func runPendingJobs() {
    // Two arrays swap roles, so that a steady flow of jobs allocates nothing.
    var batch = pending.withLock { pending in
      let jobs = pending.jobs
      pending.jobs = pending.spare
      pending.spare = []
      return jobs
    }
    for job in batch { job.runSynchronously(on: asUnownedSerialExecutor()) }
    batch.removeAll(keepingCapacity: true)
    let isStopped = pending.withLock { [batch] pending in
      pending.spare = batch
      return pending.isStopped
    }
    if isStopped { g_main_loop_quit(mainLoop) }
  }

  public func checkIsolated() {
    precondition(isCurrent, "this code must run on the loop's own thread")
  }

  public func isIsolatingCurrentContext() -> Bool? { isCurrent }

  /// Whether the calling thread is this loop's.
  public var isCurrent: Bool { g_main_context_is_owner(context) != 0 }

  /// Lets nothing that arrives wait for more, for so long: somebody waits for answers. From any thread.
  public func answerAtOnce(for time: Duration) { gathering.stop(for: time) }

  /// Stops the loop after the jobs at hand and joins its thread; for tests. Call it once, from another thread; every
  /// actor of this loop must be gone or never be called again.
  public func shutdown() {
    pending.withLock { $0.isStopped = true }
    g_source_set_ready_time(source, 0)
    g_thread_join(thread)
    g_source_destroy(source)
    Unmanaged.passUnretained(self).release()
  }
}

extension GLibExecutor {
  /// The loop of everything that waits for the network: ICE, DTLS, SRTP, signaling and HTTP.
  public static let network = GLibExecutor(name: "network", gatheringFor: .milliseconds(4))
  /// The loop of sound: PulseAudio's callbacks, decoding, mixing and encoding.
  public static let audio = GLibExecutor(name: "audio")
  /// The loop of files and pipes, where a slow disk may block without harm to sound or network.
  public static let files = GLibExecutor(name: "files")
}

private final class LoopBody: Sendable {
  // Handed to the new thread once; both are thread-safe GLib objects, and the executor keeps them while it runs.
  private nonisolated(unsafe) let context: OpaquePointer
  private nonisolated(unsafe) let mainLoop: OpaquePointer
  private let bell: Int32
  private let gathering: Gathering

  init(context: OpaquePointer, mainLoop: OpaquePointer, bell: Int32, gathering: Gathering) {
    self.context = context
    self.mainLoop = mainLoop
    self.bell = bell
    self.gathering = gathering
  }

  func run() {
    g_main_context_push_thread_default(context)
    g_main_context_acquire(context)
    var turn = LoopTurn(of: context, bell: bell, gathering: gathering)
    while g_main_loop_is_running(mainLoop) != 0 { turn.run() }
    g_main_context_release(context)
    g_main_context_pop_thread_default(context)
  }
}
