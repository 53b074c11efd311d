import Audio
import Foundation
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

/// What moderators do to a conversation, through the real signaling server.
@Suite(.serialized) struct `A conversation with moderators` {
  private static let breakout = "breakout1"
  private static let mute = Permissions.guestDefault.subtracting(.publishAudio).union(.custom)

  @Test func `sends us to a breakout room and back, and the recording goes on`() async throws {
    let rooms = [HostedConversation(token: Self.breakout, name: "Group 1")]
    try await RealInstallation.with(conversations: rooms) { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording, ["--until-empty"])
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      for (from, to) in [(RealInstallation.token, Self.breakout), (Self.breakout, RealInstallation.token)] {
        for name in ["Bruno", "Recorder"] { await installation.room.send(name, from: from, to: to) }
        try await eventually("both in \(to)") {
          await installation.room.namesInCall(to) == ["Bruno", "Recorder"]
        }
        try await RealInstallation.awaitVoices([.bass], in: recording)
        #expect(await installation.room.names(from).isEmpty)
      }
      try await bruno.leave()
      #expect(try await recorder.exit() == .code(0), "\(recorder.story)")
      #expect(recorder.events.last?.recordedSamples == (try WaveFile.read(recording).count))
    }
  }

  @Test func `gives and takes the right to speak, and a browser hears who has it`() async throws {
    try await RealInstallation.with { installation in
      await installation.room.change(RealInstallation.token) { $0.guestPermissions = Self.mute }
      let browser = try await ChromiumParticipant(
        token: RealInstallation.token, name: "Clara", in: installation.run)
      try await installation.awaitCall(of: "Clara")
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await bruno.event("publishing-forbidden")
      try await installation.awaitCall(of: "Bruno", "Clara")
      for _ in 1...2 {
        let before = browser.events.count
        await installation.room.change(RealInstallation.token) { $0.guestPermissions = .guestDefault }
        var heard: String?
        try await eventually(within: .seconds(40), "the browser hearing Bruno") {
          heard = browser.events.dropFirst(before).last { $0.event == "listening" }?.peer
          return heard.map { !browser.sound(from: $0).isEmpty } ?? false
        }
        let known = browser.sound(from: heard ?? "").count
        try await eventually(within: .seconds(40), "his voice") {
          let sound = browser.sound(from: heard ?? "").dropFirst(known)
          return sound.count >= 3 * PCM.sampleRate
            && RealInstallation.voices(in: sound.suffix(3 * PCM.sampleRate)) == [.bass]
        }
        #expect(await installation.room.callFlags(of: "Bruno", in: RealInstallation.token) == 3)
        let refusals = bruno.events("publishing-forbidden").count
        await installation.room.change(RealInstallation.token) { $0.guestPermissions = Self.mute }
        try await eventually("the refusal") { bruno.events("publishing-forbidden").count > refusals }
      }
      try await bruno.leave()
      browser.stop()
    }
  }

  @Test func `mutes a speaker, who obeys and unmutes himself`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await RealInstallation.awaitVoices([.bass], in: recording)
      let target = try #require(recorder.heard.first)
      let mona = CallGuest(
        base: installation.base, token: RealInstallation.token, mediaAddress: Rig.serverAddress)
      try await mona.enterCall(flags: 1, name: "Mona")
      await installation.room.promote("Mona", in: RealInstallation.token)
      try await mona.message("the promotion") { message in
        message["event"]["update"]["users"].array?.contains { $0["participantType"] == 6 } ?? false
      }
      await mona.send(
        "control",
        [
          "recipient": ["type": "session", "sessionid": .string(target)],
          "data": ["action": "forceMute", "peerId": .string(target)],
        ])
      try await bruno.event("muted-by-moderator")
      try await recorder.event("participant-muted") { $0.muted == true }
      try await RealInstallation.awaitVoices([], in: recording)
      bruno.send(SIGUSR1)
      try await RealInstallation.awaitVoices([.bass], in: recording)
      await mona.close()
      try await bruno.leave()
      try await recorder.leave()
    }
  }

  @Test func `closes the lobby over a call, and opens it again for who waits`() async throws {
    try await RealInstallation.with { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording, ["--wait-in-lobby"])
      let bruno = try installation.speaker(.bass, name: "Bruno", ["--wait-in-lobby"])
      try await RealInstallation.awaitVoices([.bass], in: recording)
      await installation.room.change(RealInstallation.token) { $0.hasLobby = true }
      try await bruno.event("phase") { $0.phase == "waiting-in-lobby" }
      try await recorder.event("phase") { $0.phase == "waiting-in-lobby" }
      await installation.room.change(RealInstallation.token) { $0.hasLobby = false }
      try await RealInstallation.awaitVoices([.bass], in: recording)
      try await bruno.leave()
      try await recorder.leave()
    }
  }

  @Test func `is watched for ever: a recording per call, also after servers failed and the call was ended`()
    async throws
  {
    try await RealInstallation.with { installation in
      let folder = installation.run.file("recordings")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      func recordings() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
      let watch = try installation.talkbridge("watch", ["--output-directory", folder])
      for call in 1...4 {
        try await eventually("the wait for call \(call)") {
          watch.events("phase").count { $0.phase == "waiting-for-call" } >= call
        }
        if call == 3 {
          try await installation.restartSignaling(after: .seconds(1))
          try await watch.event("phase") { $0.phase == "reconnecting" }
        }
        let bruno = try installation.speaker(.bass, name: "Bruno")
        try await eventually(within: .seconds(60), "recording \(call)") { try recordings().count == call }
        let recording = folder + "/" + (try recordings().last ?? "")
        try await RealInstallation.awaitVoices([.bass], in: recording, within: .seconds(60))
        if call == 2 {
          await installation.room.endCall(RealInstallation.token)
          #expect(try await bruno.exit() == .code(0), "\(bruno.story)")
        } else {
          try await bruno.leave()
        }
        try await eventually("the end of recording \(call)") { watch.events("finished").count == call }
        #expect(RealInstallation.voices(in: try WaveFile.read(recording)) == [.bass])
      }
      try await watch.leave()
      #expect(try recordings().count == 4)
    }
  }

  @Test func `is watched on when the disk was full, which costs one recording`() async throws {
    try await RealInstallation.with { installation in
      let folder = installation.run.file("recordings")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      // Room for three seconds.
      try await Self.mount(["-t", "tmpfs", "-o", "size=300k", "none", folder])
      let watch = try installation.talkbridge("watch", ["--output-directory", folder])
      try await watch.event("phase") { $0.phase == "waiting-for-call" }
      let bruno = try installation.speaker(.bass, name: "Bruno")
      try await watch.event("failed") { $0.error == "disk-full" }
      try await Self.mount(["-o", "remount,size=50m", folder])
      func recordings() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
      try await eventually(within: .seconds(60), "another recording") { try recordings().count > 1 }
      try await RealInstallation.awaitVoices(
        [.bass], in: folder + "/" + (try recordings().last ?? ""), within: .seconds(60))
      try await bruno.leave()
      try await watch.event("finished")
      try await watch.leave()
    }
  }

  @Test func `may be below a path of its host, by either form of its address`() async throws {
    try await RealInstallation.with(path: "/nextcloud") { installation in
      let recording = installation.run.file("call.wav")
      let recorder = try installation.recorder(recording)
      let bruno = try Rig.client(
        "talkbridge",
        [
          "join", installation.url.replacing("/call/", with: "/index.php/call/"), "--json", "--input",
          try installation.speech(of: .bass), "--loop", "--output", "none",
        ])
      try await RealInstallation.awaitVoices([.bass], in: recording)
      try await bruno.leave()
      try await recorder.leave()
    }
  }

  /// In the mounts of the rig, which nobody else sees.
  private static func mount(_ arguments: [String]) async throws {
    let mount = try ChildProcess("mount", arguments)
    guard try await mount.exit() == .code(0) else { throw RigError(mount.transcript) }
  }
}
