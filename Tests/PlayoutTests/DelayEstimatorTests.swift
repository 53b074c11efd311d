import TestSupport
import Testing

@testable import Playout

@Suite struct DelayEstimatorTests {
  var noise = SeededRandom(seed: 3)

  func estimator(memory: Int = 300, cost: Int = 960) -> DelayEstimator {
    DelayEstimator(memory: memory, lossCost: cost)
  }

  @Test mutating func `uniform jitter is covered nearly to its end`() {
    var estimator = estimator()
    for index in 0..<500 {
      estimator.add(Int(noise.uniform() * 1_440) - 100_000, arrival: index * 960, duration: 960)
    }
    #expect(estimator.choice - -100_000 > 1_300)
    #expect(estimator.choice - -100_000 <= 1_440 + 48)
    #expect(estimator.fastest >= -100_048 && estimator.fastest < -99_900)
  }

  @Test func `a lone straggler is not waited for`() {
    var estimator = estimator()
    for index in 0..<400 { estimator.add(index == 300 ? 4_800 : 0, arrival: index * 960, duration: 960) }
    #expect(estimator.choice <= 48)
  }

  @Test func `a step up is believed after eight packets and a step down within the memory`() {
    var estimator = estimator()
    for index in 0..<300 { estimator.add(0, arrival: index * 960, duration: 960) }
    for index in 300..<308 { estimator.add(7_200, arrival: index * 960, duration: 960) }
    #expect(estimator.choice >= 7_200)
    #expect(estimator.fastest >= 7_152)
    for index in 308..<700 { estimator.add(0, arrival: index * 960, duration: 960) }
    #expect(estimator.choice <= 48)
  }

  @Test func `the burst that ends an outage teaches nothing`() {
    var estimator = estimator()
    for index in 0..<300 { estimator.add(0, arrival: index * 960, duration: 960) }
    for index in 0..<100 { estimator.add(96_000 - index * 960, arrival: 288_000 + 96_000, duration: 960) }
    #expect(estimator.choice <= 48)
  }

  @Test mutating func `any delays keep the choice finite`() {
    var estimator = estimator()
    for _ in 0..<20_000 {
      let delay = Int(truncatingIfNeeded: noise.next() >> (noise.next() % 60 + 4))
      estimator.add(noise.next() % 2 == 0 ? delay >> 8 : -(delay >> 8), arrival: Int(noise.next() >> 20), duration: 960)
      #expect(estimator.fastest <= estimator.choice)
    }
  }
}
