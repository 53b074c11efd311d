import TalkScenarios
import TestSupport
import Testing

/// What was tried on a real installation, and is tried on the embedded room (TalkRoomTests), comes out the same with the
/// real signaling server and Janus of the rig. The room is their Nextcloud here.
@Suite(.serialized) struct `A real signaling server` {
  @Test func `does in every situation what was recorded`() async throws {
    try await RealInstallation.with(conversations: Experiment.conversations) { installation in
      func run() async throws -> [(experiment: Experiment, outcome: String)] {
        try await Experiment.runAll(
          base: installation.base, room: installation.room, mediaAddress: Rig.serverAddress, patience: .seconds(10))
      }
      var outcomes = try await run()
      #expect(outcomes.count == Experiment.all.count)
      // With all rows at once, a real Janus has been seen to leave one of two subscriptions in quick succession without
      // sound, about once in some hundred. A row that deviates must come out right the second time.
      if outcomes.contains(where: { $0.outcome != $0.experiment.outcome }) {
        let deviating = outcomes.filter { $0.outcome != $0.experiment.outcome }.map { "\($0.experiment)" }
        outcomes = try await run().filter { deviating.contains("\($0.experiment)") }
      }
      for (experiment, outcome) in outcomes { #expect(outcome == experiment.outcome, "\(experiment)") }
    }
  }
}
