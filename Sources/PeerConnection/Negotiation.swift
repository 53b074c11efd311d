internal import DTLSSRTP
internal import ICE
internal import SDP

/// The descriptions that one peer exchanges, for one transport that stays (RFC 8829, without rollback); pure.
struct Negotiation {
  /// What was agreed upon last; nil before the other side's first description.
  private(set) var session: NegotiatedSession?

  private let audioSource: AudioSource?
  private let offersDataChannel: Bool
  private var local: LocalEndpoint
  private var pendingOffer: SessionDescription?

  init(_ configuration: PeerConfiguration, credentials: ICE.ICECredentials) {
    audioSource = configuration.audioSource
    offersDataChannel = configuration.offersDataChannel
    guard let fingerprint = Fingerprint("sha-256 \(configuration.identity.fingerprint)") else {
      preconditionFailure("our own fingerprint is well-formed")
    }
    local = LocalEndpoint(
      sessionID: configuration.sessionID, sessionVersion: 0,
      credentials: SDP.ICECredentials(
        usernameFragment: credentials.usernameFragment, password: credentials.password),
      fingerprint: fingerprint)
  }

  /// An offer of what the configuration says we send; a repeated one differs in its version only.
  mutating func offer() throws(PeerError) -> String {
    guard audioSource != nil || offersDataChannel else { throw .outOfOrder("there is nothing to offer") }
    local.sessionVersion += 1
    let offer = SessionDescription.makeOffer(audio: audioSource, dataChannel: offersDataChannel, local: local)
    pendingOffer = offer
    return offer.text
  }

  /// Takes the answer to the last offer; one that cannot be used leaves the offer open.
  mutating func accept(answer text: String) throws(PeerError) -> NegotiatedSession {
    guard let offer = pendingOffer else { throw .outOfOrder("an answer without an offer of ours") }
    let answer = try Self.parse(text)
    let negotiated: NegotiatedSession
    do { negotiated = try NegotiatedSession(answer: answer, to: offer) } catch { throw .unusableDescription(error) }
    try agree(on: negotiated)
    pendingOffer = nil
    return negotiated
  }

  /// Takes an offer and answers it: the first one, or a renewed one on the same transport.
  mutating func answer(to text: String) throws(PeerError) -> (answer: String, session: NegotiatedSession) {
    guard pendingOffer == nil else { throw .outOfOrder("an offer crossed ours") }
    let offer = try Self.parse(text)
    let negotiated: NegotiatedSession
    var next = local
    next.sessionVersion += 1
    let answer: SessionDescription
    do {
      negotiated = try NegotiatedSession(offer: offer)
      answer = try SessionDescription.makeAnswer(to: offer, local: next)
    } catch { throw .unusableDescription(error) }
    try agree(on: negotiated)
    local = next
    return (answer.text, negotiated)
  }

  private mutating func agree(on negotiated: NegotiatedSession) throws(PeerError) {
    if let session {
      guard session.remoteCredentials == negotiated.remoteCredentials,
        session.remoteFingerprint == negotiated.remoteFingerprint
      else { throw .transportChanged }
    }
    session = negotiated
  }

  private static func parse(_ text: String) throws(PeerError) -> SessionDescription {
    do { return try SessionDescription(parsing: text) } catch { throw .unreadableDescription(error) }
  }
}
