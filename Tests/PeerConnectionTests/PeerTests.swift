import DTLSSRTP
import GLibLoop
import ICE
import RTP
import SDP
import TestSupport
import Testing

@testable import PeerConnection

@Suite struct PeerTests {
  @Test func `audio flows with its level, marker and clock, and data channels carry text both ways`() async throws {
    try await PeerPair.with { pair in
      try await pair.connect()
      let level = AudioLevel(voice: true, attenuation: 30)
      pair.sender.peer.sendAudio(copying: [1, 2, 3], level: level, marker: true)
      pair.sender.peer.sendAudio(copying: [])
      pair.sender.peer.sendAudio(copying: [4], level: level)
      try await eventually("two packets") { pair.recorder.received.count == 2 }
      let (first, second) = (pair.recorder.received[0], pair.recorder.received[1])
      #expect(first.payload == [1, 2, 3] && second.payload == [4])
      #expect(first.level == level)
      #expect(first.marker && !second.marker)
      #expect(first.ssrc == 0x1234_5678)
      #expect(second.sequenceNumber == first.sequenceNumber &+ 1)
      #expect(second.timestamp == first.timestamp &+ 1920)

      try await eventually("both channels on both sides") {
        pair.sender.openedChannels.count == 2 && pair.receiver.openedChannels.count == 2
      }
      try await pair.sender.peer.send("{\"type\":\"audioOn\"}")
      try await pair.receiver.peer.send("grüße")
      try await eventually("the texts") {
        pair.receiver.messages == ["{\"type\":\"audioOn\"}"] && pair.sender.messages == ["grüße"]
      }
    }
  }

  @Test func `reports tell each side of the other`() async throws {
    try await PeerPair.with { pair in
      try await pair.connect()
      try await eventually("reports both ways") {
        pair.sender.peer.sendAudio(copying: [9])
        return await pair.sender.peer.statistics().outbound?.roundTripTime != nil
      }
      #expect(!pair.recorder.senderReports.isEmpty)
      let sent = try #require(await pair.sender.peer.statistics().outbound)
      #expect(sent.fractionLost == 0)
      #expect(sent.remotePacketsLost == 0)
      #expect(sent.packetsSent == sent.bytesSent)
      #expect(try #require(sent.roundTripTime) < 5)

      let statistics = await pair.receiver.peer.statistics()
      let received = try #require(statistics.inbound.first)
      #expect(statistics.inbound.count == 1)
      #expect(received.ssrc == sent.ssrc)
      #expect(received.packetsLost == 0)
      #expect(received.packetsReceived > 0)
      #expect(statistics.dtlsCipher == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
      #expect(statistics.srtpCipher == "SRTP_AEAD_AES_128_GCM")
      #expect(statistics.selectedCandidatePair?.local.kind == .host)
    }
  }

  @Test func `another certificate than the announced one is refused`() async throws {
    try await PeerPair.with { pair in
      let offer = try await pair.sender.peer.offer()
      let answer = try await pair.receiver.peer.answer(to: offer)
      let stranger = try DTLSIdentity().fingerprint.description
      let own = try PeerPair.identity.get().fingerprint.description
      try await pair.sender.peer.accept(answer: answer.replacing(own, with: stranger))
      try await eventually("the refusal") { pair.sender.failure != nil }
      guard case .notSecured(let reason) = pair.sender.failure else {
        Issue.record("\(String(describing: pair.sender.failure))")
        return
      }
      #expect(!reason.isEmpty)
      #expect(!pair.sender.isConnected)
      #expect(await pair.sender.peer.statistics().outbound == nil)
      try await eventually("the end of the other side") { pair.receiver.events.last?.isLast == true }
    }
  }

  @Test func `candidates that come before the answer are kept`() async throws {
    try await PeerPair.with { pair in
      let offer = try await pair.sender.peer.offer()
      let answer = try await pair.receiver.peer.answer(to: offer)
      try await eventually("the receiver's candidates") { pair.receiver.events.contains(.gatheringDone) }
      try await pair.sender.peer.accept(answer: answer)
      try await eventually("the connection") { pair.sender.isConnected && pair.receiver.isConnected }
    }
  }

  @Test func `a handshake that comes before the answer is kept and answered later`() async throws {
    try await PeerPair.with(trickles: false) { pair in
      let offer = try SessionDescription(parsing: try await pair.sender.peer.offer())
      // The other side by hand: its first flight does not come through its path but early, and only once.
      let remote = RawRemote()
      let agent = try ICEAgent(PeerPair.ice(), on: .network)
      await agent.start(role: .controlled, delegate: remote)
      var client = try DTLSEndpoint(role: .client, identity: PeerPair.identity.get())
      client.start(at: .now)
      var hello: [[UInt8]] = []
      client.drain { datagram in hello.append(datagram.indices.map { datagram[$0] }) }
      for datagram in hello { await pair.sender.peer.inject(datagram) }

      let own = agent.localCredentials
      let answer = try SessionDescription.makeAnswer(
        to: offer,
        local: LocalEndpoint(
          sessionID: 3,
          credentials: SDP.ICECredentials(usernameFragment: own.usernameFragment, password: own.password),
          fingerprint: try #require(Fingerprint("sha-256 \(PeerPair.identity.get().fingerprint)"))))
      try await pair.sender.peer.accept(answer: answer.text)
      let offered = try NegotiatedSession(offer: offer).remoteCredentials
      await agent.setRemoteCredentials(
        ICE.ICECredentials(usernameFragment: offered.usernameFragment, password: offered.password))
      try await eventually("candidates of both") { pair.sender.candidates.count + remote.candidates.count >= 2 }
      for line in pair.sender.candidates { await agent.addRemoteCandidate(line) }
      for line in remote.candidates { await pair.sender.peer.addRemoteCandidate(line) }
      try await eventually("the server's flight") { !remote.datagrams.isEmpty }
      await agent.close()
    }
  }

  @Test func `the other side sees the close, after the goodbye of the stream`() async throws {
    try await PeerPair.with { pair in
      try await pair.connect()
      pair.sender.peer.sendAudio(copying: [1])
      try await eventually("a packet") { !pair.recorder.received.isEmpty }
      await pair.sender.peer.close()
      try await eventually("the close") { pair.receiver.events.last == .closed }
      #expect(pair.receiver.events.contains(.goodbye(source: 0x1234_5678)))
      try await eventually("our own end") { pair.sender.events.last == .closed }
    }
  }

  @Test func `what is no packet of the peer is counted and harms nothing`() async throws {
    try await PeerPair.with { pair in
      var random = SeededRandom(seed: 7)
      func garbage() -> [UInt8] {
        let kinds: [UInt8] = [0, 1, 20, 22, 23, 63, 64, 127, 128, 0x80, 0x90, 0xB0, 191, 192, 255]
        var bytes = random.bytes(Int.random(in: 0...1500, using: &random))
        if !bytes.isEmpty { bytes[0] = kinds.randomElement(using: &random)! }
        if bytes.count > 1, Bool.random(using: &random) { bytes[1] = UInt8.random(in: 192...210, using: &random) }
        return bytes
      }
      for _ in 0..<200 { await pair.receiver.peer.inject(garbage()) }
      try await pair.connect()
      for _ in 0..<2000 {
        await pair.receiver.peer.inject(garbage())
        await pair.sender.peer.inject(garbage())
      }
      pair.sender.peer.sendAudio(copying: [1])
      try await eventually("a packet") { !pair.recorder.received.isEmpty }
      let discarded = await pair.receiver.peer.statistics().discarded
      #expect(discarded.early > 0 && discarded.malformed > 0 && discarded.notAuthentic > 0)
      #expect(pair.receiver.failure == nil && pair.sender.failure == nil)
    }
  }

  @Test func `packets that are forwarded keep their numbers, and lost ones are counted`() async throws {
    try await PeerPair.with { pair in
      try await pair.connect()
      for number in [65534, 65535, 2, 3] as [UInt16] {
        #expect(await pair.sender.peer.forwardFromLoop([7], sequenceNumber: number, timestamp: 960 &* UInt32(number)))
      }
      try await eventually("four packets") { pair.recorder.received.count == 4 }
      #expect(pair.recorder.received.map(\.sequenceNumber) == [65534, 65535, 2, 3])
      let inbound = try #require(await pair.receiver.peer.statistics().inbound.first)
      #expect(inbound.packetsReceived == 4)
      #expect(inbound.packetsLost == 2)
    }
  }

  @Test func `a packet that comes twice is dropped`() async throws {
    try await PeerPair.with { pair in
      try await pair.connect()
      for _ in 0..<2 { _ = await pair.sender.peer.forwardFromLoop([7], sequenceNumber: 5, timestamp: 0) }
      _ = await pair.sender.peer.forwardFromLoop([8], sequenceNumber: 6, timestamp: 960)
      try await eventually("the last packet") { pair.recorder.received.last?.payload == [8] }
      #expect(pair.recorder.received.count == 2)
      #expect(await pair.receiver.peer.statistics().discarded.replayed == 1)
    }
  }

  @Test func `a renewed offer is answered on the same transport`() async throws {
    try await PeerPair.with { pair in
      try await pair.connect()
      let offer = try await pair.sender.peer.offer()
      let answer = try await pair.receiver.peer.answer(to: offer)
      try await pair.sender.peer.accept(answer: answer)
      #expect(try SessionDescription(parsing: offer).origin.sessionVersion == 2)
      #expect(try SessionDescription(parsing: answer).origin.sessionVersion == 2)
      pair.sender.peer.sendAudio(copying: [1])
      try await eventually("a packet") { !pair.recorder.received.isEmpty }

      let other = try Peer(PeerPair.sending())
      let foreign = try await other.offer()
      await #expect(throws: PeerError.transportChanged) { try await pair.receiver.peer.answer(to: foreign) }
      await other.close()
    }
  }

  @Test func `no path ends with the candidates that were tried`() async throws {
    let impatient = PeerPair.ice { $0.patience = .milliseconds(400) }
    try await PeerPair.with(
      sending: try PeerPair.sending(ice: impatient), trickles: false
    ) { pair in
      let offer = try await pair.sender.peer.offer()
      let answer = try await pair.receiver.peer.answer(to: offer)
      try await pair.sender.peer.accept(answer: answer.replacing("a=ice-pwd:", with: "a=ice-pwd:x"))
      await pair.sender.peer.addRemoteCandidate("candidate:1 1 udp 2015363327 127.0.0.1 9 typ host")
      try await eventually("the failure") { pair.sender.failure != nil }
      #expect(pair.sender.failure?.description.contains("host 127.0.0.1:9/udp") == true)
      #expect(pair.sender.events.last?.isLast == true)
    }
  }

  @Test func `descriptions that cannot be used are refused and leave the peer usable`() async throws {
    try await PeerPair.with { pair in
      await #expect(throws: PeerError.self) { try await pair.receiver.peer.answer(to: "nonsense") }
      await #expect(throws: PeerError.self) { try await pair.receiver.peer.accept(answer: "v=0") }
      let offer = try await pair.sender.peer.offer()
      await #expect(throws: PeerError.self) { try await pair.sender.peer.accept(answer: "v=0\r\ns=-\r\n") }
      await #expect(throws: PeerError.self) { try await pair.sender.peer.answer(to: offer) }
      try await pair.sender.peer.accept(answer: try await pair.receiver.peer.answer(to: offer))
      try await eventually("the connection") { pair.sender.isConnected && pair.receiver.isConnected }
    }
  }

  @Test func `a name in place of a local address is refused`() throws {
    #expect(throws: PeerError.self) {
      try Peer(PeerPair.sending(ice: PeerPair.ice { $0.localAddresses = ["here"] }))
    }
  }

  @Test func `many peers live side by side`() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          try await PeerPair.with(sending: try PeerPair.sending(ssrc: UInt32(number + 1))) { pair in
            try await pair.connect()
            for value in 0..<50 { pair.sender.peer.sendAudio(copying: [UInt8(number), UInt8(value)]) }
            try await eventually("packets") { pair.recorder.received.count >= 32 }
            #expect(pair.recorder.received.allSatisfy { $0.payload[0] == UInt8(number) })
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func `a forwarder passes packets from one peer to another`() async throws {
    let recorder = Recorder()
    try await PeerPair.with(recorder: recorder) { subscriber in
      try await subscriber.connect()
      let forwarder = Forwarder(to: subscriber.sender.peer)
      try await PeerPair.with(receiving: try PeerPair.receiving(forwarder)) { publisher in
        try await publisher.connect()
        publisher.sender.peer.sendAudio(copying: [5, 6], level: AudioLevel(voice: true, attenuation: 9))
        try await eventually("the packet") { !recorder.received.isEmpty }
        #expect(recorder.received[0].payload == [5, 6])
        #expect(recorder.received[0].level == AudioLevel(voice: true, attenuation: 9))
      }
    }
  }
}

/// A path without a peer on it.
private final class RawRemote: ICEAgentDelegate {
  private let record = Locked<(candidates: [String], datagrams: [[UInt8]])>(([], []))
  var candidates: [String] { record.withLock { $0.candidates } }
  var datagrams: [[UInt8]] { record.withLock { $0.datagrams } }

  func received(_ datagram: UnsafeMutableBufferPointer<UInt8>) {
    let bytes = Array(datagram)
    record.withLock { $0.datagrams.append(bytes) }
  }

  func handle(_ event: ICEEvent) {
    if case .localCandidate(let line) = event { record.withLock { $0.candidates.append(line) } }
  }
}

private final class Forwarder: RTPReceiver {
  private let subscriber: Peer
  init(to subscriber: Peer) { self.subscriber = subscriber }

  func received(
    _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant
  ) {
    subscriber.forward(
      payload, sequenceNumber: header.sequenceNumber, timestamp: header.timestamp, marker: header.marker,
      level: audioLevel)
  }
}

extension PeerEvent {
  fileprivate var isLast: Bool {
    switch self {
    case .closed, .failed: true
    default: false
    }
  }
}
