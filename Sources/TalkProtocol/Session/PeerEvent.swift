/// What happens to a peer connection that a `CallSession` had created.
public enum PeerEvent: Hashable, Sendable {
  /// The publisher's offer is made.
  case offerReady(sdp: String)
  /// The answer to a subscriber's offer is made.
  case answerReady(sdp: String)
  /// A candidate of ours.
  case candidate(ICECandidatePayload)
  /// Media can flow.
  case connected
  case failed(PeerFailure)
  /// The other side closed it in order.
  case closed
  case dataChannelOpened
  case dataMessage(String)
  /// Nothing arrived for several seconds: no RTP on a subscriber, no RTCP on the publisher. A muted browser may send
  /// nothing for hours, and a media server that was restarted says nothing either; the session tells them apart.
  case inactive
  /// It arrives again after `inactive`.
  case active
}

/// Why a peer connection is of no use any more.
public struct PeerFailure: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// No pair of candidates worked.
    case noPath
    /// The DTLS handshake failed.
    case handshake
    /// It worked, and does not any more.
    case lost
    /// The other side's description cannot be used.
    case description
  }

  public var kind: Kind
  /// What was tried, for people.
  public var detail: String

  public init(_ kind: Kind, detail: String) {
    self.kind = kind
    self.detail = detail
  }
}
