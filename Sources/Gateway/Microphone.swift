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
    var expectedLoss = Microphone.leastExpectedLoss
    var meter = LevelMeter()
    var speech = SpeechActivity()
  }

  /// In percent.
  private static let leastExpectedLoss = OpusEncoder.Configuration().expectedLoss
  private static let highestExpectedLoss = 30

  private let sending: Locked<Sending>
  private let silence = [Float](repeating: 0, count: PCM.blockSize)
  /// Woken when `isSpeaking` has changed.
  private let speechChanged: LoopTimer

  init(isMuted: Bool, speechChanged: LoopTimer) throws(OpusError) {
    sending = Locked(Sending(encoder: try OpusEncoder(), isMuted: isMuted))
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
      peer.sendAudio(
        packet.span.extracting(first: size), samples: PCM.blockSize,
        level: AudioLevel(voice: sending.speech.isSpeaking, attenuation: attenuation.negativeDecibelsOverload))
      return changed
    }
    if changed { speechChanged.wake() }
  }

  /// Makes the stream sturdier where others miss packets of it: the encoder puts more into its copies of the packets
  /// before. A few percent are always expected, for listeners have losses of their own that nobody reports to us.
  func expectLoss(_ share: Double) {
    let percent = min(Self.highestExpectedLoss, max(Self.leastExpectedLoss, Int((share * 100).rounded(.up))))
    sending.withLock { sending in
      // Quick up, gentle down: one clean second does not make a network clean.
      let next = percent >= sending.expectedLoss ? percent : sending.expectedLoss - 1
      guard next != sending.expectedLoss else { return }
      sending.expectedLoss = next
      sending.encoder.setExpectedLoss(next)
    }
  }

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
