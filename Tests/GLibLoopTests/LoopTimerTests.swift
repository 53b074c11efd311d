import Glibc
import Testing

@testable import GLibLoop

@Suite struct LoopTimerTests {
  @Test func `timers fire in the order of their times, whatever the order in which they were set`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let (fired, continuation) = AsyncStream.makeStream(of: Int.self)
    let timers = (0..<20).map { number in LoopTimer(on: loop) { continuation.yield(number) } }
    let start = ContinuousClock.now + .milliseconds(20)
    for number in timers.indices.shuffled() { timers[number].schedule(at: start + .milliseconds(2) * number) }
    var order: [Int] = []
    for await number in fired.prefix(timers.count) { order.append(number) }
    #expect(order == Array(timers.indices))
  }

  @Test func `a timer that wakes itself leaves the loop to others`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let itself = Locked<LoopTimer?>(nil)
    let restless = LoopTimer(on: loop) { itself.withLock { $0 }?.wake() }
    itself.withLock { $0 = restless }
    restless.wake()
    // Neither another timer nor an actor's job, which is another source, waits for ever.
    let (fired, continuation) = AsyncStream.makeStream(of: Void.self)
    let other = LoopTimer(on: loop) { continuation.yield() }
    other.schedule(at: .now + .milliseconds(5))
    var firings = fired.makeAsyncIterator()
    await firings.next()
    #expect(await Guest(loop).isThere())
    restless.invalidate()
    itself.withLock { $0 = nil }
  }

  @Test func `a timer that another one due before it has ended stays silent`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let (fired, continuation) = AsyncStream.makeStream(of: String.self)
    let victim = LoopTimer(on: loop) { continuation.yield("victim") }
    let killer = LoopTimer(on: loop) {
      victim.invalidate()
      victim.wake()
      continuation.yield("killer")
    }
    let last = LoopTimer(on: loop) { continuation.yield("last") }
    // All are due when the loop comes to them.
    let hold = LoopTimer(on: loop) {
      killer.wake()
      victim.schedule(at: .now + .milliseconds(1))
      last.schedule(at: .now + .milliseconds(2))
      usleep(5_000)
    }
    hold.wake()
    var order: [String] = []
    for await name in fired.prefix(2) { order.append(name) }
    #expect(order == ["killer", "last"])
  }

  @Test func `what a timer holds goes when it ends, also if that is the end of another timer`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    weak var held: LoopTimer?
    do {
      let inner = LoopTimer(on: loop) {}
      held = inner
      let outer = LoopTimer(on: loop) { inner.wake() }
      outer.invalidate()
    }
    #expect(held == nil)
  }

  @Test func `a timer fires inside its actor while there is one`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let (fired, continuation) = AsyncStream.makeStream(of: Bool.self)
    var guest: Guest? = Guest(loop)
    let timer = LoopTimer(on: loop, in: guest!) { continuation.yield($0.isThere()) }
    timer.wake()
    var firings = fired.makeAsyncIterator()
    #expect(await firings.next() == true)
    guest = nil
    timer.wake()
    let other = LoopTimer(on: loop) { continuation.yield(false) }
    other.wake()
    #expect(await firings.next() == false)
  }

  @Test func `threads may set timers at the same time`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let (fired, continuation) = AsyncStream.makeStream(of: Void.self)
    let timers = (0..<64).map { _ in LoopTimer(on: loop) { continuation.yield() } }
    await withTaskGroup(of: Void.self) { group in
      for timer in timers {
        group.addTask {
          timer.schedule(at: .now + .seconds(100))
          timer.cancel()
          timer.schedule(at: .now + .milliseconds(.random(in: 50...60)))
        }
      }
    }
    var count = 0
    for await _ in fired.prefix(timers.count) { count += 1 }
    #expect(count == timers.count)
  }
}

private actor Guest {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private let answer = true
  func isThere() -> Bool { answer }

  init(_ loop: GLibExecutor) { self.loop = loop }
}
