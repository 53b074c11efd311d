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
  /// Lost packets whose sound was restored from the copy in the next one, counted by the packet that carried it.
  public var fecPacketsUsed = 0

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
  /// The samples which those two sums are over.
  public var jitterBufferEmittedCount = 0

  /// The delay aimed at now, after the fastest packets.
  public var targetDelay: Duration { PCM.duration(of: targetDelaySamples) }

  // Counted in samples, for `Duration` computes with 128 bits.
  var summedDelay = 0
  var summedTargetDelay = 0
  var targetDelaySamples = 0

  public init() {}
}
