internal import CGLib
internal import Glibc
internal import Synchronization

/// Whether a loop's thread goes before all ordinary ones, as sound wants it.
public enum RealtimePriority: Sendable, Equatable {
  /// It does; thanks to a limit the system sets for us (`RLIMIT_RTPRIO`, or being root), or to the rtkit service.
  case granted(by: Authority)
  /// It does not, and why; sound then depends on how busy the machine is.
  case refused(reason: String)

  /// Who may give realtime priority.
  public enum Authority: String, Sendable {
    case resourceLimit = "RLIMIT_RTPRIO"
    case rtkit
  }
}

extension GLibExecutor {
  /// Asks for realtime priority (SCHED_RR, the lowest that sound servers use) for this loop's thread.
  ///
  /// Meant for one loop of the process, that of sound. Where rtkit gives it, the kernel watches over us as rtkit demands:
  /// a loop that computes for a tenth of a second without a pause goes back to ordinary priority.
  public func requestRealtimePriority() async -> RealtimePriority {
    await RealtimeRequest(on: self).make()
  }
}

/// Brings the request to the thread that it is for.
private actor RealtimeRequest {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private static let priority: Int32 = 5
  /// SCHED_RESET_ON_FORK of <linux/sched.h>: children start as ordinary processes. rtkit insists on it.
  private static let resetOnFork: Int32 = 0x4000_0000

  init(on loop: GLibExecutor) { self.loop = loop }

  func make() -> RealtimePriority {
    var parameters = sched_param(sched_priority: Self.priority)
    let status = pthread_setschedparam(pthread_self(), Int32(SCHED_RR) | Self.resetOnFork, &parameters)
    if status == 0 { return .granted(by: .resourceLimit) }
    let refusal = String(cString: strerror(status))
    if let reason = RTKit.request(priority: UInt32(Self.priority)) {
      return .refused(reason: "RLIMIT_RTPRIO: \(refusal); rtkit: \(reason)")
    }
    return .granted(by: .rtkit)
  }
}

/// The service that gives realtime priority to programs of desktop users (`org.freedesktop.RealtimeKit1`).
private enum RTKit {
  private static let name = "org.freedesktop.RealtimeKit1"
  /// The hard limit that rtkit accepts by default, in microseconds of computing without a pause.
  private static let hardLimit: rlim_t = 200_000
  /// The thread that goes back to ordinary priority when it has computed for too long.
  private static let thread = Atomic<Int32>(0)

  /// Makes the calling thread a realtime one.
  /// - Returns: nil, or why not.
  static func request(priority: UInt32) -> String? {
    guard limitComputingTime() else { return "cannot set RLIMIT_RTTIME" }
    var error: UnsafeMutablePointer<GError>?
    defer { if let error { g_error_free(error) } }
    guard let bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, nil, &error) else { return text(error) }
    defer { g_object_unref(UnsafeMutableRawPointer(bus)) }
    var arguments: [OpaquePointer?] = [
      g_variant_new_uint64(UInt(CGLib_thread_id())), g_variant_new_uint32(priority),
    ]
    let answer = g_dbus_connection_call_sync(
      bus, name, "/org/freedesktop/RealtimeKit1", name, "MakeThreadRealtime",
      g_variant_new_tuple(&arguments, UInt(arguments.count)), nil, G_DBUS_CALL_FLAGS_NONE, 500, nil, &error)
    guard let answer else { return text(error) }
    g_variant_unref(answer)
    return nil
  }

  /// Without this limit rtkit refuses. Its soft half tells us in time to step down; at the hard one we would be killed.
  private static func limitComputingTime() -> Bool {
    thread.store(CGLib_thread_id(), ordering: .sequentiallyConsistent)
    signal(SIGXCPU) { _ in
      var parameters = sched_param(sched_priority: 0)
      sched_setscheduler(RTKit.thread.load(ordering: .sequentiallyConsistent), Int32(SCHED_OTHER), &parameters)
    }
    var limit = rlimit(rlim_cur: hardLimit / 2, rlim_max: hardLimit)
    return setrlimit(__rlimit_resource_t(__RLIMIT_RTTIME.rawValue), &limit) == 0
  }

  private static func text(_ error: UnsafeMutablePointer<GError>?) -> String {
    error.map { String(cString: $0.pointee.message) } ?? "no answer"
  }
}
