import Audio
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct `A speaker whose packets get lost` {
  private struct Sample: Decodable {
    struct Outbound: Decodable {
      let packetsSent: Int
      let targetBitrate: Int
      let expectedLoss: Double
      let fractionLost: Double?
      let roundTripTime: Double?
    }
    let outbound: Outbound?
  }

  private func outbound(_ speaker: ChildProcess) -> Sample.Outbound? {
    let lines = speaker.output.split(separator: "\n").filter { $0.contains(#""event":"statistics""#) }
    return lines.last.flatMap { try? JSONDecoder().decode(Sample.self, from: Data($0.utf8)).outbound }
  }

  @Test func `sends more copies and bits while that lasts, and is heard`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      try await eventually("the server's first report") { outbound(bruno)?.roundTripTime != nil }
      #expect(outbound(bruno)?.targetBitrate == 32_000)
      #expect(outbound(bruno)?.expectedLoss == 0.05)

      try await Rig.drop(.input, "udp dport 20000-20499 numgen random mod 100 < 9", at: .servers)
      try await eventually(within: .seconds(60), "an answer to the loss") {
        guard let outbound = outbound(bruno) else { return false }
        return outbound.expectedLoss >= 0.07 && outbound.targetBitrate > 44_000
      }
      try await RealInstallation.awaitVoices([.bass], in: recording)

      try await Rig.heal()
      try await eventually(within: .seconds(90), "the end of it") {
        guard let outbound = outbound(bruno) else { return false }
        return outbound.expectedLoss == 0.05 && outbound.targetBitrate == 32_000
      }
      try await recorder.leave()
      try await bruno.leave()
    }
  }
}
