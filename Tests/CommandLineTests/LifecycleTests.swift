import Glibc
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

@testable import talkbridge

/// How the program comes into a call, stays and goes.
@Suite struct LifecycleTests {
  private static let silently = ["--input", "none", "--output", "none", "--name", "Anna"]
  private static let recorder = "talkbridge (recording)"

  private static func isInCall(_ name: String, _ room: EmbeddedRoom) async throws {
    try await eventually("\(name) in the call") { await room.namesInCall(token).contains(name) }
  }

  // MARK: Leaving

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
  func `the first signal leaves in the protocol's order`(signal: Int32) async throws {
    let traffic = Eavesdropper()
    try await withRoom { options, _ in
      options.observer = traffic.listen
    } _: { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      child.send(signal)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      #expect(await room.names(token).isEmpty)
      let steps = traffic.all.filter { $0.direction == .received }.compactMap { step in
        switch step.title {
        case "DELETE /ocs/v2.php/apps/spreed/api/v4/call/\(token)": "call"
        case "DELETE /ocs/v2.php/apps/spreed/api/v4/room/\(token)/participants/active": "conversation"
        case "message" where step.text.contains("\"bye\""): "signaling"
        default: nil
        }
      }
      #expect(steps == ["call", "signaling", "conversation"])
    }
  }

  @Test func `a recording that is interrupted is complete`() async throws {
    let folder = try RunDirectory()
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        let child = try talkbridge(["record", url, "--output", folder.file("call.wav")])
        try await Self.isInCall(Self.recorder, room)
        try await eventually("some sound in the file") {
          (try? WaveFile.read(folder.file("call.wav")).count) ?? 0 > 24_000
        }
        child.send(SIGINT)
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
        let samples = try WaveFile.read(folder.file("call.wav"))
        #expect(samples.count > 24_000)
        #expect(samples.allSatisfy { $0 == 0 })
        #expect(await room.names(token) == ["Guest"])
      }
    }
  }

  @Test func `a second signal leaves at once`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      await room.setFaults { $0.replyDelay = .seconds(2) }
      child.send(SIGINT)
      try await child.says("leaving")
      child.send(SIGINT)
      #expect(try await child.exit() == .code(130), "\(child.transcript)")
    }
  }

  @Test func `a signal while it still connects ends it in order`() async throws {
    try await withRoom { room, url in
      await room.setFaults { $0.replyDelay = .seconds(1) }
      let child = try talkbridge(["join", url] + Self.silently)
      try await child.says("connecting")
      child.send(SIGTERM)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      try await eventually("nobody in the room") { await room.names(token).isEmpty }
    }
  }

  @Test func `alone, the duration counts from joining`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url, "--duration", "1s"] + Self.silently)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      #expect(child.errorOutput.contains("the time is over"))
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test func `with --until-empty the last one's leaving ends it`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url, "--until-empty"] + Self.silently)
      try await Self.isInCall("Anna", room)
      try await withGuest(at: url) { guest in
        try await child.says("Guest is in the call")
        #expect(child.exitStatus == nil)
        try await guest.leaveCall()
      }
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      #expect(child.errorOutput.contains("everybody else has left"))
    }
  }

  @Test func `a call that ends for everyone ends it`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      try await withGuest(at: url) { _ in
        try await child.says("Guest is in the call")
        await room.endCall(token)
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
        #expect(child.errorOutput.contains("the call ended"))
      }
    }
  }

  @Test func `being removed has an exit code of its own`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      await room.remove("Anna", from: token)
      #expect(try await child.exit() == .code(ExitCause.removed.rawValue), "\(child.transcript)")
    }
  }

  @Test func `a conversation that is deleted ends it`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      await room.delete(token)
      #expect(try await child.exit() == .code(ExitCause.removed.rawValue), "\(child.transcript)")
    }
  }

  @Test func `a lobby that is closed meanwhile ends the call`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      await room.change(token) { $0.hasLobby = true }
      #expect(try await child.exit() == .code(ExitCause.lobby.rawValue), "\(child.transcript)")
      #expect(child.errorOutput.contains("lobby"))
    }
  }

  // MARK: Staying

  @Test func `a lost connection is taken up again`() async throws {
    let traffic = Eavesdropper()
    try await withRoom { options, _ in
      options.observer = traffic.listen
    } _: { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      await room.dropSockets()
      try await eventually("a second hello") {
        traffic.all.contains { $0.direction == .received && $0.text.contains("resumeid") }
      }
      try await withGuest(at: url) { _ in
        try await child.says("Guest is in the call")
      }
      #expect(traffic.requests("POST", "v4/call").count == 2)
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `two who lose the call together find each other in it again`() async throws {
    try await withRoom { room, url in
      let children = try ["Anna", "Ben"].map { name in
        try talkbridge(["join", url, "--input", "none", "--output", "none", "--json", "--name", name])
      }
      for child in children { try await child.tells(#""event":"heard""#) }
      await room.forgetSessions(in: token)
      await room.restartSignaling()
      #expect(await room.namesInCall(token).isEmpty)
      for child in children {
        try await child.tells(#""phase":"reconnecting""#)
        try await child.tells(#""event":"heard""#, times: 2)
      }
      #expect(await room.namesInCall(token) == ["Anna", "Ben"])
      for child in children {
        child.send(SIGINT)
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
      }
    }
  }

  @Test func `a call that is ended for everyone while we are away is not started again`() async throws {
    try await withRoom { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await Self.isInCall("Anna", room)
      try await withGuest(at: url) { _ in
        try await child.says("Guest is in the call")
        await room.restartSignaling()
        await room.endCall(token)
        await room.forgetSessions(in: token)
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
        #expect(child.errorOutput.contains("the call ended"), "\(child.transcript)")
      }
    }
  }

  // MARK: Coming

  @Test func `a recorder waits for a call and never starts or rings one`() async throws {
    let traffic = Eavesdropper()
    try await withRoom { options, _ in
      options.observer = traffic.listen
    } _: { room, url in
      let child = try talkbridge(["record", url, "--output", "none"])
      try await child.says("waiting until somebody is in the call")
      #expect(await room.names(token) == [Self.recorder])
      #expect(await room.namesInCall(token).isEmpty)
      #expect(traffic.requests("POST", "v4/call").isEmpty)
      try await withGuest(at: url) { _ in
        try await Self.isInCall(Self.recorder, room)
        #expect(await room.callFlags(of: Self.recorder, in: token) == 1)
        #expect(traffic.requests("POST", "v4/call").contains(["flags": 1, "silent": true]))
      }
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
  }

  @Test(arguments: [false, true])
  func `a participant starts the call, and rings only if told to`(rings: Bool) async throws {
    let traffic = Eavesdropper()
    try await withRoom { options, _ in
      options.observer = traffic.listen
    } _: { room, url in
      let child = try talkbridge(["join", url] + Self.silently + (rings ? ["--ring"] : []))
      try await Self.isInCall("Anna", room)
      #expect(await room.callFlags(of: "Anna", in: token) == 3)
      #expect(traffic.requests("POST", "v4/call") == [["flags": 3, "silent": .bool(!rings)]])
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `who may not start a call waits for it`() async throws {
    try await withRoom {
      $1.guestPermissions.remove(.startCall)
    } _: { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await child.says("waiting until somebody starts the call, which we may not")
      #expect(await room.namesInCall(token).isEmpty)
      await room.change(token) { $0.guestPermissions = .guestDefault }
      try await withGuest(at: url) { _ in
        try await Self.isInCall("Anna", room)
        #expect(await room.callFlags(of: "Anna", in: token) == 3)
      }
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `who may not speak listens, and says so`() async throws {
    try await withRoom {
      $1.guestPermissions.remove(.publishAudio)
    } _: { room, url in
      let child = try talkbridge(["join", url] + Self.silently)
      try await child.says("not allowed to speak")
      #expect(await room.callFlags(of: "Anna", in: token) == 1)
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `several outputs are written at once`() async throws {
    let folder = try RunDirectory()
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        let files = [folder.file("one.wav"), folder.file("two.wav")]
        let child = try talkbridge(
          ["record", url, "--duration", "1s", "--output", files[0], "--output", files[1]])
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
        for file in files { #expect(try WaveFile.read(file).count >= 40_000) }
      }
    }
  }
}
