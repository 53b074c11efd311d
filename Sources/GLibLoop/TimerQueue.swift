internal import CGLib

/// The timers of one loop, behind one source.
///
/// A loop asks each of its sources on every turn, so for every packet, whether its time has come; and a call with thirty
/// participants has hundreds of timers. Few of them are set at a time and they are set seldom, so a search through all is
/// as good as an order.
final class TimerQueue: Sendable {
  /// A timer's place in the queue.
  final class Entry: Sendable {
    // Both are touched by the queue alone, under its lock.
    fileprivate nonisolated(unsafe) var handler: SourceHandler?
    /// When to fire, in microseconds of GLib's monotonic time.
    fileprivate nonisolated(unsafe) var time = TimerQueue.never
    fileprivate nonisolated(unsafe) var index = 0

    fileprivate init(_ handler: SourceHandler) { self.handler = handler }
  }

  private struct Entries {
    var all: [Entry] = []
    /// What the source is set to: no later than the earliest entry's time.
    var sourceTime = TimerQueue.never
  }

  fileprivate static let never = Int.max

  // GLib's source functions used here are thread-safe.
  private nonisolated(unsafe) let source: UnsafeMutablePointer<GSource>
  private let entries = Locked(Entries())

  init(in context: OpaquePointer) {
    source = CGLib_source_new(SourceFunctions.shared)
    SourceFunctions.attach(source, SourceHandler { [unowned self] in fire() }, to: context)
  }

  deinit {
    g_source_destroy(source)
    g_source_unref(source)
  }

  func add(_ handler: SourceHandler) -> Entry {
    let entry = Entry(handler)
    entries.withLock { entries in
      entry.index = entries.all.count
      entries.all.append(entry)
    }
    return entry
  }

  /// Takes an entry out; a second call does nothing.
  func remove(_ entry: Entry) {
    // What the handler captures may end with it, and that may be the end of another timer: so not under the lock.
    let handler = entries.withLock { entries in
      guard let handler = entry.handler, let last = entries.all.popLast() else { return SourceHandler?.none }
      if last !== entry {
        last.index = entry.index
        entries.all[entry.index] = last
      }
      entry.handler = nil
      return handler
    }
    withExtendedLifetime(handler) {}
  }

  /// Makes an entry fire after so many microseconds, at once if that is negative; nil: not at all.
  func set(_ entry: Entry, after wait: Int?) {
    let now = g_get_monotonic_time()
    let time = wait.map { now + max(0, $0) } ?? Self.never
    entries.withLock { entries in
      entry.time = time
      guard time < entries.sourceTime, entry.handler != nil else { return }
      // Under the lock, or an older time could be set after a newer one. All it does is to write to a descriptor.
      entries.sourceTime = time
      g_source_set_ready_time(source, time)
    }
  }

  /// Runs what is due, in order of time; on the loop's thread.
  private func fire() {
    // What is set anew meanwhile has a later time than this and waits for the next turn, so that no timer can keep the
    // loop from its other sources.
    let now = g_get_monotonic_time()
    while let handler = nextDue(at: now) { handler.run() }
  }

  private func nextDue(at now: Int) -> SourceHandler? {
    entries.withLock { entries in
      var earliest: Entry?
      for entry in entries.all where entry.time < earliest?.time ?? Self.never { earliest = entry }
      guard let earliest, earliest.time <= now else {
        entries.sourceTime = earliest?.time ?? Self.never
        g_source_set_ready_time(source, entries.sourceTime == Self.never ? -1 : entries.sourceTime)
        return nil
      }
      earliest.time = Self.never
      return earliest.handler
    }
  }
}
