import RecordedCalls
import Testing

@testable import TalkRoom

/// The recorded clients of a real installation get the same answers here.
@Suite struct TranscriptTests {
  /// Where the answers differ, and why.
  static let exceptions: [String: [(difference: String, reason: String)]] = [
    "janus-restart": [
      ("processing_failed", "the media server was killed"), ("client_not_found", "the media server was killed"),
    ],
    "publisher-leaves": [
      ("63.183", "the news that one has vanished and that another leaves crossed each other")
    ],
    "publisher-reconnects": [
      ("client_not_found", "offers of a second peer connection on a live publisher confuse the media server")
    ],
    "signaling-restart": [("was answered 500", "the signaling server was down")],
  ]

  /// All but the experiments, which have tests of their own.
  @Test(arguments: Transcript.names.filter { !$0.hasPrefix("experiments") })
  func `a recorded session is answered as it was`(_ name: String) throws {
    let transcript = try Transcript(name)
    var replay = TranscriptReplay(transcript)
    replay.run(transcript)
    let exceptions = Self.exceptions[name] ?? []
    let differences = replay.differences.filter { difference in
      !exceptions.contains { difference.contains($0.difference) }
    }
    #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    for exception in exceptions {
      #expect(replay.differences.contains { $0.contains(exception.difference) }, "not needed: \(exception.reason)")
    }
    #expect(replay.comparisons > 0)
  }

  @Test(arguments: Transcript.names.filter { !$0.hasPrefix("experiments") })
  func `whatever clients say, the server goes on, and forgets them when they are gone`(_ name: String) throws {
    let transcript = try Transcript(name)
    var replay = TranscriptReplay(transcript)
    let mutator = Mutator(seed: 11)
    replay.mutator = mutator
    replay.run(transcript)
    let hub = replay.end()
    #expect(!replay.hasStalled)
    #expect(hub.sockets.isEmpty && hub.sessions.isEmpty && hub.rooms.isEmpty && hub.sessionOfSocket.isEmpty)
    #expect(hub.media.publishers.isEmpty && hub.media.subscriptions.isEmpty && hub.media.waiting.isEmpty)
  }
}
