/// What we send: one peer connection to the media server.
struct Publication: Sendable {
  typealias Instant = ContinuousClock.Instant

  private static let candidateLimit = 64
  /// Offers without an answer until the call is left and entered again.
  private static let offerLimit = 3
  /// In a row: each new attempt interrupts what we receive.
  private static let failureLimit = 5

  private struct Offer {
    var sdp: String
    var count: Int
    var repeatAt: Instant
  }

  private enum State {
    case idle
    case preparing(PeerID, sid: String)
    case offered(PeerID, sid: String, Offer)
    case answered(PeerID, sid: String, isConnected: Bool)
    /// A second peer connection in the same call membership would be answered and never heard: the call has to be left
    /// and entered again first, at this time.
    case broken(until: Instant)
    case refused
  }

  enum Outcome: Hashable {
    case connected
    /// Leave the call and enter it again, then `start`.
    case needsNewMembership
    case forbidden
    case failed(String)
  }

  private let timing: CallTiming
  private var state = State.idle
  private var failures = 0
  /// Ours, until the offer is out.
  private var localCandidates: [ICECandidatePayload] = []
  /// The server's, until its answer is there.
  private var remoteCandidates: [ICECandidatePayload] = []

  init(timing: CallTiming) { self.timing = timing }

  var peer: PeerID? {
    switch state {
    case .preparing(let id, _), .offered(let id, _, _), .answered(let id, _, _): id
    case .idle, .broken, .refused: nil
    }
  }

  var isConnected: Bool { if case .answered(_, _, true) = state { true } else { false } }

  /// Whether nothing is sent and nothing is being done about it.
  var isIdle: Bool {
    switch state {
    case .idle, .refused: true
    default: false
    }
  }

  var deadline: Instant? {
    switch state {
    case .offered(_, _, let offer): offer.repeatAt
    case .broken(let until): until
    default: nil
    }
  }

  // MARK: Commands

  /// `sid` is a random name for the connection.
  mutating func start(sid: String, iceServers: [ICEServer], _ outbox: inout Outbox) {
    stop(&outbox)
    let id = PeerID(number: outbox.nextNumber())
    state = .preparing(id, sid: sid)
    outbox.emit(.createPublisher(id, iceServers: iceServers))
  }

  mutating func stop(_ outbox: inout Outbox) {
    if let peer { outbox.emit(.closePeer(peer)) }
    state = .idle
    localCandidates = []
    remoteCandidates = []
  }

  // MARK: Events of the peer connection

  mutating func offerReady(_ sdp: String, own: String, nick: String?, at now: Instant, _ outbox: inout Outbox) {
    guard case .preparing(let id, let sid) = state else { return }
    state = .offered(id, sid: sid, Offer(sdp: sdp, count: 1, repeatAt: now + timing.offerRepeat))
    sendOffer(sdp, id, sid: sid, own: own, nick: nick, &outbox)
    for candidate in localCandidates {
      outbox.send(.candidate(candidate), to: own, sid: sid, MessageTag(.candidate, id.number))
    }
    localCandidates = []
  }

  mutating func localCandidate(_ candidate: ICECandidatePayload, own: String, _ outbox: inout Outbox) {
    switch state {
    case .preparing:
      if localCandidates.count < Self.candidateLimit { localCandidates.append(candidate) }
    case .offered(let id, let sid, _), .answered(let id, let sid, _):
      outbox.send(.candidate(candidate), to: own, sid: sid, MessageTag(.candidate, id.number))
    case .idle, .broken, .refused: break
    }
  }

  mutating func connected() -> Outcome? {
    guard case .answered(let id, let sid, false) = state else { return nil }
    state = .answered(id, sid: sid, isConnected: true)
    failures = 0
    return .connected
  }

  /// It failed, was closed, or the media server does not acknowledge anything any more.
  mutating func ended(at now: Instant, _ outbox: inout Outbox) -> Outcome? {
    guard peer != nil else { return nil }
    stop(&outbox)
    guard failures < Self.failureLimit else {
      state = .refused
      return .failed("the media server was tried \(failures + 1) times")
    }
    state = .broken(until: now + timing.rung(failures))
    failures += 1
    return nil
  }

  // MARK: What the server says

  mutating func answer(_ description: SessionDescriptionPayload, sid answered: String?, _ outbox: inout Outbox) {
    guard case .offered(let id, let sid, _) = state else { return }
    // A publisher that still lives keeps the name of its first offer.
    state = .answered(id, sid: answered ?? sid, isConnected: false)
    outbox.emit(.applyAnswer(id, sdp: description.sdp))
    for candidate in remoteCandidates { outbox.emit(.addCandidate(id, candidate)) }
    remoteCandidates = []
  }

  mutating func candidate(_ candidate: ICECandidatePayload, _ outbox: inout Outbox) {
    switch state {
    case .answered(let id, _, _): outbox.emit(.addCandidate(id, candidate))
    case .offered: if remoteCandidates.count < Self.candidateLimit { remoteCandidates.append(candidate) }
    case .idle, .preparing, .broken, .refused: break
    }
  }

  /// An error about the offer of `peer`.
  mutating func offerRefused(
    _ error: SignalingError, peer number: Int, at now: Instant, _ outbox: inout Outbox
  ) -> Outcome? {
    guard case .offered(let id, let sid, var offer) = state, id.number == number else { return nil }
    switch error.code {
    case "not_allowed" where offer.count >= Self.offerLimit:
      stop(&outbox)
      state = .refused
      return .forbidden
    case "no_sdp", "invalid_sdp", "invalid_format":
      stop(&outbox)
      state = .refused
      return .failed(error.message ?? error.code)
    default:
      offer.repeatAt = now + timing.rung(offer.count - 1)
      state = .offered(id, sid: sid, offer)
      return nil
    }
  }

  mutating func linkResumed(at now: Instant) {
    guard case .offered(let id, let sid, var offer) = state else { return }
    offer.repeatAt = now
    offer.count -= 1
    state = .offered(id, sid: sid, offer)
  }

  mutating func handleTimeout(own: String, nick: String?, at now: Instant, _ outbox: inout Outbox) -> Outcome? {
    switch state {
    case .broken(let until) where until <= now:
      state = .idle
      return .needsNewMembership
    case .offered(let id, let sid, var offer) where offer.repeatAt <= now:
      guard offer.count < Self.offerLimit else {
        return ended(at: now, &outbox)
      }
      offer.count += 1
      offer.repeatAt = now + timing.offerRepeat
      state = .offered(id, sid: sid, offer)
      sendOffer(offer.sdp, id, sid: sid, own: own, nick: nick, &outbox)
      return nil
    default: return nil
    }
  }

  private func sendOffer(
    _ sdp: String, _ id: PeerID, sid: String, own: String, nick: String?, _ outbox: inout Outbox
  ) {
    let offer = SessionDescriptionPayload(type: "offer", sdp: sdp, nick: nick)
    outbox.send(.offer(offer), to: own, sid: sid, MessageTag(.offer, id.number))
  }
}
