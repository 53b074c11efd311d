internal import Audio

/// Where sound comes from: packets, copies of lost packets, concealment, silence.
extension PlayoutBuffer where Decoder: ~Copyable {
  /// A difference of positions that is no gap: less than 2.5 ms, the shortest Opus frame.
  private static var negligible: Int { 120 }
  /// The length of a cross-fade out of concealment: 5 ms.
  private static var seam: Int { 240 }

  /// Appends something to the queue: a packet's sound if its time has come, else silence or something made up.
  ///
  /// `time` is when the head of the queue is played.
  mutating func produce(_ needed: Int, at time: Int) {
    guard let decoded else { return awaitStart(needed, at: time) }
    skipTooLate(at: time)
    guard let next = store.first else { return bridge(packetDuration, needed: needed) }
    let lost = next.sequence - decoded.sequence - 1
    var remaining = next.position - decoded.position - gap.length
    if gap.isSilent || gap.isAnnounced, remaining > 0 {
      // Nobody hears how long silence lasts: resume with the delay that is aimed at.
      remaining = min(next.position + targetDelay(at: time) - time - queue.count, remaining + 4_800)
    }
    guard remaining >= Self.negligible else { return playFirst(next, lost: lost, at: time) }
    guard lost > 0, next.hasRedundancy else { return bridge(remaining, needed: needed) }
    if remaining > next.duration { return bridge(remaining - next.duration, needed: needed) }
    guard remaining > next.duration - Self.negligible, restore(from: next) else {
      return bridge(remaining, needed: needed)
    }
  }

  /// Before the first packet's time: silence.
  private mutating func awaitStart(_ needed: Int, at time: Int) {
    guard let first = store.first else { return queue.appendSilence(needed) }
    let delay = max(targetDelay(at: time), estimator.fastest + limits.initialDelay)
    let wait = first.position + delay - time - queue.count
    guard wait <= 0 else { return queue.appendSilence(min(wait, needed)) }
    decoded = (first.position, first.sequence - 1)
    gap = Gap()
  }

  /// After an outage, or when the delay has got out of hand: leaves packets out until it is bearable.
  private mutating func skipTooLate(at time: Int) {
    let bearable =
      gap.isSilent
      ? max(targetDelay(at: time), estimator.fastest + limits.maximumResumeDelay)
      : estimator.fastest + limits.maximumDelay + PCM.blockSize
    while store.count > 1, let first = store.first, time + queue.count - first.position > bearable {
      store.removeFirst()
      statistics.packetsDiscarded += 1
      if let decoded {
        gap.hasLoss = gap.hasLoss || first.sequence > decoded.sequence + 1
        settleGap(missing: first.position - decoded.position)
      }
      if !gap.isSilent { queue.fadeOut(over: 240) }
      decoded = (first.position + first.duration, first.sequence)
      gap = Gap(silent: 1)
    }
  }

  /// Decodes one packet ahead, if the next in order is there. Returns whether it was.
  mutating func decodeNextIfReady(at time: Int) -> Bool {
    guard let decoded, let next = store.first, next.sequence == decoded.sequence + 1,
      next.position - decoded.position < Self.negligible
    else { return false }
    playFirst(next, lost: 0, at: time)
    return true
  }

  private mutating func playFirst(_ next: PacketStore.Entry, lost: Int, at time: Int) {
    guard let decoded else { return }
    if lost > 0 { gap.hasLoss = true }
    if gap.hasLoss {
      losses.missed(at: time)
      restoreLate(from: next, at: time)
    }
    settleGap(missing: next.position - decoded.position)
    if let surplus = overdueSamples(of: next, after: decoded.position, at: time) {
      // The concealment goes on for a moment, to fade from.
      overdue = surplus
      queue.appendConcealment(Self.seam, by: &decoder)
    }
    let ahead = queue.count
    if !queue.appendDecoded(next, in: store, by: &decoder) {
      statistics.packetsDiscarded += 1
      statistics.concealedSamples += next.duration
      statistics.concealmentEvents += 1
      queue.appendConcealment(next.duration, by: &decoder)
    }
    if gap.isSilent { queue.fadeIn(last: queue.count - ahead, over: 120) }
    leaveOutOverdue(after: ahead)
    statistics.summedDelay += max(0, time + ahead - next.arrival) * next.duration
    statistics.summedTargetDelay += statistics.targetDelaySamples * next.duration
    statistics.summedMinimumDelay += statistics.minimumDelaySamples * next.duration
    statistics.jitterBufferEmittedCount += next.duration
    packetDuration = next.duration
    self.decoded = (next.position + next.duration, next.sequence)
    gap = Gap(isAnnounced: next.announcesSilence)
    store.removeFirst()
  }

  /// How much of a packet to leave out because its time went by: nothing while the delay may grow or must.
  private mutating func overdueSamples(of next: PacketStore.Entry, after position: Int, at time: Int) -> Int? {
    let surplus = gap.length - max(next.position - position, 0)
    guard surplus > 0, overdue == nil, !gap.isSilent, !gap.isAnnounced, !limits.keepsLateSound,
      time + queue.count - next.position > targetDelay(at: time) + limits.slackAbove
    else { return nil }
    // A packet wholly overdue with nothing behind it: then not this packet is late, but the stream.
    guard surplus < next.duration || store.count > 1 else { return nil }
    return surplus
  }

  /// Removes the overdue part of what was just decoded, behind `ahead` samples of other origin, and closes the seam.
  private mutating func leaveOutOverdue(after ahead: Int) {
    guard let overdue else { return }
    let count = queue.count - ahead
    if overdue + Self.seam <= count {
      queue.join(at: ahead, leavingOut: overdue, overlap: Self.seam)
      self.overdue = nil
    } else {
      queue.removeLast(count)
      self.overdue = max(0, overdue - count)
    }
  }

  /// Counts what was made up, now that it is known why.
  private mutating func settleGap(missing: Int) {
    guard gap.length > 0, !gap.isAnnounced else { return }
    // Where no packet is missing the sender had paused for as long as its clock says, and only the rest was late.
    let concealed = gap.hasLoss ? gap.length : max(0, gap.length - max(missing, 0))
    guard concealed >= Self.negligible else { return }
    if !gap.hasLoss {
      // A packet was later than anybody thought. Before the delay it cost is taken back, see whether more are: 0.5 s.
      nextShortening = pace.pulled + 24_000
    }
    statistics.concealmentEvents += 1
    statistics.concealedSamples += concealed
    statistics.silentConcealedSamples += min(gap.silent, concealed)
  }

  /// Restores the packet before `next` from the copy that `next` carries.
  private mutating func restore(from next: PacketStore.Entry) -> Bool {
    guard next.duration % 120 == 0 else { return false }
    guard queue.appendRestored(next.duration, from: next, in: store, by: &decoder) else { return false }
    statistics.fecPacketsUsed += 1
    // The packet itself, should it come now, is too late.
    gap.hasLoss = true
    self.decoded = (next.position, next.sequence - 1)
    return true
  }

  /// Restores a packet whose place was already filled with something made up, if the delay is to grow anyhow: the sound
  /// then comes later, but it comes.
  private mutating func restoreLate(from next: PacketStore.Entry, at time: Int) {
    guard let decoded, decoded.position < next.position, next.hasRedundancy, !gap.isSilent,
      gap.length >= next.duration, losses.calls(forPatienceAt: time),
      time + queue.count - next.position + next.duration <= targetDelay(at: time) + limits.slackAbove
    else { return }
    _ = restore(from: next)
  }

  /// Makes up at most `length` samples: what the decoder would go on with, later silence.
  private mutating func bridge(_ length: Int, needed: Int) {
    overdue = nil
    guard gap.gain() > 0 else {
      let count = min(length, needed)
      gap.length += count
      gap.silent += count
      queue.appendSilence(count)
      if limits.comfortNoise { queue.add(&noise, last: count, from: 1, to: 1) }
      return
    }
    let count = max(120, min(length, packetDuration, PCM.blockSize) / 120 * 120)
    queue.appendConcealment(count, by: &decoder)
    let (start, end) = (gap.gain(), gap.gain(after: count))
    queue.fade(last: count, from: start, to: end)
    if limits.comfortNoise { queue.add(&noise, last: count, from: 1 - start, to: 1 - end) }
    gap.length += count
  }
}
