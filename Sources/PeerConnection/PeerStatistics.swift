public import ICE

/// What a peer has counted, under the names of the W3C's webrtc-stats; times in seconds.
public struct PeerStatistics: Sendable, Equatable {
  /// `inbound-rtp`
  public struct Inbound: Sendable, Equatable {
    public let ssrc: UInt32
    public let packetsReceived: Int
    public let packetsLost: Int
    /// Payload bytes.
    public let bytesReceived: Int
    public let jitter: Double
  }

  /// `outbound-rtp`, and what the receiver reports of it (`remote-inbound-rtp`), nil until it has.
  public struct Outbound: Sendable, Equatable {
    public let ssrc: UInt32
    public let packetsSent: Int
    /// Payload bytes.
    public let bytesSent: Int
    public let roundTripTime: Double?
    /// Share of packets lost in the receiver's last interval, 0 to 1.
    public let fractionLost: Double?
    /// Packets the receiver missed in all.
    public let remotePacketsLost: Int?
    public let remoteJitter: Double?
    /// How many reports the receiver has sent.
    public let reportsReceived: Int
  }

  /// What was refused or not taken; each is ordinary in small numbers.
  public struct Discarded: Sendable, Equatable {
    /// Received before, or too old to tell.
    public var replayed = 0
    /// Forged, damaged, or under other keys.
    public var notAuthentic = 0
    /// No RTP, RTCP or DTLS, or of a payload type that was not negotiated.
    public var malformed = 0
    /// Media that came before the keys.
    public var early = 0
    /// Audio of ours that came before the connection, or faster than the loop took it.
    public var unsent = 0
  }

  public let inbound: [Inbound]
  public let outbound: Outbound?
  public let discarded: Discarded
  /// The pair of candidates in use.
  public let selectedCandidatePair: ICESelectedPair?
  /// IANA's names; nil until the handshake is through.
  public let dtlsCipher: String?
  public let srtpCipher: String?
}
