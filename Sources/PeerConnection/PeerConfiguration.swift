public import DTLSSRTP
public import ICE
public import RTP
public import SDP

/// What a `Peer` is made of. Random values come from the caller.
public struct PeerConfiguration: Sendable {
  /// The certificate we show; one per process serves all peers.
  public var identity: DTLSIdentity
  public var ice: ICEConfiguration
  /// What we offer to send; nil for a peer that only receives.
  public var audioSource: AudioSource?
  /// Our synchronisation source in RTCP reports while we only receive.
  public var reporterSSRC: UInt32
  /// CNAME in RTCP while we only receive (RFC 7022).
  public var canonicalName: String
  /// The id of our session descriptions: random, below 2⁶³.
  public var sessionID: UInt64
  /// The data channel to open as soon as the peer is connected; nil for none.
  public var dataChannelLabel: String?
  /// Whether an offer of ours has a data channel line, even if we open no channel on it.
  public var offersDataChannel: Bool
  /// Who hears what is received.
  public var receiver: (any RTPReceiver)?

  /// For a peer that sends `audioSource` and receives none.
  public init(
    identity: DTLSIdentity, ice: ICEConfiguration = ICEConfiguration(), sending audioSource: AudioSource,
    sessionID: UInt64, dataChannelLabel: String? = nil
  ) {
    self.identity = identity
    self.ice = ice
    self.audioSource = audioSource
    reporterSSRC = audioSource.ssrc
    canonicalName = audioSource.canonicalName
    self.sessionID = sessionID
    self.dataChannelLabel = dataChannelLabel
    offersDataChannel = dataChannelLabel != nil
  }

  /// For a peer that receives and sends none.
  public init(
    identity: DTLSIdentity, ice: ICEConfiguration = ICEConfiguration(), receivingWith receiver: any RTPReceiver,
    reporterSSRC: UInt32, canonicalName: String, sessionID: UInt64, dataChannelLabel: String? = nil
  ) {
    self.identity = identity
    self.ice = ice
    self.receiver = receiver
    self.reporterSSRC = reporterSSRC
    self.canonicalName = canonicalName
    self.sessionID = sessionID
    self.dataChannelLabel = dataChannelLabel
    offersDataChannel = dataChannelLabel != nil
  }
}

/// Hears the packets of a peer, synchronously on the network loop: copy what you need and return at once. It must not
/// call the peer that calls it.
public protocol RTPReceiver: AnyObject, Sendable {
  /// An audio packet, decrypted and checked against replay; in the order of arrival.
  /// - Parameters:
  ///   - payload: Good until the call returns.
  ///   - audioLevel: What its sender measured (RFC 6464), where it says so.
  func received(
    _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant)

  /// A sender report: the sender's wall clock and its media clock at one moment.
  func receivedSenderReport(_ info: SenderInfo, source: UInt32, arrival: ContinuousClock.Instant)
}

extension RTPReceiver {
  public func receivedSenderReport(_ info: SenderInfo, source: UInt32, arrival: ContinuousClock.Instant) {}
}
