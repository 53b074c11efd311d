public import ICE
public import SDP

/// What happens to a `Peer`, in order. `failed` and `closed` are the last of it.
public enum PeerEvent: Sendable, Equatable {
  /// To be sent to the other side after our description.
  case localCandidate(TrickledCandidate)
  /// No more local candidates come.
  case gatheringDone
  /// The path is there, the other side is the announced one, media flows.
  case connected(ICESelectedPair)
  /// Media takes another path than before.
  case pathChanged(ICESelectedPair)
  /// A channel that either side opened can be used.
  case dataChannelOpened(id: UInt16, label: String)
  /// A text message on a data channel.
  case message(String, channel: UInt16)
  /// Data channels cannot be used, or not any more; sound is not affected. Says why.
  case dataChannelsEnded(String)
  /// A stream of the other side has ended (RTCP BYE).
  case goodbye(source: UInt32)
  /// The other side has closed the connection, or we have.
  case closed
  /// There is no connection any more, or there never was one.
  case failed(PeerError)
}

/// A local candidate as signaling carries it.
public struct TrickledCandidate: Sendable, Equatable {
  /// `candidate:…`
  public let line: String
  public let mid: String
  public let index: Int
}

/// Why a peer cannot be connected, or is not any more.
public enum PeerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No network path, or none any more. Tells which candidates were tried.
  case noPath(ICEFailure)
  case localAddress(ICEConfigurationError)
  /// The encrypted connection could not be made, or the other side is not the one that signaling announced.
  case notSecured(String)
  /// The path is there but the other side does not complete the handshake.
  case handshakeTimedOut(after: Duration)
  case unreadableDescription(SDPError)
  case unusableDescription(NegotiationError)
  /// A new description asks for another transport or certificate; make a new peer instead.
  case transportChanged
  /// The call does not fit the state, for instance an answer to no offer.
  case outOfOrder(String)
  /// The data channel cannot be used.
  case dataChannel(String)

  public var description: String {
    switch self {
    case .noPath(let failure): failure.description
    case .localAddress(let error): error.description
    case .notSecured(let reason): reason
    case .handshakeTimedOut(let limit):
      "The network path works, but the other side did not complete the encrypted handshake (DTLS) within "
        + "\(limit.components.seconds) s."
    case .unreadableDescription(let error): error.description
    case .unusableDescription(let error): error.description
    case .transportChanged:
      "The other side wants to move this connection to another transport or certificate; a new connection is needed."
    case .outOfOrder(let what): "A session description came out of order: \(what)."
    case .dataChannel(let reason): reason
    }
  }
}
