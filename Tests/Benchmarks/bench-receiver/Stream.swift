import DTLSSRTP
import GLibLoop
import Gateway
import ICE
import PeerConnection
import Playout

/// One connection to the publisher, and what is heard through it: the pieces that a call makes of each participant.
final class Stream: Sendable {
  let index: Int
  let feed: Feed
  private let peer: Peer

  init(index: Int, identity: DTLSIdentity, playout: PlayoutConfiguration) throws {
    self.index = index
    feed = try Feed(playout)
    var ice = ICEConfiguration()
    ice.localAddresses = ["127.0.0.1"]
    let sound = ParticipantSound(feeds: [feed], firstPacket: LoopTimer(on: .network) {})
    peer = try Peer(
      PeerConfiguration(
        identity: identity, ice: ice, receivingWith: sound, reporterSSRC: .random(in: 1...UInt32.max),
        canonicalName: "bench-receiver", sessionID: .random(in: 1..<(1 << 62))))
  }

  /// Answers the publisher's offer, with all candidates in the answer; media follows by itself.
  func connect(to publisher: Publisher) async throws {
    let offer = try await publisher.offer(of: index)
    var answer = try await peer.answer(to: offer)
    var events = peer.events.makeAsyncIterator()
    gathering: while let event = await events.next() {
      switch event {
      case .localCandidate(let candidate): answer += "a=\(candidate.line)\r\n"
      case .gatheringDone: break gathering
      case .failed(let error): throw error
      default: break
      }
    }
    answer += "a=end-of-candidates\r\n"
    try await publisher.take(answer: answer, of: index)
    Task { [index, peer] in
      for await case .failed(let error) in peer.events { complain("stream \(index): \(error)") }
    }
  }
}
