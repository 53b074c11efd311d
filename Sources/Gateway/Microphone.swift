internal import Audio
internal import GLibLoop
internal import OpusCodec
internal import PeerConnection
internal import RTP

/// What we say: blocks of an input go in, Opus packets go to the publishing peer connection.
///
/// Blocks come on the input's loop. Muted, it sends encoded silence: others stay subscribed only to who sends.
final class Microphone: Sendable {
  private struct Sending: ~Copyable {
    var encoder: OpusEncoder
    var packet = [UInt8](repeating: 0, count: OpusEncoder.maximumPacketSize)
    var peer: Peer?
    var isMuted: Bool
    var rate = SpeechRateControl()
    /// Whether the block before said that there is nothing to say.
    var isPausing = false
    var meter = LevelMeter()
    var speech = SpeechActivity()
  }

  private let sending: Locked<Sending>
  private let silence = [Float](repeating: 0, count: PCM.blockSize)
  /// Woken when `isSpeaking` has changed.
  private let speechChanged: LoopTimer

  /// - Parameter isDiscontinuous: Whether silence is sent as a packet every 400 ms, and nothing between.
  init(isMuted: Bool, isDiscontinuous: Bool, speechChanged: LoopTimer) throws(OpusError) {
    var configuration = OpusEncoder.Configuration()
    configuration.bitrate = SpeechRateControl.cleanBitrate
    configuration.expectedLoss = SpeechRateControl.expectedLosses.lowerBound
    configuration.discontinuous = isDiscontinuous
    sending = Locked(Sending(encoder: try OpusEncoder(configuration), isMuted: isMuted))
    self.speechChanged = speechChanged
  }

  /// Takes the next block of 20 ms.
  func push(_ block: Span<Float>) {
    let silence = silence
    let changed = sending.withLock { sending -> Bool in
      let level = sending.meter.process(block)
      let changed = sending.speech.process(rms: sending.isMuted ? -.infinity : level.rms)
      guard let peer = sending.peer else { return changed }
      // Taken out while the encoder works on it: both are parts of one value.
      var packet: [UInt8] = []
      swap(&packet, &sending.packet)
      defer { swap(&packet, &sending.packet) }
      var output = packet.mutableSpan
      let size: Int?
      if sending.isMuted {
        size = try? sending.encoder.encode(silence.span, into: &output)
      } else {
        size = try? sending.encoder.encode(block, into: &output)
      }
      guard let size else { return changed }
      let attenuation = sending.isMuted ? LevelMeter.Level.silence : level
      // One or two bytes say that there is nothing to say for a while. Said once, only time passes, and a receiver makes up
      // the background.
      let isPause = size <= 2
      peer.sendAudio(
        packet.span.extracting(first: isPause && sending.isPausing ? 0 : size), samples: PCM.blockSize,
        level: AudioLevel(voice: sending.speech.isSpeaking, attenuation: attenuation.negativeDecibelsOverload),
        marker: sending.isPausing && !isPause)
      sending.isPausing = isPause
      return changed
    }
    if changed { speechChanged.wake() }
  }

  /// Encodes as the network to the media server wants it: more copies of the packets before where packets are lost, fewer
  /// bits where it is full.
  func adapt(to report: PeerStatistics.Outbound) {
    guard let loss = report.fractionLost else { return }
    sending.withLock { sending in
      let before = sending.rate
      sending.rate.receive(fractionLost: loss, roundTripTime: report.roundTripTime)
      if sending.rate.expectedLoss != before.expectedLoss {
        sending.encoder.setExpectedLoss(sending.rate.expectedLoss)
      }
      if sending.rate.bitrate != before.bitrate { sending.encoder.setBitrate(sending.rate.bitrate) }
    }
  }

  /// What reports have made of it so far.
  var rate: SpeechRateControl { sending.withLock { $0.rate } }

  /// Sends to `peer` from now on; nil: nowhere.
  func connect(to peer: Peer?) { sending.withLock { $0.peer = peer } }

  var isMuted: Bool {
    get { sending.withLock { $0.isMuted } }
    set { sending.withLock { $0.isMuted = newValue } }
  }

  var isSpeaking: Bool { sending.withLock { $0.speech.isSpeaking } }

  /// The level since the last call, as it comes from the input.
  func takeLevel() -> LevelMeter.Level { sending.withLock { $0.meter.take() } }
}
