internal import DTLSSRTP
internal import GLibLoop
internal import ICE
internal import PeerConnection
internal import RTP
internal import SDP
internal import TalkProtocol

/// The media side of the embedded room, in the place and with the habits of Janus: it answers publishers' offers, makes
/// offers to subscribers, and hands on sound and states. Lives on the network loop, like the peers.
actor ForwardingUnit {
  nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  private let address: String
  private let identity: DTLSIdentity
  private let report: @Sendable (MediaEvent) -> Void
  private var faults = RoomFaults()
  private struct Subscriber {
    let peer: Peer
    let publisher: String
  }

  /// By session of the publisher.
  private var streams: [String: PublishedStream] = [:]
  /// By handle. They outlive their publisher.
  private var subscribers: [String: Subscriber] = [:]
  /// What follows each peer's events; cancelled, it closes the peer.
  private var followers: [ObjectIdentifier: Task<Void, Never>] = [:]
  private var streamCount: UInt64 = 0

  /// - Parameters:
  ///   - address: The local IP address that media uses, loopback allowed.
  ///   - report: Called on the network loop, also from inside `carryOut`.
  init(address: String, report: @escaping @Sendable (MediaEvent) -> Void) throws(DTLSError) {
    self.address = address
    self.report = report
    identity = try DTLSIdentity()
  }

  /// Ends all connections and waits until they are gone.
  func close() async {
    streams = [:]
    subscribers = [:]
    let followers = followers.values
    for follower in followers { follower.cancel() }
    for follower in followers { await follower.value }
  }

  func setFaults(_ faults: RoomFaults) {
    self.faults = faults
    for stream in streams.values { stream.assumeIsolated { $0.setFaults(faults) } }
  }

  /// How many packets of each publisher reached somebody, by session.
  var packetsForwarded: [String: Int] {
    streams.mapValues { stream in stream.assumeIsolated { $0.packetsForwarded } }
  }

  func carryOut(_ command: MediaCommand) {
    switch command {
    case .publish(let session, let sdp): publish(session, offer: sdp)
    case .publisherCandidate(let session, let candidate): add(candidate, to: publisher(session))
    case .closePublisher(let session):
      if let peer = publisher(session) { end(peer) }
      streams[session] = nil
    case .subscribe(let handle, let session): subscribe(handle, to: session)
    case .updateSubscription(let handle):
      guard let offer = try? subscribers[handle]?.peer.assumeIsolated({ try $0.offer() }) else { return }
      report(.subscriptionOffer(handle: handle, sdp: offer))
    case .subscriptionAnswer(let handle, let sdp):
      // An answer that does not fit leaves the connection as it is, as it does with Janus.
      try? subscribers[handle]?.peer.assumeIsolated { try $0.accept(answer: sdp) }
    case .subscriptionCandidate(let handle, let candidate): add(candidate, to: subscribers[handle]?.peer)
    case .closeSubscription(let handle):
      guard let subscriber = subscribers.removeValue(forKey: handle) else { return }
      streams[subscriber.publisher]?.assumeIsolated { $0.remove(handle) }
      end(subscriber.peer)
    }
  }

  // MARK: Publishers

  private func publisher(_ session: String) -> Peer? { streams[session]?.assumeIsolated { $0.peer } }

  private func publish(_ session: String, offer: String) {
    if let peer = publisher(session) {
      if let answer = try? peer.assumeIsolated({ try $0.answer(to: offer) }) {
        return report(.published(session: session, sdp: answer))
      }
      // Another connection while the first one lives: Janus answers it, and nobody hears it.
      return answer(offer, of: session, by: nil)
    }
    streamCount += 1
    let stream = PublishedStream(
      offersDataChannel: offer.contains("m=application"), faults: faults, loss: LossGenerator(seed: streamCount))
    streams[session] = stream
    answer(offer, of: session, by: stream)
  }

  private func answer(_ offer: String, of session: String, by stream: PublishedStream?) {
    do {
      let configuration = PeerConfiguration(
        identity: identity, ice: ice, receivingWith: stream ?? Unheard(),
        reporterSSRC: .random(in: 1...UInt32.max), canonicalName: "janus", sessionID: Self.randomSessionID())
      let peer = try Peer(configuration)
      stream?.assumeIsolated { $0.setPeer(peer) }
      let answer = try peer.assumeIsolated { try $0.answer(to: offer) }
      follow(peer) { $0.publisher(session, peer, $1) }
      report(.published(session: session, sdp: answer))
    } catch {
      if stream != nil { streams[session] = nil }
      report(.publishFailed(session: session))
    }
  }

  private func publisher(_ session: String, _ peer: Peer, _ event: PeerConnection.PeerEvent) {
    if case .localCandidate(let candidate) = event {
      return report(.publisherCandidate(session: session, Self.json(candidate)))
    }
    guard publisher(session) === peer else { return }
    switch event {
    case .connected: report(.publisherConnected(session: session))
    case .message(let text, _): streams[session]?.assumeIsolated { $0.relay(text) }
    case .closed: report(.publisherClosed(session: session))
    // One that could not connect goes on waiting, as with Janus: whoever asks for it is told so.
    case .failed(.noPath(let failure)) where failure.reason == .consentLost: report(.publisherClosed(session: session))
    default: break
    }
  }

  // MARK: Subscribers

  private func subscribe(_ handle: String, to session: String) {
    guard let stream = streams[session] else { return report(.subscriptionClosed(handle: handle)) }
    do {
      var configuration = PeerConfiguration(
        identity: identity, ice: ice,
        sending: AudioSource(
          ssrc: .random(in: 1...UInt32.max), canonicalName: "janus", streamID: "janus", trackID: "janus0"),
        sessionID: Self.randomSessionID())
      configuration.offersDataChannel = stream.offersDataChannel
      let peer = try Peer(configuration)
      let offer = try peer.assumeIsolated { try $0.offer() }
      stream.assumeIsolated { $0.add(peer, as: handle) }
      subscribers[handle] = Subscriber(peer: peer, publisher: session)
      follow(peer) { $0.subscriber(handle, $1) }
      report(.subscriptionOffer(handle: handle, sdp: offer))
    } catch {
      report(.subscriptionClosed(handle: handle))
    }
  }

  private func subscriber(_ handle: String, _ event: PeerConnection.PeerEvent) {
    guard let subscriber = subscribers[handle] else { return }
    let stream = streams[subscriber.publisher]
    switch event {
    case .localCandidate(let candidate):
      report(.subscriptionCandidate(handle: handle, Self.json(candidate)))
    case .dataChannelOpened(let id, let label):
      stream?.assumeIsolated { $0.channelOpened(id, label, by: handle) }
    case .closed, .failed:
      stream?.assumeIsolated { $0.remove(handle) }
      subscribers[handle] = nil
      report(.subscriptionClosed(handle: handle))
    default: break
    }
  }

  // MARK: Peers

  private var ice: ICEConfiguration {
    var configuration = ICEConfiguration()
    configuration.localAddresses = [address]
    return configuration
  }

  private static func randomSessionID() -> UInt64 { .random(in: 1..<1 << 62) }

  private func add(_ candidate: JSONValue, to peer: Peer?) {
    guard let line = candidate["candidate"].string, !line.isEmpty else { return }
    peer?.assumeIsolated { $0.addRemoteCandidate(line) }
  }

  private static func json(_ candidate: TrickledCandidate) -> JSONValue {
    [
      "candidate": .string(candidate.line), "sdpMid": .string(candidate.mid),
      "sdpMLineIndex": .int(candidate.index),
    ]
  }

  /// Hands a peer's events to `handle` until the last, or until `end`, and closes the peer then.
  private func follow(
    _ peer: Peer, _ handle: @escaping @Sendable (isolated ForwardingUnit, PeerConnection.PeerEvent) -> Void
  ) {
    let id = ObjectIdentifier(peer)
    followers[id] = Task {
      for await event in peer.events { handle(self, event) }
      await peer.close()
      followers[id] = nil
    }
  }

  private func end(_ peer: Peer) { followers[ObjectIdentifier(peer)]?.cancel() }
}

/// Takes what nobody is to hear.
private final class Unheard: RTPReceiver {
  func received(
    _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant
  ) {}
}
