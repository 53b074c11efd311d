import Playout
import PlayoutSimulator
import Testing

/// What networks, senders and clocks do, and what it may cost. The codec's sound tells its own position.
@Suite struct ScenarioTests {
  func run(_ scenario: Scenario, _ configuration: PlayoutConfiguration = .lowDelay) -> Simulation.Result {
    var simulation = scenario.simulation(PositionDecoder.payloads(scenario.seconds * 50))
    simulation.configuration = configuration
    return simulation.run(PositionDecoder())
  }

  func scenario(_ name: String) -> Scenario {
    (Scenario.networks + Scenario.senders).first { $0.name == name }!
  }

  @Test(arguments: Scenario.networks.filter { $0.name.contains("ms, ") } + Scenario.senders.prefix(2))
  func `every run is the same, bit by bit`(scenario: Scenario) {
    let (first, second) = (run(scenario), run(scenario))
    #expect(first.samples == second.samples)
    #expect(first.history == second.history)
  }

  @Test(arguments: Scenario.networks, [PlayoutConfiguration.lowDelay, .patient])
  func `the delay ends where it began, whatever happened between`(
    scenario: Scenario, configuration: PlayoutConfiguration
  ) {
    let result = run(scenario, configuration)
    let end = Double(scenario.seconds)
    // What goes on to the end has its delay to the end; what is over leaves none behind.
    let settled = result.meanDelay(4..<9)
    #expect(result.meanDelay((end - 5)..<end) < settled + 12)
    // Where sound is faded in, its position cannot be read.
    let delays = result.delays(5..<end).sorted()
    #expect(delays[delays.count * 995 / 1_000] < 20 + 560)
  }

  @Test(arguments: Scenario.senders)
  func `a sender may do as it likes, and is heard at the same delay afterwards`(scenario: Scenario) {
    let result = run(scenario)
    let heard = result.samples[(48_000 * 16)..<(48_000 * 19)]
    #expect(heard.count { $0 > 0 } > heard.count * 97 / 100)
    #expect(result.history[1_900].targetDelay < result.history[900].targetDelay + .milliseconds(3))
    // From the jitter buffer's own account: packets do not wait longer than before.
    func wait(_ range: Range<Int>) -> Duration {
      let (before, after) = (result.history[range.lowerBound], result.history[range.upperBound])
      return (after.jitterBufferDelay - before.jitterBufferDelay)
        / (after.jitterBufferEmittedCount - before.jitterBufferEmittedCount)
    }
    #expect(wait(1_600..<1_900) < wait(500..<900) + .milliseconds(10))
  }

  @Test(arguments: ["outage of 2 s, lost", "outage of 2 s, held back"])
  func `within three seconds after an outage the delay is what it was`(name: String) {
    let result = run(scenario(name))
    let before = result.meanDelay(7..<10)
    // It is over at 12 s.
    for start in stride(from: 15.0, to: 39, by: 0.5) { #expect(result.meanDelay(start..<(start + 0.5)) < before + 5) }
    // And it is heard again at once.
    #expect(result.unheardPackets(12.1..<39) == 0)
  }

  @Test func `ten seconds after the last loss the delay is the clean one again`() {
    let clean = run(scenario("clean"))
    let result = run(scenario("losses that end"))
    #expect(result.meanDelay(5..<10) > clean.meanDelay(5..<10) + 10)
    for start in stride(from: 20.0, to: 39, by: 0.5) {
      let pull = Int(start * 100)
      #expect(result.history[pull].targetDelay <= clean.history[pull].targetDelay + .milliseconds(1))
      // Within the slack that a delay has.
      #expect(result.meanDelay(start..<(start + 0.5)) < clean.meanDelay(start..<(start + 0.5)) + 6)
    }
  }

  @Test(arguments: [PlayoutConfiguration.lowDelay, .patient])
  func `150 ms more delay cost 150 ms of speech at most, and 150 ms less cost none`(
    configuration: PlayoutConfiguration
  ) {
    let result = run(scenario("route 150 ms longer, then back"), configuration)
    let risen = result.history[2_300].concealedSamples - result.history[990].concealedSamples
    #expect(risen <= 150 * 48)
    // Every packet was heard, and nothing left out but pitch periods.
    #expect(result.unheardPackets(0.1..<49) == 0)
    #expect(result.skipped == 0)
    #expect(result.statistics.concealedSamples == result.history[2_300].concealedSamples)
    #expect(result.meanDelay(18..<24) < result.meanDelay(7..<10) + 156)
    #expect(result.meanDelay(45..<49) < result.meanDelay(7..<10) + 5)
  }

  @Test(arguments: ["clock 200 ppm fast", "clock 200 ppm slow"])
  func `a clock of its own is followed without a gap`(name: String) {
    let result = run(scenario(name))
    #expect(result.statistics.concealedSamples == 0)
    let delays = stride(from: 10.0, to: 119, by: 1).map { result.meanDelay($0..<($0 + 1)) }
    #expect(delays.max()! - delays.min()! < 15)
  }

  @Test(arguments: ["spikes of 60 ms", "spikes of 200 ms"])
  func `what a queue has held back is heard`(name: String) {
    let result = run(scenario(name))
    // Ten spikes of 60 ms or five of 200: what they hold back may be made up for, but nothing more.
    #expect(result.statistics.concealedSamples < 48 * 1_100)
    #expect(result.unheardPackets(0.1..<39) <= 25)
  }

  @Test(arguments: Scenario.networks.filter { $0.name.contains("loss of") || $0.name.contains("bursts") })
  func `what is lost is made up for, and nothing else`(scenario: Scenario) {
    let statistics = run(scenario).statistics
    let unrestored = statistics.packetsLost - statistics.fecPacketsUsed
    #expect(statistics.concealedSamples <= (unrestored + 6 + statistics.packetsDiscarded) * 960)
  }
}
