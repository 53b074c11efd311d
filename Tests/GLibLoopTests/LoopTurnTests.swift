import Glibc
import Testing

@testable import GLibLoop

/// A pipe whose reading end a loop watches.
private final class WatchedPipe {
  private var ends: [Int32] = [0, 0]
  private let watch: DescriptorWatch
  private var arrivals: AsyncStream<ContinuousClock.Instant>.AsyncIterator

  init(on loop: GLibExecutor) {
    #expect(pipe(&ends) == 0)
    let (stream, continuation) = AsyncStream.makeStream(of: ContinuousClock.Instant.self)
    arrivals = stream.makeAsyncIterator()
    watch = DescriptorWatch(ends[0], .read, on: loop) { [read = ends[0]] _ in
      var byte: UInt8 = 0
      #expect(Glibc.read(read, &byte, 1) == 1)
      continuation.yield(.now)
    }
  }

  deinit {
    watch.invalidate()
    for end in ends { close(end) }
  }

  func write() {
    var byte: UInt8 = 1
    #expect(Glibc.write(ends[1], &byte, 1) == 1)
  }

  /// When the loop had the byte that was written last.
  func arrival(isolation: isolated (any Actor)? = #isolation) async -> ContinuousClock.Instant {
    await arrivals.next(isolation: isolation)!
  }

  /// How long a byte takes to the loop.
  func passage(isolation: isolated (any Actor)? = #isolation) async -> Duration {
    let start = ContinuousClock.now
    write()
    return await arrival() - start
  }
}

@Suite struct LoopTurnTests {
  /// Far longer than a machine that is busy with other tests keeps anybody waiting.
  private let pause = Duration.seconds(2)

  @Test func `a loop that is woken time and again lets what arrives gather, but not for longer than it may`() async {
    let loop = GLibExecutor(name: "test", gatheringFor: pause)
    defer { loop.shutdown() }
    let pipe = WatchedPipe(on: loop)
    _ = await pipe.passage()
    _ = await pipe.passage()
    let passage = await pipe.passage()
    #expect(passage > pause / 4)
    #expect(passage < pause * 2)
  }

  @Test func `a job and a timer do not wait, and what has gathered goes with them`() async {
    let loop = GLibExecutor(name: "test", gatheringFor: pause)
    defer { loop.shutdown() }
    let pipe = WatchedPipe(on: loop)
    _ = await pipe.passage()
    _ = await pipe.passage()
    let start = ContinuousClock.now
    let (fired, continuation) = AsyncStream.makeStream(of: Void.self)
    let timer = LoopTimer(on: loop) { continuation.yield() }
    timer.schedule(at: start + .milliseconds(20))
    var firings = fired.makeAsyncIterator()
    await firings.next()
    #expect(ContinuousClock.now - start < pause / 4)
    pipe.write()
    timer.wake()
    #expect(await pipe.arrival() - start < pause / 2)
    timer.invalidate()
  }

  @Test func `nothing waits where somebody waits for answers`() async {
    let loop = GLibExecutor(name: "test", gatheringFor: pause)
    defer { loop.shutdown() }
    loop.answerAtOnce(for: .seconds(60))
    let pipe = WatchedPipe(on: loop)
    for _ in 0..<20 { #expect(await pipe.passage() < pause / 4) }
  }

  @Test func `a loop that does not gather serves everything at once`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let pipe = WatchedPipe(on: loop)
    for _ in 0..<20 { #expect(await pipe.passage() < pause / 4) }
  }

  @Test func `a loop that nobody holds goes on`() async {
    let pipe = WatchedPipe(on: GLibExecutor(name: "test"))
    for _ in 0..<20 { _ = await pipe.passage() }
  }

  @Test func `a loop serves more descriptors than it was made for`() async {
    let loop = GLibExecutor(name: "test")
    defer { loop.shutdown() }
    let pipes = (0..<200).map { _ in WatchedPipe(on: loop) }
    for pipe in pipes { _ = await pipe.passage() }
  }
}
