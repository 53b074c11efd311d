import RTP
import Testing

@testable import PeerConnection

@Suite struct AudioSendQueueTests {
  private func take(_ queue: AudioSendQueue) -> (payload: [UInt8], samples: UInt32, skipped: UInt32)? {
    var bytes = [UInt8](repeating: 0, count: AudioSendQueue.slotSize)
    var buffer = bytes.mutableSpan
    guard let (entry, skipped) = queue.take(into: &buffer) else { return nil }
    return (Array(bytes.prefix(entry.size)), entry.samples, skipped)
  }

  private func append(_ payload: [UInt8], to queue: AudioSendQueue) -> Bool {
    queue.append(payload.span, samples: 960, level: nil, marker: false)
  }

  @Test func `packets come out in order, round the ring`() {
    let queue = AudioSendQueue()
    for value in 0..<100 as Range<UInt8> {
      #expect(append([value, value], to: queue))
      #expect(append([], to: queue))
      #expect(take(queue)?.payload == [value, value])
      #expect(take(queue)?.payload == [])
      #expect(take(queue) == nil)
    }
  }

  @Test func `the oldest packets make room and their time is kept`() {
    let queue = AudioSendQueue()
    for value in 0..<40 as Range<UInt8> { #expect(append([value], to: queue)) }
    #expect(queue.dropped == 8)
    let first = take(queue)
    #expect(first?.payload == [8])
    #expect(first?.skipped == 7680)
    #expect(take(queue)?.skipped == 0)
  }

  @Test func `a packet longer than Opus allows is refused`() {
    let queue = AudioSendQueue()
    #expect(append([UInt8](repeating: 1, count: 1275), to: queue))
    #expect(!append([UInt8](repeating: 1, count: 1276), to: queue))
    #expect(take(queue)?.payload.count == 1275)
  }
}
