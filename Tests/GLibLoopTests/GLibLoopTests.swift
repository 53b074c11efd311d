import Glibc
import Testing

@testable import GLibLoop

private actor Counter {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private(set) var value = 0

  init(_ loop: GLibExecutor) { self.loop = loop }

  func increment() -> Bool {
    value += 1
    return loop.isCurrent
  }
}

@Suite struct GLibExecutorTests {
  @Test func `an actor runs on the thread of its loop`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let counter = Counter(loop)
    #expect(!loop.isCurrent)
    #expect(await counter.increment())
  }

  @Test func `every job of many senders runs exactly once`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let counter = Counter(loop)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<500 { _ = await counter.increment() } }
      }
    }
    #expect(await counter.value == 4000)
  }

  @Test func `a loop can be shut down right after its start`() {
    for _ in 0..<50 { GLibExecutor(name: "test").shutdown() }
  }

  @Test func `a timer fires on the loop, not before its time, and reaches the actor without a hop`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let counter = Counter(loop)
    let (fired, continuation) = AsyncStream.makeStream(of: ContinuousClock.Instant.self)
    let timer = LoopTimer(on: loop) {
      _ = counter.assumeIsolated { $0.increment() }
      continuation.yield(.now)
    }
    let due = ContinuousClock.now + .milliseconds(20)
    timer.schedule(at: due)
    var instants = fired.makeAsyncIterator()
    let first = await instants.next()
    #expect(first! >= due - .milliseconds(1))
    timer.wake()
    _ = await instants.next()
    #expect(await counter.value == 2)
    timer.invalidate()
  }

  @Test func `a cancelled timer stays silent`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let (fired, continuation) = AsyncStream.makeStream(of: String.self)
    let cancelled = LoopTimer(on: loop) { continuation.yield("cancelled") }
    let other = LoopTimer(on: loop) { continuation.yield("other") }
    let due = ContinuousClock.now + .milliseconds(5)
    cancelled.schedule(at: due)
    cancelled.cancel()
    other.schedule(at: due + .milliseconds(5))
    var names = fired.makeAsyncIterator()
    #expect(await names.next() == "other")
  }

  @Test func `a watched descriptor reports what it can do`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    let (readable, continuation) = AsyncStream.makeStream(of: [UInt8].self)
    let read = ends[0]
    let watch = DescriptorWatch(read, .read, on: loop) { interest in
      var bytes = [UInt8](repeating: 0, count: 8)
      let count = Glibc.read(read, &bytes, bytes.count)
      continuation.yield(interest.contains(.read) ? Array(bytes[..<count]) : [])
    }
    let sent: [UInt8] = [1, 2, 3]
    #expect(write(ends[1], sent, sent.count) == 3)
    var chunks = readable.makeAsyncIterator()
    let first = await chunks.next()
    #expect(first == [1, 2, 3])
    watch.invalidate()
    close(ends[0])
    close(ends[1])
  }
}

@Suite struct SignalWatchTests {
  @Test func `a signal is reported instead of ending the process`() async {
    let loop = GLibExecutor(name: "test")
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
    let watch = SignalWatch(SIGUSR2, on: loop) { continuation.yield() }
    var received = signals.makeAsyncIterator()
    for _ in 0..<3 {
      kill(getpid(), SIGUSR2)
      await received.next()
    }
    withExtendedLifetime(watch) {}
    loop.shutdown()
  }
}

@Suite struct LockedTests {
  @Test func `concurrent changes are not lost`() async {
    let total = Locked(0)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask { for _ in 0..<10_000 { total.withLock { $0 += 1 } } }
      }
    }
    #expect(total.withLock { $0 } == 40_000)
  }
}
