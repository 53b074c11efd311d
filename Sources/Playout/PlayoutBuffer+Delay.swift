internal import Audio

/// Keeping the delay near what the network needs, by cutting sound where it is not heard.
extension PlayoutBuffer where Decoder: ~Copyable {
  /// The delay kept beyond what is needed: 3 ms, so that no packet has to come at the last moment.
  private static var margin: Int { 144 }

  /// The delay, at the moment a sample is played, that is aimed at: on the scale of the packets' delays.
  ///
  /// A pull needs its last sample when it asks for its first, so the pull's own length belongs to the delay.
  mutating func targetDelay(at time: Int) -> Int {
    let needed = estimator.choice + Self.margin
    let patience =
      switch limits.patience {
      case .always: packetDuration
      case .whileLosing: losses.calls(forPatienceAt: time) ? packetDuration : 0
      }
    let latest = estimator.fastest + limits.maximumDelay
    let delay = min(max(needed, estimator.fastest + limits.minimumDelay) + patience, latest) + pace.pullSize
    statistics.targetDelaySamples = delay - estimator.fastest
    statistics.minimumDelaySamples = min(needed + patience, latest) + pace.pullSize - estimator.fastest
    return delay
  }

  /// Makes one cut, if the delay is not what it should be and the sound allows it.
  mutating func adjustDelay(at time: Int) {
    guard let decoded, gap.length == 0, overdue == nil, pace.pulled >= nextCut else { return }
    let deviation = pace.delay(of: decoded.position - queue.count) + pace.pullSize - targetDelay(at: time)
    // What is being corrected by much is brought to the middle of the slack, not to its edge.
    let slackAbove = correction?.isLarge == true ? limits.slackAbove / 2 : limits.slackAbove
    guard deviation > slackAbove || deviation < -limits.slackBelow else {
      correction = nil
      return
    }
    var correction = DelayCorrection(isShortening: deviation > 0, since: pace.pulled)
    if let begun = self.correction, begun.isShortening == correction.isShortening { correction = begun }
    correction.size = max(correction.size, abs(deviation))
    self.correction = correction
    let wanted: Int
    if deviation > 0 {
      guard pace.pulled >= nextShortening else { return }
      wanted = deviation
      while queue.count < TimeStretcher.reach, decodeNextIfReady(at: time) {}
    } else {
      wanted = deviation - limits.slackAbove / 2
    }
    let likeness = likeness(for: correction, left: abs(deviation), at: time)
    guard let cut = stretcher.cut(queue, wanted: wanted, likeness: likeness) else {
      nextCut = pace.pulled + PCM.blockSize / 2
      return
    }
    queue.splice(lag: cut.lag, overlap: cut.overlap)
    if cut.lag > 0 {
      statistics.removedSamplesForAcceleration += cut.lag
    } else {
      statistics.insertedSamplesForDeceleration -= cut.lag
    }
    // A large correction is best over soon, to its end: the less of the speech it runs through, the less it is heard.
    nextCut = pace.pulled + (correction.isLarge ? PCM.blockSize : 4_800)
  }

  /// How alike the ends of a cut in the midst of speech must be; nil while it is better to wait for a pause.
  ///
  /// A cut in a pause is never heard, one in a word may be. So a little too much delay is borne for two seconds, half a
  /// second where it has to go soon; too little, which endangers packets, for one.
  private func likeness(for correction: DelayCorrection, left: Int, at time: Int) -> Float? {
    let lasting = pace.pulled - correction.since
    return switch correction.size {
    case ..<DelayCorrection.bearable where correction.isShortening && isHasty(at: time): lasting > 24_000 ? 0.8 : nil
    case ..<DelayCorrection.bearable: lasting > (correction.isShortening ? 96_000 : 48_000) ? 0.9 : nil
    case ..<4_800: lasting > 9_600 ? 0.8 : nil
    case _ where left < DelayCorrection.bearable: 0.8
    case ..<9_600: 0.7
    default: 0.5
    }
  }

  /// Whether the delay of a patience that has ended is still to go.
  private func isHasty(at time: Int) -> Bool { limits.patience == .whileLosing && losses.calls(forHasteAt: time) }
}
