internal import Audio

/// Keeping the delay near what the network needs, by cutting sound where it is not heard.
extension PlayoutBuffer where Decoder: ~Copyable {
  /// The delay kept beyond what is needed: 3 ms, so that no packet has to come at the last moment.
  private static var margin: Int { 144 }

  /// The delay, at the moment a sample is played, that is aimed at: on the scale of the packets' delays.
  ///
  /// A pull needs its last sample when it asks for its first, so the pull's own length belongs to the delay.
  mutating func targetDelay(at time: Int) -> Int {
    var delay = max(estimator.choice + Self.margin, estimator.fastest + limits.minimumDelay)
    switch limits.patience {
    case .always: delay += packetDuration
    case .whileLosing: if losses.calls(forPatienceAt: time) { delay += packetDuration }
    }
    delay = min(delay, estimator.fastest + limits.maximumDelay) + pace.pullSize
    statistics.targetDelay = PCM.duration(of: delay - estimator.fastest)
    return delay
  }

  /// Makes one cut, if the delay is not what it should be and the sound allows it.
  mutating func adjustDelay(at time: Int) {
    guard let decoded, gap.length == 0, pace.pulled >= nextCut else { return }
    let deviation = pace.delay(of: decoded.position - queue.count) + pace.pullSize - targetDelay(at: time)
    let wanted: Int
    if deviation > limits.slackAbove {
      guard pace.pulled >= nextShortening else { return }
      wanted = deviation + limits.slackBelow
      while queue.count < TimeStretcher.reach, decodeNextIfReady(at: time) {}
    } else if deviation < -limits.slackBelow {
      wanted = deviation - limits.slackAbove / 2
    } else {
      return
    }
    let size = abs(deviation)
    guard let cut = stretcher.cut(queue, wanted: wanted, likeness: Self.likeness(for: size)) else {
      nextCut = pace.pulled + PCM.blockSize / 2
      return
    }
    queue.splice(lag: cut.lag, overlap: cut.overlap)
    if cut.lag > 0 {
      statistics.removedSamplesForAcceleration += cut.lag
    } else {
      statistics.insertedSamplesForDeceleration -= cut.lag
    }
    nextCut = pace.pulled + (size > 1_920 ? 1_920 : 4_800)
  }

  /// The more there is to correct, the less alike the ends of a cut need to be.
  private static func likeness(for size: Int) -> Float {
    switch size {
    case ..<1_920: 0.9
    case ..<4_800: 0.8
    case ..<9_600: 0.6
    default: 0.4
    }
  }
}
