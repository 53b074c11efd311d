import Testing

@testable import Playout

@Suite struct StreamTimelineTests {
  var timeline = StreamTimeline()

  mutating func place(_ number: Int, _ timestamp: Int, at arrival: Int, fastest: Int = 0) -> StreamTimeline.Place? {
    timeline.place(
      sequenceNumber: UInt16(truncatingIfNeeded: number), timestamp: UInt32(truncatingIfNeeded: timestamp),
      arrival: arrival, duration: 960, fastest: fastest)
  }

  @Test mutating func `sequence and timestamp go on across their wrap`() throws {
    let first = try #require(place(65_535, -960, at: 0))
    let second = try #require(place(0, 0, at: 960))
    #expect(second.sequence == first.sequence + 1)
    #expect(second.position == first.position + 960)
    #expect(timeline.missingCount == 0)
  }

  @Test mutating func `a packet out of order finds its place`() throws {
    let first = try #require(place(10, 9_600, at: 0))
    let third = try #require(place(12, 11_520, at: 1_920))
    #expect(timeline.missingCount == 1)
    let second = try #require(place(11, 10_560, at: 2_000))
    #expect(second.sequence == first.sequence + 1 && third.sequence == first.sequence + 2)
    #expect(second.position == first.position + 960)
    #expect(timeline.missingCount == 0)
  }

  @Test mutating func `a packet that comes twice is known and does not count twice`() throws {
    _ = place(10, 9_600, at: 0)
    let again = try #require(place(10, 9_600, at: 0))
    #expect(again.isDuplicate)
    #expect(timeline.missingCount == 0)
  }

  @Test mutating func `a jump of the sequence needs a second packet to be believed`() throws {
    let first = try #require(place(10, 9_600, at: 0))
    #expect(place(30_000, 5_000_000, at: 960) == nil)
    #expect(place(11, 10_560, at: 960) != nil)
    #expect(place(30_000, 5_000_000, at: 1_920) == nil)
    let restarted = try #require(place(30_001, 5_000_960, at: 1_920))
    #expect(restarted.sequence == first.sequence + 2)
    #expect(restarted.position == first.position + 1_920)
    #expect(restarted.delay == 0)
    #expect(timeline.missingCount == 0)
  }

  @Test mutating func `a step of the sender's clock does not move sound in time`() throws {
    let first = try #require(place(10, 0, at: 0))
    let ahead = try #require(place(11, 48_000_000, at: 960))
    #expect(ahead.position == first.position + 960)
    let back = try #require(place(12, 0, at: 1_920))
    #expect(back.position == first.position + 1_920)
  }

  @Test mutating func `a pause by the sender's clock is a pause`() throws {
    let first = try #require(place(10, 0, at: 0))
    let later = try #require(place(11, 480_000, at: 480_000))
    #expect(later.position == first.position + 480_000)
    #expect(later.delay == first.delay)
  }
}
