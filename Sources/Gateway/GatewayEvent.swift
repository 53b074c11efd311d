public import Audio
internal import OpusCodec
package import PeerConnection
public import Playout
public import TalkProtocol

/// What a gateway reports as it happens.
public enum GatewayEvent: Sendable {
  case call(CallEvent)
  /// The outputs run: what is heard from now on is played and recorded.
  case started
  /// The first packet of this participant has come.
  case heard(ParticipantID)
  case leaving(DepartureReason)
}

/// What codes the sound: the library found at run time.
public enum GatewayCodec {
  /// What the library calls itself, as `libopus 1.3.1`.
  public static var library: String { OpusLibrary.version }
  /// Whether it makes up lost sound by a neural network, which bursts of lost packets gain from.
  public static var concealsByNetwork: Bool { OpusLibrary.hasDeepConcealment }
}

/// Why a gateway leaves the call by itself or on request.
public enum DepartureReason: Hashable, Sendable {
  case requested
  case durationReached
  case everybodyLeft
  /// Nobody reads what an output gives.
  case readerGone
  case endFailed
}

/// A participant as it is now, for displays and summaries.
public struct ParticipantStatus: Sendable {
  public var participant: Participant
  /// Whether media of it can arrive.
  public var isConnected: Bool
  /// Interarrival jitter (RFC 3550 §6.4.1), in seconds; nil before the first packet.
  public var jitter: Double?
  /// Packets unprotected so far.
  public var packetsReceived: Int
  /// How long it was louder than −60 dBFS on the first output.
  public var sound: Duration
  /// Since it was asked for last, on the first output.
  public var level: LevelMeter.Level
  /// Of the first output; nil where there is none.
  public var playout: PlayoutStatistics?
}

/// A peer connection as it is now.
package struct ConnectionStatus: Sendable {
  /// Whose sound it carries; nil for our own.
  package var participant: ParticipantID?
  package var statistics: PeerStatistics
}

/// An output as it is now.
public struct OutputStatus: Sendable {
  /// How much sound it has taken.
  public var rendered: Duration
  /// How much of that was lost because whoever takes it did not keep up.
  public var dropped: Duration
}

/// Our own sound on its way out, under the names of W3C webrtc-stats; times in seconds.
public struct OutboundStatus: Sendable {
  public var packetsSent: Int
  /// Payload bytes.
  public var bytesSent: Int
  /// What the encoder aims at, in bits per second.
  public var targetBitrate: Int
  /// The share of packets whose loss the encoder prepares for, 0 to 1.
  public var expectedLoss: Double
  /// What the media server reports, nil before its first report: the share of packets lost lately, 0 to 1, …
  public var fractionLost: Double?
  /// … all packets lost, …
  public var packetsLost: Int?
  public var roundTripTime: Double?
  public var jitter: Double?
}

/// A gateway as it is now.
public struct GatewayStatus: Sendable {
  public var phase: CallPhase
  public var participants: [ParticipantStatus]
  public var outputs: [OutputStatus]
  /// Of our own input, since it was asked for last.
  public var inputLevel: LevelMeter.Level?
  public var isMuted: Bool
  /// Whether our hand is raised.
  public var hasRaisedHand: Bool
  /// Nil as long as nothing was sent.
  public var outbound: OutboundStatus?
}

/// How a participation went.
public struct CallSummary: Sendable {
  public var outcome: CallOutcome
  public var reason: DepartureReason?
  /// Everybody of whom a peer connection was made, those that have left included, in order of appearance.
  public var participants: [ParticipantStatus]
  public var outputs: [OutputStatus]
}

/// Why a gateway could not do its work.
public enum GatewayError: Error {
  case call(CallFailure)
  /// An input or output cannot be used or failed on the way; the error is the end's own.
  case end(any Error)
  /// A library refused to start.
  case library(any Error)
}
