internal import Audio

/// What happened to a stream so far. Names and meanings are those of W3C webrtc-stats, §RTCInboundRtpStreamStats, where
/// it has them; counters never fall.
public struct PlayoutStatistics: Sendable, Equatable {
  /// Packets handed in, also useless ones.
  public var packetsReceived = 0
  /// Packets that are missing in the sequence and have not come late either.
  public var packetsLost = 0
  /// Packets that came and were not played: too late, too many, damaged, or not of this stream.
  public var packetsDiscarded = 0
  /// Packets that came twice.
  public var packetsDuplicated = 0
  /// Packets that carried a copy of the one before (in-band FEC).
  public var fecPacketsReceived = 0
  /// Those of `fecPacketsReceived` whose copy was of use: the packet before was lost and its sound restored.
  public var fecPacketsUsed = 0
  /// Those of `fecPacketsReceived` whose copy nobody needed.
  public var fecPacketsDiscarded: Int { fecPacketsReceived - fecPacketsUsed }

  /// Samples played out, of whatever origin.
  public var totalSamplesReceived = 0
  /// Samples made up because a packet was lost or late.
  public var concealedSamples = 0
  /// Those of `concealedSamples` that were silence.
  public var silentConcealedSamples = 0
  /// How often concealment began.
  public var concealmentEvents = 0
  /// Samples put in to play slower.
  public var insertedSamplesForDeceleration = 0
  /// Samples taken out to play faster.
  public var removedSamplesForAcceleration = 0

  /// The sum, over the samples played, of the time from their packet's arrival until they were played.
  public var jitterBufferDelay: Duration { PCM.duration(of: summedDelay) }
  /// The sum, over the samples played, of the delay that was aimed at.
  public var jitterBufferTargetDelay: Duration { PCM.duration(of: summedTargetDelay) }
  /// The sum, over the samples played, of the delay that would have been aimed at without a minimum set from outside.
  public var jitterBufferMinimumDelay: Duration { PCM.duration(of: summedMinimumDelay) }
  /// The samples which those three sums are over.
  public var jitterBufferEmittedCount = 0

  /// The delay aimed at now, after the fastest packets.
  public var targetDelay: Duration { PCM.duration(of: targetDelaySamples) }
  /// The delay that would be aimed at now without a minimum set from outside.
  public var minimumDelay: Duration { PCM.duration(of: minimumDelaySamples) }

  // Counted in samples, for `Duration` computes with 128 bits.
  var summedDelay = 0
  var summedTargetDelay = 0
  var summedMinimumDelay = 0
  var targetDelaySamples = 0
  var minimumDelaySamples = 0

  public init() {}
}
