import TalkRoom
import TestSupport
import Testing

/// The chat with the real signaling server, which tells of news.
@Suite(.serialized) struct `A chat` {
  @Test func `is followed by the signaling server's hints, through its restart`() async throws {
    try await RealInstallation.with { installation in
      let room = installation.room
      let follower = try Rig.client(
        "talkbridge", ["chat", "follow", installation.url, "--json", "--log-level", "debug"])
      func hints(_ areOn: Bool) -> Int {
        follower.errorOutput.split(separator: "\n").count {
          $0.contains("tells of news") && $0.contains("\(areOn)")
        }
      }
      func read(_ text: String, within limit: Duration = .seconds(20)) async throws {
        await room.write([text], as: "Anna", in: RealInstallation.token)
        try await eventually(within: limit, text) { follower.output.contains("\"\(text)\"") }
      }
      try await eventually("the first hints") { hints(true) == 1 }
      try await read("first")
      try await read("second")
      try await installation.restartSignaling(after: .seconds(1))
      try await eventually("the loss") { hints(false) >= 1 }
      try await read("without hints", within: .seconds(60))
      try await eventually(within: .seconds(60), "hints again") { hints(true) >= 2 }
      try await read("with hints again", within: .seconds(60))
      #expect(try await follower.terminate() == .code(0), "\(follower.transcript)")
      let ids = follower.output.split(separator: "\n").count { $0.contains("\"comment\"") }
      #expect(ids == 4, "\(follower.transcript)")
    }
  }

  @Test func `is written beside a call`() async throws {
    try await RealInstallation.with { installation in
      let silently = ["--input", "none", "--output", "none", "--chat"]
      let anna = try installation.talkbridge("join", ["--name", "Anna"] + silently, input: .pipe)
      let bo = try installation.talkbridge("join", ["--name", "Bo"] + silently, input: .pipe)
      try await installation.awaitCall(of: "Anna", "Bo")
      try anna.write(Array("hej\n".utf8))
      try await eventually("at Bo's") { bo.output.contains("\"text\":\"hej\"") }
      try bo.write(Array("svar\n/quit\n".utf8))
      try await eventually("at Anna's") { anna.output.contains("\"text\":\"svar\"") }
      #expect(try await bo.exit() == .code(0), "\(bo.transcript)")
      #expect(try await anna.terminate() == .code(0), "\(anna.transcript)")
    }
  }
}
