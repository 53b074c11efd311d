import Testing

@testable import GLibLoop

private actor Sum {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private(set) var value = 0

  init(_ loop: GLibExecutor) { self.loop = loop }

  private static let add = ActorEntry<Sum, Int, Int> { sum, number in
    sum.value += number
    return sum.value
  }

  nonisolated func add(_ number: Int) -> Int { Self.add(self, number) }
}

@Suite struct ActorEntryTests {
  @Test func `a callback on the loop enters its actor`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let sum = Sum(loop)
    let (results, continuation) = AsyncStream.makeStream(of: Int.self)
    let timer = LoopTimer(on: loop) { continuation.yield(sum.add(20) + sum.add(1)) }
    timer.wake()
    var iterator = results.makeAsyncIterator()
    #expect(await iterator.next() == 41)
    #expect(await sum.value == 21)
  }

  @Test func `another thread is stopped at the entry`() async {
    await #expect(processExitsWith: .failure) {
      let loop = GLibExecutor(name: "test")
      _ = Sum(loop).add(1)
    }
  }
}
