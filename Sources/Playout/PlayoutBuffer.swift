internal import Audio

/// Packets of one stream in, continuous sound out: the jitter buffer, loss concealment and clock of a participant.
///
/// Owned by one consumer, whose clock pulls. Packets may come late, twice, in any order, damaged or not at all, the
/// sender may pause or restart, its clock may run differently: `pull` always gives what was asked, and the delay stays
/// near what the network needs. Nothing is allocated after the initialiser, nothing waits, no packet can trap.
///
/// Two lines of time meet here, both counted in samples: *now*, from a local origin, and the sender's *position*. Their
/// difference is a delay: of a packet when it arrives, of a sample when it is asked for. The second must not be less
/// than the first, and not much more.
public struct PlayoutBuffer<Decoder: PlayoutDecoder & ~Copyable>: ~Copyable {
  /// What happened so far.
  public internal(set) var statistics = PlayoutStatistics()

  var limits: Limits
  var decoder: Decoder
  var timeline = StreamTimeline()
  var estimator: DelayEstimator
  var store: PacketStore
  var queue = SampleQueue()
  var stretcher = TimeStretcher()
  var noise = BackgroundNoise()
  var pace = PullPace()
  var losses = LossHistory()
  /// What was made up since the last packet was played.
  var gap = Gap()
  /// How much of what comes next is overdue and left out; the queue then ends with a piece to fade from.
  var overdue: Int?
  /// The position up to which sound was decoded, and the packet it came from; nil until the stream starts.
  var decoded: (position: Int, sequence: Int)?
  /// Samples of the packet played last.
  var packetDuration = PCM.blockSize
  /// When sound may be cut again, and when it may be shortened, in samples pulled.
  var nextCut = 0
  var nextShortening = 0
  /// Nil while the delay is what it should be.
  var correction: DelayCorrection?
  private var origin: ContinuousClock.Instant?

  /// A configuration in samples.
  struct Limits {
    var minimumDelay, maximumDelay, maximumResumeDelay, initialDelay, slackBelow, slackAbove: Int
    var patience: PlayoutConfiguration.Patience
    var keepsLateSound, comfortNoise: Bool
  }

  /// Makes a buffer that decodes with `decoder`.
  public init(decoder: consuming Decoder, configuration: PlayoutConfiguration = .lowDelay) {
    self.decoder = decoder
    estimator = DelayEstimator(memory: configuration.memory, lossCost: PCM.samples(in: configuration.lossCost))
    store = PacketStore(capacity: configuration.capacity)
    limits = Limits(
      minimumDelay: PCM.samples(in: configuration.minimumDelay),
      maximumDelay: PCM.samples(in: configuration.maximumDelay),
      maximumResumeDelay: PCM.samples(in: configuration.maximumResumeDelay),
      initialDelay: PCM.samples(in: configuration.initialDelay),
      slackBelow: PCM.samples(in: configuration.slackBelow), slackAbove: PCM.samples(in: configuration.slackAbove),
      patience: configuration.patience, keepsLateSound: configuration.keepsLateSound,
      comfortNoise: configuration.comfortNoise)
  }

  /// The least delay after the fastest packets, as in the configuration; may be changed at any time.
  public var minimumDelay: Duration {
    get { PCM.duration(of: limits.minimumDelay) }
    set { limits.minimumDelay = max(0, min(PCM.samples(in: newValue), limits.maximumDelay)) }
  }

  /// Takes a packet. Its arrival must be by the clock that `pull` is given.
  public mutating func insert(_ packet: ReceivedPacket, payload: Span<UInt8>) {
    statistics.packetsReceived += 1
    let arrival = time(packet.arrival)
    guard payload.count <= ReceivedPacket.maximumPayload, let duration = decoder.duration(of: payload),
      let place = timeline.place(
        sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp, arrival: arrival, duration: duration,
        fastest: estimator.fastest)
    else {
      statistics.packetsDiscarded += 1
      return
    }
    guard !place.isDuplicate else {
      statistics.packetsDuplicated += 1
      return
    }
    statistics.packetsLost = timeline.missingCount
    estimator.add(place.delay, arrival: arrival, duration: duration)
    let entry = PacketStore.Entry(
      sequence: place.sequence, position: place.position, duration: duration, arrival: arrival,
      hasRedundancy: decoder.carriesRedundancy(payload), announcesSilence: decoder.announcesSilence(payload))
    if entry.hasRedundancy {
      statistics.fecPacketsReceived += 1
      losses.sawRedundancy(at: arrival)
    }
    let isLate = decoded.map { place.sequence <= $0.sequence } ?? false
    if isLate || !store.insert(entry, payload: payload) { statistics.packetsDiscarded += 1 }
  }

  /// Takes all packets that wait in `ring`.
  public mutating func insert(from ring: inout PacketRing) {
    while let (packet, range) = ring.takeFirst() {
      insert(packet, payload: ring.payloads.span.extracting(range))
    }
  }

  /// Another stream begins (a new SSRC): what waits of the old one is dropped, and the next packet is its first.
  public mutating func restart() {
    decoder.reset()
    timeline = StreamTimeline(missing: statistics.packetsLost)
    estimator.forget()
    store.removeAll()
    queue.fadeOut(over: 240)
    noise.forget()
    decoded = nil
    gap = Gap()
    overdue = nil
  }

  /// Fills all of `samples` with the sound that is due at `now`; silence where there is none.
  public mutating func pull(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    let time = time(now)
    pace.pull(of: samples.count, at: time)
    var start = 0
    while start < samples.count {
      let count = min(PCM.blockSize, samples.count - start)
      while queue.count < count { produce(count - queue.count, at: time + start) }
      adjustDelay(at: time + start)
      while queue.count < count { produce(count - queue.count, at: time + start) }
      var part = samples._mutatingExtracting(start..<(start + count))
      queue.move(into: &part)
      let power = stretcher.follow(part.span)
      if gap.length == 0, decoded != nil { noise.follow(power: power, count: count) }
      pace.advance(by: count)
      start += count
    }
    statistics.totalSamplesReceived += samples.count
  }

  /// Samples since a local origin. Times before it count as it, and a thousand years are enough.
  private mutating func time(_ instant: ContinuousClock.Instant) -> Int {
    guard let origin else {
      self.origin = instant
      return 0
    }
    return PCM.samples(in: origin.duration(to: instant))
  }
}
