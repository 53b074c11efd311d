/// What we receive: a peer connection for each participant who may send, and the asking for it.
struct Subscriptions: Sendable {
  typealias Instant = ContinuousClock.Instant

  private static let candidateLimit = 64

  private enum Request {
    case none
    case scheduled(Instant)
    case outstanding(number: Int, since: Instant)
  }

  private struct Peer {
    var id: PeerID
    /// The media server's name for this connection.
    var sid: String?
    var hasAnswered = false
    var isConnected = false
    /// Ours, until the answer is out.
    var candidates: [ICECandidatePayload] = []
  }

  private struct Subscription {
    var request = Request.none
    var peer: Peer?
    /// In a row; each waits longer.
    var failures = 0
    /// Candidates that came before their offer.
    var early: [(sid: String?, candidate: ICECandidatePayload)] = []
    /// A silent stream is asked for again, but ever more rarely: silence is not proof of anything.
    var nextProbe: Instant?
    var probes = 0
    var isProbing = false
  }

  private let timing: CallTiming
  private var subscriptions: [ParticipantID: Subscription] = [:]
  private var owners: [PeerID: ParticipantID] = [:]

  init(timing: CallTiming) { self.timing = timing }

  var deadline: Instant? {
    subscriptions.values.compactMap { subscription in
      switch subscription.request {
      case .none: nil
      case .scheduled(let at): at
      case .outstanding(_, let since): since + timing.requestRepeat
      }
    }.min()
  }

  func contains(_ id: ParticipantID) -> Bool { subscriptions[id] != nil }

  func owner(of peer: PeerID) -> ParticipantID? { owners[peer] }

  /// Whether media of anybody can still be expected to flow.
  var hasWorkingPeer: Bool {
    subscriptions.values.contains { $0.peer?.isConnected == true && $0.probes == 0 }
  }

  // MARK: Who is wanted

  /// Asks for who is new, closes what is gone.
  mutating func reconcile(
    _ wanted: some Sequence<ParticipantID>, at now: Instant, _ outbox: inout Outbox
  ) {
    let wanted = Set(wanted)
    for id in subscriptions.keys.filter({ !wanted.contains($0) }).sorted(by: Self.order) { remove(id, &outbox) }
    for id in wanted.filter({ subscriptions[$0] == nil }).sorted(by: Self.order) {
      subscriptions[id] = Subscription()
      request(id, at: now, &outbox)
    }
  }

  /// The server has forgotten all of them.
  mutating func reset(_ outbox: inout Outbox) {
    for id in subscriptions.keys.sorted(by: Self.order) { remove(id, &outbox) }
  }

  private static func order(_ a: ParticipantID, _ b: ParticipantID) -> Bool { a.session < b.session }

  private mutating func remove(_ id: ParticipantID, _ outbox: inout Outbox) {
    closePeer(of: id, &outbox)
    subscriptions[id] = nil
  }

  private mutating func closePeer(of id: ParticipantID, _ outbox: inout Outbox) {
    guard let peer = subscriptions[id]?.peer else { return }
    outbox.emit(.closePeer(peer.id))
    owners[peer.id] = nil
    subscriptions[id]?.peer = nil
  }

  // MARK: Asking

  private mutating func request(_ id: ParticipantID, at now: Instant, _ outbox: inout Outbox) {
    let number = outbox.nextNumber()
    subscriptions[id]?.request = .outstanding(number: number, since: now)
    outbox.send(.requestOffer, to: id.session, MessageTag(.request, number))
  }

  private mutating func requestLater(_ id: ParticipantID, at now: Instant) {
    guard let failures = subscriptions[id]?.failures else { return }
    subscriptions[id]?.request = .scheduled(now + timing.rung(failures))
    subscriptions[id]?.failures = failures + 1
  }

  /// At once after the first failure in a row, later after the next.
  private mutating func requestAgain(_ id: ParticipantID, at now: Instant, _ outbox: inout Outbox) {
    guard subscriptions[id]?.failures == 0 else { return requestLater(id, at: now) }
    subscriptions[id]?.failures = 1
    request(id, at: now, &outbox)
  }

  mutating func handleTimeout(at now: Instant, _ outbox: inout Outbox) {
    let due = subscriptions.filter { _, subscription in
      switch subscription.request {
      case .none: false
      case .scheduled(let at): at <= now
      case .outstanding(_, let since): since + timing.requestRepeat <= now
      }
    }
    for id in due.keys.sorted(by: Self.order) { request(id, at: now, &outbox) }
  }

  /// The session was taken up again: what was asked last may have been lost on the way.
  mutating func linkResumed(at now: Instant, _ outbox: inout Outbox) {
    for (id, subscription) in subscriptions {
      if case .outstanding(_, let since) = subscription.request {
        subscriptions[id]?.request = .outstanding(number: -1, since: min(since, now - timing.requestRepeat))
      }
    }
    handleTimeout(at: now, &outbox)
  }

  /// An error about request `number`. Whether it was asked because a stream had fallen silent, and is really gone.
  mutating func requestFailed(_ number: Int, code: String, at now: Instant, _ outbox: inout Outbox) -> Bool {
    for (id, subscription) in subscriptions {
      guard case .outstanding(number, let since) = subscription.request else { continue }
      if code == "client_not_found", now - since >= .seconds(5) {
        // The server has waited 10 s for the stream already.
        request(id, at: now, &outbox)
      } else {
        requestLater(id, at: now)
      }
      return subscription.isProbing && (code == "client_not_found" || code == "processing_failed")
    }
    return false
  }

  /// An error about the answer to, or a candidate for, `peer`.
  mutating func peerRefused(_ peer: PeerID, code: String, at now: Instant, _ outbox: inout Outbox) {
    guard let id = owners[peer], subscriptions[id]?.peer?.isConnected == false else { return }
    closePeer(of: id, &outbox)
    if case .outstanding = subscriptions[id]?.request { return }
    // Where we had a connection before, the server may have taken its end for that of this one. It has neither now, and
    // nothing to wait for.
    if code == "client_not_found" { requestAgain(id, at: now, &outbox) } else { requestLater(id, at: now) }
  }

  // MARK: Negotiation

  mutating func offer(
    _ sdp: String, sid: String?, from id: ParticipantID, iceServers: [ICEServer], _ outbox: inout Outbox
  ) {
    guard let subscription = subscriptions[id] else { return }
    subscriptions[id]?.request = .none
    subscriptions[id]?.isProbing = false
    if let peer = subscription.peer, let sid, peer.sid == sid {
      outbox.emit(.applyOffer(peer.id, sdp: sdp))
      return
    }
    closePeer(of: id, &outbox)
    let peer = PeerID(number: outbox.nextNumber())
    subscriptions[id]?.peer = Peer(id: peer, sid: sid)
    owners[peer] = id
    outbox.emit(.createSubscriber(peer, participant: id, offer: sdp, iceServers: iceServers))
    for (other, candidate) in subscription.early where other == nil || sid == nil || other == sid {
      outbox.emit(.addCandidate(peer, candidate))
    }
    subscriptions[id]?.early = []
  }

  mutating func candidate(
    _ candidate: ICECandidatePayload, sid: String?, from id: ParticipantID, _ outbox: inout Outbox
  ) {
    guard let subscription = subscriptions[id] else { return }
    if let peer = subscription.peer, sid == nil || peer.sid == nil || peer.sid == sid {
      outbox.emit(.addCandidate(peer.id, candidate))
    } else if subscription.early.count < Self.candidateLimit {
      subscriptions[id]?.early.append((sid, candidate))
    }
  }

  mutating func answerReady(_ sdp: String, _ peer: PeerID, nick: String?, _ outbox: inout Outbox) {
    guard let id = owners[peer], let current = subscriptions[id]?.peer else { return }
    let answer = SessionDescriptionPayload(type: "answer", sdp: sdp, nick: nick)
    outbox.send(.answer(answer), to: id.session, sid: current.sid, MessageTag(.answer, peer.number))
    for candidate in current.candidates {
      outbox.send(.candidate(candidate), to: id.session, sid: current.sid, MessageTag(.candidate, peer.number))
    }
    subscriptions[id]?.peer?.hasAnswered = true
    subscriptions[id]?.peer?.candidates = []
  }

  mutating func localCandidate(_ candidate: ICECandidatePayload, _ peer: PeerID, _ outbox: inout Outbox) {
    guard let id = owners[peer], let current = subscriptions[id]?.peer else { return }
    if current.hasAnswered {
      outbox.send(.candidate(candidate), to: id.session, sid: current.sid, MessageTag(.candidate, peer.number))
    } else if current.candidates.count < Self.candidateLimit {
      subscriptions[id]?.peer?.candidates.append(candidate)
    }
  }

  // MARK: Life of a peer connection

  mutating func connected(_ peer: PeerID) {
    guard let id = owners[peer] else { return }
    subscriptions[id]?.peer?.isConnected = true
    subscriptions[id]?.failures = 0
  }

  /// It failed or was closed: ask without a sid, which gives a new one.
  mutating func ended(_ peer: PeerID, at now: Instant, _ outbox: inout Outbox) {
    guard let id = owners[peer], let subscription = subscriptions[id] else { return }
    closePeer(of: id, &outbox)
    if case .outstanding = subscription.request { return }
    requestAgain(id, at: now, &outbox)
  }

  /// Nothing arrives. A muted participant may send nothing; else the stream may be gone without a word, as after a
  /// restart of the media server: ask again, and keep the old connection until there is a new one.
  mutating func inactive(_ peer: PeerID, isMuted: Bool, at now: Instant, _ outbox: inout Outbox) {
    guard !isMuted, let id = owners[peer], let subscription = subscriptions[id], case .none = subscription.request,
      subscription.nextProbe.map({ $0 <= now }) ?? true
    else { return }
    subscriptions[id]?.probes += 1
    subscriptions[id]?.nextProbe = now + .seconds(10 << min(subscription.probes, 3))
    subscriptions[id]?.isProbing = true
    request(id, at: now, &outbox)
  }

  /// Something arrives again.
  mutating func active(_ peer: PeerID) {
    guard let id = owners[peer] else { return }
    subscriptions[id]?.probes = 0
    subscriptions[id]?.nextProbe = nil
  }
}
