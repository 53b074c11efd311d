import RecordedCalls
import TestSupport
import Testing

@testable import TalkProtocol

@Suite struct ReplayTests {
  /// Sessions of guests that went by the order, whatever happened to them.
  static let sessions: [(String, String)] = [
    ("listen-only-publisher-already-there", "Listener"), ("listen-only-publisher-already-there", "Publisher"),
    ("guest-first-publisher-later", "Publisher"), ("guest-participant-list", "Listener"),
    ("guest-participant-list", "Anna Publisher"), ("mute-unmute", "Publisher"), ("chromium-both", "Chromium listener"),
    ("chromium-both", "Chromium publisher"), ("chromium-publisher-audio", "Listener"),
    ("chromium-publisher-audio", "Chromium"), ("chromium-publisher-audio-dc", "Listener"),
    ("chromium-publisher-audio-video", "Listener"), ("chromium-publisher-audio-video-simulcast", "Listener"),
    ("chromium-listener-turn-relay", "Chromium listener"), ("audio-only-from-av-publisher", "L plain"),
    ("audio-only-from-av-publisher", "L rejects video"), ("experiments-hpb-2.0.2", "A listen flags1"),
    ("publisher-leaves", "Publisher-leaves-call"),
    ("long-run-and-token-expiry", "Long listener"), ("long-run-and-token-expiry", "Long publisher"),
    ("room-made-private", "Guest"),
  ]

  @Test(arguments: sessions)
  func `given what the server said to a recorded client, we do what it did, in its order`(
    name: String, who: String
  ) throws {
    var replay = try Replay(Transcript(name), who: who)
    replay.run()
    replay.pass(until: replay.now + .seconds(10))
    #expect(!replay.recorded.isEmpty)
    #expect(replay.ours == replay.recorded)
    #expect(replay.finishes == 1)
  }

  @Test(arguments: Transcript.names)
  func `whatever a server says, the rules are kept`(name: String) throws {
    let transcript = try Transcript(name)
    for who in Set(transcript.rows.filter { $0.channel == "ws" }.map(\.who)).sorted() {
      var replay = try Replay(transcript, who: who)
      replay.run()
      replay.handle(.leave)
      replay.pass(until: replay.now + .seconds(10))
      #expect(replay.finishes == 1, "\(who)")
      checkRules(replay.effects, who)
    }
  }

  @Test(arguments: Transcript.names)
  func `a server that talks nonsense brings nothing down`(name: String) throws {
    let transcript = try Transcript(name)
    let clients = Set(transcript.rows.filter { $0.channel == "ws" }.map(\.who)).sorted()
    for seed in 0..<UInt64(max(1, 8 / max(1, clients.count))) {
      for who in clients {
        var random = SeededRandom(seed: seed)
        var replay = try Replay(transcript, who: who)
        replay.run(messages: { Self.spoil($0, &random).map { [$0] } ?? [] })
        for number in 1...40 {
          let peer = PeerID(number: number)
          let events: [PeerEvent] = [
            .failed(PeerFailure(.lost, detail: "")), .closed, .inactive, .active, .connected, .dataChannelOpened,
            .answerReady(sdp: ""), .offerReady(sdp: ""), .dataMessage("{}"),
            .candidate(ICECandidatePayload(candidate: "")),
          ]
          if let event = events.randomElement(using: &random) { replay.handle(.peer(peer, event)) }
        }
        replay.pass(until: replay.now + .seconds(100))
        replay.handle(.leave)
        replay.pass(until: replay.now + .seconds(10))
        #expect(replay.finishes == 1, "\(who), seed \(seed)")
        checkRules(replay.effects, who)
      }
    }
  }

  /// Now and then: nothing, half of it, a wrong byte, a wrong word, or a number where a word was.
  private static func spoil(_ text: String, _ random: inout SeededRandom) -> String? {
    switch Int.random(in: 0..<20, using: &random) {
    case 0: return nil
    case 1: return String(text.prefix(Int.random(in: 0...text.count, using: &random)))
    case 2, 3:
      var bytes = Array(text.utf8)
      for _ in 0..<3 {
        if let index = bytes.indices.randomElement(using: &random) {
          bytes[index] = .random(in: 0...255, using: &random)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    case 4, 5, 6:
      var words = text.split(separator: "\"", omittingEmptySubsequences: false)
      if let one = words.indices.randomElement(using: &random), let other = words.indices.randomElement(using: &random)
      {
        words.swapAt(one, other)
      }
      return words.joined(separator: "\"")
    case 7:
      return text.replacing(":{", with: ":[{", maxReplacements: 1).replacing("}}", with: "}]}", maxReplacements: 1)
    case 8: return text.replacing("true", with: "-1").replacing(":3,", with: ":1e99,").replacing("null", with: "{}")
    default: return text
    }
  }

  /// What must hold in whatever order things come.
  private func checkRules(_ effects: [CallEffect], _ who: String) {
    var isInRoom = false
    var openPeers: Set<PeerID> = []
    var openSockets: Set<SocketID> = []
    for (index, effect) in effects.enumerated() {
      switch effect {
      case .request(let request):
        if request.purpose == .joinConversation { isInRoom = false }
        if request.purpose == .joinCall, !isInRoom { Issue.record("\(who): the call before the room") }
      case .send(let socket, let text):
        if !openSockets.contains(socket) { Issue.record("\(who): a message without a socket") }
        if text.contains(#""id":"room-"#) { isInRoom = true }
      case .openSocket(let id, _): openSockets.insert(id)
      case .closeSocket(let id): openSockets.remove(id)
      case .createPublisher(let id, _), .createSubscriber(let id, _, _, _): openPeers.insert(id)
      case .closePeer(let id):
        if openPeers.remove(id) == nil { Issue.record("\(who): \(id) is closed twice") }
      case .applyAnswer(let id, _), .applyOffer(let id, _), .addCandidate(let id, _), .sendData(let id, _):
        if !openPeers.contains(id) { Issue.record("\(who): \(id) is used after its end") }
      case .finish:
        if index != effects.count - 1 { Issue.record("\(who): something follows the end") }
        if !openPeers.isEmpty { Issue.record("\(who): \(openPeers.count) peers stay open") }
      case .muteMicrophone, .report: break
      }
    }
  }
}
