internal import DTLSSRTP
internal import ICE
internal import OpusCodec
internal import PeerConnection
internal import SDP
internal import TalkClient
internal import TalkProtocol
internal import Transport

// The media side of the driver: peer connections live on the gateway's own loop, so that calls to them are direct.

extension CallGateway {
  /// The label that browsers give to the channel of states (mute, name, speaking).
  private static let stateChannel = "status"

  func createPublisher(_ id: PeerID, _ servers: [TalkProtocol.ICEServer]) {
    let name = Self.randomName()
    let source = AudioSource(
      ssrc: .random(in: 1...UInt32.max), canonicalName: name, streamID: "talkbridge", trackID: "microphone")
    do {
      let peer = try Peer(
        PeerConfiguration(
          identity: try identity(), ice: iceConfiguration(servers), sending: source, sessionID: Self.randomSessionID(),
          dataChannelLabel: Self.stateChannel))
      adopt(LivePeer(peer, participant: nil, sound: nil), as: id)
      microphone?.connect(to: peer)
      let offer = try peer.assumeIsolated { try $0.offer() }
      feed(.peer(id, .offerReady(sdp: offer)))
    } catch { feed(.peer(id, .failed(Self.failure(error)))) }
  }

  func createSubscriber(
    _ id: PeerID, _ participant: ParticipantID, offer: String, _ servers: [TalkProtocol.ICEServer]
  ) {
    do {
      let sound = try sound(of: participant)
      let peer = try Peer(
        PeerConfiguration(
          identity: try identity(), ice: iceConfiguration(servers), receivingWith: sound,
          reporterSSRC: .random(in: 1...UInt32.max), canonicalName: Self.randomName(),
          sessionID: Self.randomSessionID(), dataChannelLabel: Self.stateChannel))
      adopt(LivePeer(peer, participant: participant, sound: sound), as: id)
      let answer = try peer.assumeIsolated { try $0.answer(to: offer) }
      feed(.peer(id, .answerReady(sdp: answer)))
    } catch { feed(.peer(id, .failed(Self.failure(error)))) }
  }

  func apply(offer: String, to id: PeerID) {
    guard let live = peers[id] else { return }
    do {
      let answer = try live.peer.assumeIsolated { try $0.answer(to: offer) }
      feed(.peer(id, .answerReady(sdp: answer)))
    } catch { feed(.peer(id, .failed(Self.failure(error)))) }
  }

  func apply(answer: String, to id: PeerID) {
    guard let live = peers[id] else { return }
    do { try live.peer.assumeIsolated { try $0.accept(answer: answer) } } catch {
      feed(.peer(id, .failed(Self.failure(error))))
    }
  }

  func add(_ candidate: ICECandidatePayload, to id: PeerID) {
    peers[id]?.peer.assumeIsolated { peer in
      peer.addRemoteCandidate(candidate.candidate, mid: candidate.sdpMid, index: candidate.sdpMLineIndex)
    }
  }

  func sendData(_ text: String, on id: PeerID) {
    connection.observer?(.dataSent(peer: traceName(of: id), text))
    // A channel that is not open yet misses what is repeated anyway.
    peers[id]?.peer.assumeIsolated { try? $0.send(text) }
  }

  func close(_ id: PeerID) {
    guard let live = peers.removeValue(forKey: id) else { return }
    if live.participant == nil { microphone?.connect(to: nil) }
    let peer = live.peer
    keepUntilClosed(Task { await peer.close() })
  }

  /// The participant's sound, mixed into all outputs from now on. A second connection to it goes on with the first's.
  private func sound(of id: ParticipantID) throws(OpusError) -> ParticipantSound {
    if let sound = sounds[id] { return sound }
    guard let firstPacket else { preconditionFailure("peer connections are made while the gateway runs") }
    var feeds: [Feed] = []
    for end in options.outputs { feeds.append(try Feed(end.playout)) }
    let sound = ParticipantSound(feeds: feeds, firstPacket: firstPacket)
    sounds[id] = sound
    for (mix, feed) in zip(mixes, feeds) { mix.add(feed) }
    return sound
  }

  private func adopt(_ live: LivePeer, as id: PeerID) {
    peers[id] = live
    let events = live.peer.events
    Task { for await event in events { handle(event, of: id) } }
  }

  private func handle(_ event: PeerConnection.PeerEvent, of id: PeerID) {
    guard let live = peers[id] else { return }
    switch event {
    case .localCandidate(let candidate):
      feed(
        .peer(
          id,
          .candidate(
            ICECandidatePayload(candidate: candidate.line, sdpMid: candidate.mid, sdpMLineIndex: candidate.index))))
    case .connected:
      live.connected(at: .now)
      feed(.peer(id, .connected))
    case .dataChannelOpened: feed(.peer(id, .dataChannelOpened))
    case .message(let text, _): feed(.peer(id, .dataMessage(text)))
    case .closed: feed(.peer(id, .closed))
    case .failed(let error):
      if case .noPath(let failure) = error { pathFailure = failure }
      feed(.peer(id, .failed(Self.failure(error, wasConnected: live.isConnected))))
    case .gatheringDone, .pathChanged, .goodbye, .dataChannelsEnded: break
    }
  }

  /// What a transcript of the traffic would miss: the rest of a peer connection goes through signaling.
  func tell(_ observer: TrafficObserver, of event: TalkProtocol.PeerEvent, from id: PeerID) {
    let name = traceName(of: id)
    switch event {
    case .connected: observer(.peerState(peer: name, state: "connected"))
    case .closed: observer(.peerState(peer: name, state: "closed"))
    case .failed: observer(.peerState(peer: name, state: "failed"))
    case .dataMessage(let text): observer(.dataReceived(peer: name, text))
    case .offerReady, .answerReady, .candidate, .dataChannelOpened, .inactive, .active: break
    }
  }

  /// `pub`, or `sub:` and the start of the participant's session.
  private func traceName(of id: PeerID) -> String {
    guard let live = peers[id] else { return "\(id)" }
    return live.participant.map { "sub:\($0.session.prefix(8))" } ?? "pub"
  }

  private static func failure(_ error: any Error, wasConnected: Bool = false) -> PeerFailure {
    guard let error = error as? PeerError else { return PeerFailure(.description, detail: "\(error)") }
    switch error {
    case .noPath, .localAddress: return PeerFailure(wasConnected ? .lost : .noPath, detail: error.description)
    case .notSecured, .handshakeTimedOut:
      return PeerFailure(wasConnected ? .lost : .handshake, detail: error.description)
    case .unreadableDescription, .unusableDescription, .transportChanged, .outOfOrder, .dataChannel:
      return PeerFailure(.description, detail: error.description)
    }
  }

  private func iceConfiguration(_ servers: [TalkProtocol.ICEServer]) -> ICEConfiguration {
    var configuration = ICEConfiguration()
    configuration.servers = servers.map { server in
      ICE.ICEServer(urls: server.urls ?? [], username: server.username ?? "", credential: server.credential ?? "")
    }
    configuration.relayOnly = options.relayOnly
    configuration.localAddresses = options.iceAddresses
    configuration.portRange = options.icePorts
    if let patience = options.icePatience { configuration.patience = patience }
    configuration.certificateAuthorityFile = options.caFile
    return configuration
  }

  private static func randomName() -> String { String(UInt64.random(in: 1 << 60...UInt64.max), radix: 36) }

  private static func randomSessionID() -> UInt64 { .random(in: 1..<(1 << 62)) }
}
