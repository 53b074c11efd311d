import TalkScenarios
import TestSupport
import Testing

/// What was tried on a real installation, and is tried on the embedded room (TalkRoomTests), comes out the same with the
/// real signaling server and Janus of the rig. The room is their Nextcloud here.
@Suite(.serialized) struct `A real signaling server` {
  @Test func `does in every situation what was recorded`() async throws {
    try await RealInstallation.with(conversations: Experiment.conversations) { installation in
      let outcomes = try await Experiment.runAll(
        base: installation.base, room: installation.room, mediaAddress: Rig.serverAddress, patience: .seconds(10))
      #expect(outcomes.count == Experiment.all.count)
      for (experiment, outcome) in outcomes { #expect(outcome == experiment.outcome, "\(experiment)") }
    }
  }
}
