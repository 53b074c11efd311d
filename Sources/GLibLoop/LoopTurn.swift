internal import CGLib
internal import Synchronization

/// The turns of a loop: each waits for what the sources want to know and runs those that have something to do, as
/// `g_main_loop_run` does.
///
/// Where packets of many streams come one shortly after another, a thread that wakes up for each spends more time on
/// waking and on asking every source than on packets. So a loop may gather: woken twice in a short time, it lets what
/// arrives wait for a moment, and serves all of it in one turn. Timers and jobs never wait.
struct LoopTurn: ~Copyable {
  private let context: OpaquePointer
  /// What `g_main_context_wakeup` makes ready.
  private let bell: Int32
  private let gathering: Gathering
  private var descriptors = [GPollFD](repeating: GPollFD(), count: 64)
  /// When the last turn and the one before it had something to do, in microseconds of GLib's monotonic time.
  private var woken = (last: 0, before: 0)

  init(of context: OpaquePointer, bell: Int32, gathering: Gathering) {
    self.context = context
    self.bell = bell
    self.gathering = gathering
  }

  /// The descriptor that wakes a context to which nothing else with a descriptor was attached so far.
  static func bell(of context: OpaquePointer) -> Int32 {
    var (bell, timeout) = (GPollFD(), gint(0))
    g_main_context_query(context, .max, &timeout, &bell, 1)
    return bell.fd
  }

  /// Makes one turn; on the thread that has acquired the context.
  mutating func run() {
    var (priority, timeout) = (gint(0), gint(0))
    g_main_context_prepare(context, &priority)
    var count = query(priority, &timeout)
    while count > descriptors.count {
      descriptors = Array(repeating: GPollFD(), count: 2 * Int(count))
      count = query(priority, &timeout)
    }
    timeout = gather(before: timeout)
    g_poll(&descriptors, guint(count), timeout)
    woken = (g_get_monotonic_time(), woken.last)
    g_main_context_check(context, priority, &descriptors, count)
    g_main_context_dispatch(context)
  }

  private mutating func query(_ priority: gint, _ timeout: inout gint) -> gint {
    g_main_context_query(context, priority, &timeout, &descriptors, gint(descriptors.count))
  }

  /// Lets arrivals gather. Returns what is left of a wait of `timeout` milliseconds, of which −1 is one without end.
  private func gather(before timeout: gint) -> gint {
    guard gathering.pause > 0, woken.last - woken.before < 2 * gathering.pause else { return timeout }
    let now = g_get_monotonic_time()
    guard now >= gathering.resumption else { return timeout }
    var wait = gint((woken.last + gathering.pause - now + 500) / 1_000)
    if timeout >= 0 { wait = min(wait, timeout) }
    guard wait > 0 else { return timeout }
    var bell = GPollFD(fd: bell, events: gushort(G_IO_IN.rawValue), revents: 0)
    g_poll(&bell, 1, wait)
    return timeout < 0 ? timeout : timeout - wait
  }
}

/// For how long a loop lets arrivals gather, and from when on. Times are in microseconds of GLib's monotonic time.
final class Gathering: Sendable {
  /// 0: not at all.
  let pause: Int
  private let end = Atomic<Int>(0)

  init(pause: Duration) { self.pause = Int(pause / .microseconds(1)) }

  /// Until then nothing waits.
  var resumption: Int { end.load(ordering: .relaxed) }

  /// Lets nothing wait for so long.
  func stop(for time: Duration) {
    end.max(g_get_monotonic_time() + Int(time / .microseconds(1)), ordering: .relaxed)
  }
}
