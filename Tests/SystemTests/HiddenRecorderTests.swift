import Audio
import Foundation
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

/// What the signaling server calls an internal client, with the real one.
@Suite(.serialized) struct `A hidden recorder` {
  private static func secret(_ text: String, _ name: String, in run: RunDirectory) throws -> String {
    let path = run.file(name)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private static func byRecordingSecret(_ installation: RealInstallation) throws -> [String] {
    [
      "--internal-secret-file", try secret(SignalingServer.internalSecret, "internal", in: installation.run),
      "--recording-secret-file", try secret(RealInstallation.recordingSecret, "recording", in: installation.run),
    ]
  }

  /// A guest by hand: what it is told over its socket is there to be looked at.
  private static func withOnlooker(
    _ installation: RealInstallation, flags: Int, _ body: (CallGuest) async throws -> Void
  ) async throws {
    let guest = CallGuest(
      base: installation.base, token: RealInstallation.token, mediaAddress: Rig.serverAddress)
    do {
      try await guest.enterCall(flags: flags, name: "Onlooker")
      try await body(guest)
    } catch {
      await guest.close()
      throw error
    }
    await guest.close()
  }

  @Test func `records a call, and is for others no participant but an internal session that sends nothing`()
    async throws
  {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording, try Self.byRecordingSecret(installation))
      try await recorder.event("phase") { $0.phase == "waiting-for-call" }
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      #expect(await installation.room.names(RealInstallation.token) == ["Bruno"])
      try await Self.withOnlooker(installation, flags: 1) { guest in
        try await guest.message("the list with the internal session") { message in
          message["event"]["update"]["users"].array?.contains { $0["internal"] == true && $0["inCall"].int == 1 }
            ?? false
        }
        try await recorder.leave()
        try await guest.message("its leave") { $0["event"]["type"] == "leave" }
      }
      try await bruno.leave()
      #expect(try RealInstallation.voices(in: recording) == [.bass])
    }
  }

  @Test func `needs nothing of Nextcloud where it is told the servers, and makes its own passwords for relays`()
    async throws
  {
    try await RealInstallation.with(relay: [.tcp]) { installation in
      let recording = installation.run.file("call.wav")
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await installation.awaitCall(of: "Bruno")
      let recorder = try installation.recorder(
        recording,
        [
          "--internal-secret-file",
          try Self.secret(SignalingServer.internalSecret, "internal", in: installation.run), "--signaling",
          SignalingServer.url, "--turn", CoturnServer.Transport.tcp.url, "--turn-secret-file",
          try Self.secret(CoturnServer.secret, "turn", in: installation.run), "--relay-only",
        ])
      try await RealInstallation.awaitVoices([.bass], in: recording)
      try await recorder.leave()
      try await bruno.leave()
    }
  }

  @Test func `has a voice when it is given one`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await installation.awaitCall(of: "Bruno", "Recorder")
      let hidden = try installation.speaker(
        .soprano, name: "Hidden", try Self.byRecordingSecret(installation))
      try await RealInstallation.awaitVoices([.bass, .soprano], in: recording)
      #expect(await installation.room.names(RealInstallation.token) == ["Bruno", "Recorder"])
      for child in [hidden, bruno, recorder] { try await child.leave() }
    }
  }

  @Test func `watches call after call, and is not taken in by the list of one that was ended for everybody`()
    async throws
  {
    try await RealInstallation.with { installation in
      let folder = installation.run.file("recordings")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      func recordings() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
      let watch = try installation.talkbridge(
        "watch", ["--output-directory", folder] + (try Self.byRecordingSecret(installation)))
      try await Self.withOnlooker(installation, flags: 0) { guest in
        for call in 1...2 {
          try await eventually("the wait") {
            watch.events("phase").count { $0.phase == "waiting-for-call" } >= call
          }
          try await guest.joinCall(flags: 1)
          let bruno = try installation.speaker(.bass, name: "Bruno")
          try await eventually("recording \(call)") { try recordings().count == call }
          try await RealInstallation.awaitVoices([.bass], in: folder + "/" + (try recordings().last ?? ""))
          await installation.room.endCall(RealInstallation.token)
          #expect(try await bruno.exit() == .code(0), "\(bruno.story)")
          try await eventually("the end of recording \(call)") { watch.events("finished").count == call }
        }
        // Long enough for the signaling server to say that there is nothing of those on its old list.
        try await watch.event("phase") { $0.phase == "waiting-for-call" }
        try await Task.sleep(for: .seconds(12))
        #expect(try recordings().count == 2)
      }
      try await watch.leave()
    }
  }

  @Test func `is refused with a wrong secret`() async throws {
    try await RealInstallation.with { installation in
      let recorder = try installation.recorder(
        "none",
        [
          "--internal-secret-file", try Self.secret("wrong", "wrong", in: installation.run), "--signaling",
          SignalingServer.url,
        ])
      #expect(try await recorder.exit() == .code(29), "\(recorder.story)")
      #expect(recorder.errorOutput.contains("internalsecret"))
    }
  }
}
