import DTLSSRTP
import GLibLoop
import ICE
import RTP
import SDP
import TestSupport
import Testing

@testable import PeerConnection

/// Keeps what a peer received.
final class Recorder: RTPReceiver {
  struct Packet: Equatable {
    let sequenceNumber: UInt16
    let timestamp: UInt32
    let marker: Bool
    let ssrc: UInt32
    let payload: [UInt8]
    let level: AudioLevel?
  }

  private let packets = Locked<[Packet]>([])
  private let reports = Locked<[SenderInfo]>([])

  var received: [Packet] { packets.withLock { $0 } }
  var senderReports: [SenderInfo] { reports.withLock { $0 } }

  func received(
    _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant
  ) {
    let packet = Packet(
      sequenceNumber: header.sequenceNumber, timestamp: header.timestamp, marker: header.marker, ssrc: header.ssrc,
      payload: payload.indices.map { payload[$0] }, level: audioLevel)
    packets.withLock { $0.append(packet) }
  }

  func receivedSenderReport(_ info: SenderInfo, source: UInt32, arrival: ContinuousClock.Instant) {
    reports.withLock { $0.append(info) }
  }
}

/// A peer whose events are kept, and whose candidates go to the other one.
final class Side: Sendable {
  let peer: Peer
  private let record = Locked<[PeerEvent]>([])

  init(_ configuration: PeerConfiguration) throws { peer = try Peer(configuration) }

  var events: [PeerEvent] { record.withLock { $0 } }

  func follow(tricklingTo other: Side?) async {
    for await event in peer.events {
      record.withLock { $0.append(event) }
      if case .localCandidate(let candidate) = event {
        await other?.peer.addRemoteCandidate(candidate.line, mid: candidate.mid, index: candidate.index)
      }
    }
  }

  var isConnected: Bool { events.contains { if case .connected = $0 { true } else { false } } }
  var failure: PeerError? {
    events.lazy.compactMap { if case .failed(let error) = $0 { error } else { nil } }.first
  }
  var candidates: [String] {
    events.compactMap { if case .localCandidate(let candidate) = $0 { candidate.line } else { nil } }
  }
  var messages: [String] { events.compactMap { if case .message(let text, _) = $0 { text } else { nil } } }
  var openedChannels: [String] {
    events.compactMap { if case .dataChannelOpened(_, let label) = $0 { label } else { nil } }
  }
}

/// A sender that offers and a receiver that answers, on loopback.
struct PeerPair {
  static let identity = Result { try DTLSIdentity() }

  let sender: Side
  let receiver: Side
  let recorder: Recorder

  static func ice(_ change: (inout ICEConfiguration) -> Void = { _ in }) -> ICEConfiguration {
    var configuration = ICEConfiguration()
    configuration.localAddresses = ["127.0.0.1"]
    change(&configuration)
    return configuration
  }

  static func sending(ssrc: UInt32 = 0x1234_5678, dataChannel: String? = "status", ice: ICEConfiguration = ice()) throws
    -> PeerConfiguration
  {
    PeerConfiguration(
      identity: try identity.get(), ice: ice,
      sending: AudioSource(ssrc: ssrc, canonicalName: "sender", streamID: "stream", trackID: "track"),
      sessionID: 1, dataChannelLabel: dataChannel)
  }

  static func receiving(
    _ receiver: any RTPReceiver, dataChannel: String? = "status", ice: ICEConfiguration = ice()
  ) throws -> PeerConfiguration {
    PeerConfiguration(
      identity: try identity.get(), ice: ice, receivingWith: receiver, reporterSSRC: 77, canonicalName: "receiver",
      sessionID: 2, dataChannelLabel: dataChannel)
  }

  /// Makes a pair, runs `body` while candidates flow, and closes both.
  static func with(
    sending: PeerConfiguration? = nil, receiving: PeerConfiguration? = nil, recorder: Recorder = Recorder(),
    trickles: Bool = true, _ body: (PeerPair) async throws -> Void
  ) async throws {
    let pair = PeerPair(
      sender: try Side(sending ?? Self.sending()), receiver: try Side(receiving ?? Self.receiving(recorder)),
      recorder: recorder)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pair.sender.follow(tricklingTo: trickles ? pair.receiver : nil) }
      group.addTask { await pair.receiver.follow(tricklingTo: trickles ? pair.sender : nil) }
      let outcome: Result<Void, any Error>
      do { outcome = .success(try await body(pair)) } catch { outcome = .failure(error) }
      await pair.sender.peer.close()
      await pair.receiver.peer.close()
      try outcome.get()
      try await group.waitForAll()
    }
  }

  /// Exchanges descriptions and waits for both sides.
  func connect() async throws {
    let offer = try await sender.peer.offer()
    try await sender.peer.accept(answer: try await receiver.peer.answer(to: offer))
    try await eventually("the connection") { sender.isConnected && receiver.isConnected }
  }
}

extension Peer {
  /// For tests: `sendAudio` from an array.
  nonisolated func sendAudio(copying payload: [UInt8], level: AudioLevel? = nil, marker: Bool = false) {
    sendAudio(payload.span, samples: 960, level: level, marker: marker)
  }

  /// For tests: a datagram as if it had come from the network.
  func inject(_ datagram: [UInt8]) {
    var datagram = datagram
    datagram.withUnsafeMutableBufferPointer { received($0) }
  }

  func forwardFromLoop(_ payload: [UInt8], sequenceNumber: UInt16, timestamp: UInt32) -> Bool {
    forward(payload.span, sequenceNumber: sequenceNumber, timestamp: timestamp, marker: false, level: nil)
  }
}
