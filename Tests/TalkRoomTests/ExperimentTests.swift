import TalkRoom
import TalkScenarios
import Testing

/// What was tried on a real installation comes out the same here. (Against the real signaling server: SystemTests.)
@Suite struct ExperimentTests {
  @Test func `the embedded room does in every situation what a real installation did`() async throws {
    var options = EmbeddedRoom.Options()
    options.deadlines.media = .seconds(3)
    options.deadlines.room = .seconds(5)
    try await withRoom(options, conversations: Experiment.conversations) { room, base in
      let outcomes = try await Experiment.runAll(
        base: base, room: room, mediaAddress: "127.0.0.1", patience: options.deadlines.media)
      #expect(outcomes.count == Experiment.all.count)
      for (experiment, outcome) in outcomes { #expect(outcome == experiment.outcome, "\(experiment)") }
    }
  }
}
