import Glibc
import Testing

@testable import GLibLoop

private actor Resident {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  init(_ loop: GLibExecutor) { self.loop = loop }

  /// The scheduling policy of the loop's thread, without its flags.
  func policy() -> Int32 { sched_getscheduler(0) & 0xff }
}

struct RealtimePriorityTests {
  @Test func `a loop has the priority that it says it has, and its neighbours keep theirs`() async {
    let (loop, other) = (GLibExecutor(name: "sound"), GLibExecutor(name: "other"))
    switch await loop.requestRealtimePriority() {
    case .granted:
      #expect(await Resident(loop).policy() == Int32(SCHED_RR))
    case .refused(let reason):
      #expect(!reason.isEmpty)
      #expect(await Resident(loop).policy() == Int32(SCHED_OTHER))
    }
    #expect(await Resident(other).policy() == Int32(SCHED_OTHER))
    loop.shutdown()
    other.shutdown()
  }
}
