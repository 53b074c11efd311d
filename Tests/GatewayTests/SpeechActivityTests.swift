import Testing

@testable import Gateway

@Suite struct SpeechActivityTests {
  private func changes(_ levels: [Float]) -> [Int] {
    var activity = SpeechActivity()
    return levels.indices.filter { activity.process(rms: levels[$0]) }
  }

  @Test func `speech begins after three loud blocks and ends after 800 ms of silence`() {
    let levels = [Float](repeating: -20, count: 10) + [Float](repeating: -80, count: 60)
    #expect(changes(levels) == [2, 10 + 39])
  }

  @Test func `a pause between words does not end it`() {
    let word = [Float](repeating: -25, count: 10)
    let pause = [Float](repeating: -.infinity, count: 30)
    #expect(changes(word + pause + word + pause + word) == [2])
  }

  @Test func `a click is no speech`() {
    #expect(changes([-80, -10, -80, -80, -10, -80]).isEmpty)
  }
}
