import Audio
import AudioFiles
import GLibLoop
import TestSupport
import Testing

private final class Ramp: SampleProvider {
  private let next = Locked<Float>(0)

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    let first = next.withLock { next in
      defer { next += 1 }
      return next
    }
    samples.update(repeating: first)
  }
}

@Suite struct GeneratedInputTests {
  @Test func `a provider is asked for one block every 20 ms, until cancelled`() async throws {
    let blocks = Locked<[Float]>([])
    let start = ContinuousClock.now
    let task = Task {
      await GeneratedInput(Ramp()).run { block in
        let value = block[0]
        let count = block.count
        blocks.withLock { $0.append(count == PCM.blockSize ? value : -1) }
      }
    }
    try await eventually("ten blocks") { blocks.withLock { $0.count } >= 10 }
    let elapsed = ContinuousClock.now - start
    task.cancel()
    await task.value
    let received = blocks.withLock { $0 }
    #expect(received == (0..<received.count).map { Float($0) })
    #expect(elapsed >= .milliseconds(9 * 20))
  }

  @Test func `without a provider it is silent`() async throws {
    let loudest = Locked<(count: Int, peak: Float)>((0, 0))
    let task = Task {
      await GeneratedInput().run { block in
        let peak = block.indices.reduce(Float(0)) { max($0, abs(block[$1])) }
        loudest.withLock { $0 = ($0.count + 1, max($0.peak, peak)) }
      }
    }
    try await eventually("three blocks") { loudest.withLock { $0.count } >= 3 }
    task.cancel()
    await task.value
    #expect(loudest.withLock { $0.peak } == 0)
  }
}
