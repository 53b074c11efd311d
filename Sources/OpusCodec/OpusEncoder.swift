internal import Audio
internal import COpus

/// Encodes mono 48 kHz speech as Opus (RFC 6716), one block of 20 ms a packet.
///
/// Owned by one thread at a time.
public struct OpusEncoder: ~Copyable, @unchecked Sendable {
  // Sound as Sendable: `encoder` is reached through this value alone, which cannot be copied.
  private let encoder: OpaquePointer

  /// How to encode.
  public struct Configuration: Sendable, Equatable {
    /// Target in bits per second, 6 000 to 510 000.
    public var bitrate: Int = 32_000
    /// 0 (cheapest) to 10 (best).
    public var complexity: Int = 9
    /// Whether packets may carry a copy of the frame before (in-band FEC, RFC 7587 §3.3).
    public var inBandFEC = true
    /// The loss to prepare for, in percent. 0 makes the encoder leave the copies out.
    public var expectedLoss: Int = 5
    /// Whether silence may be sent as one byte every 400 ms (discontinuous transmission).
    public var discontinuous = false

    public init() {}
  }

  /// What an encoded block never exceeds, in bytes: an Opus frame and its first byte (RFC 6716 §3.2.1, §3.4).
  public static var maximumPacketSize: Int { 1_276 }

  /// Makes an encoder. Values out of range are taken as the nearest in range.
  public init(_ configuration: Configuration = Configuration()) throws(OpusError) {
    var status: Int32 = OPUS_OK
    guard let encoder = opus_encoder_create(Int32(PCM.sampleRate), 1, OPUS_APPLICATION_VOIP, &status) else {
      throw OpusError(operation: "create an encoder", code: status)
    }
    self.encoder = encoder
    set(OPUS_SET_COMPLEXITY_REQUEST, min(max(configuration.complexity, 0), 10))
    set(OPUS_SET_INBAND_FEC_REQUEST, configuration.inBandFEC ? 1 : 0)
    set(OPUS_SET_DTX_REQUEST, configuration.discontinuous ? 1 : 0)
    set(OPUS_SET_SIGNAL_REQUEST, Int(OPUS_SIGNAL_VOICE))
    setBitrate(configuration.bitrate)
    setExpectedLoss(configuration.expectedLoss)
  }

  deinit { opus_encoder_destroy(encoder) }

  /// Changes the target, in bits per second, from the next block on.
  public mutating func setBitrate(_ bitrate: Int) {
    set(OPUS_SET_BITRATE_REQUEST, min(max(bitrate, 6_000), 510_000))
  }

  /// Changes the loss to prepare for, in percent, from the next block on: what receiver reports say.
  public mutating func setExpectedLoss(_ percent: Int) {
    set(OPUS_SET_PACKET_LOSS_PERC_REQUEST, min(max(percent, 0), 100))
  }

  /// Encodes one block of `PCM.blockSize` samples into the beginning of `packet` and returns the bytes used.
  ///
  /// Give room for `maximumPacketSize`. A result of 1 or 2 bytes means silence in discontinuous transmission: such a
  /// packet need not be sent. Does not allocate.
  public mutating func encode(
    _ samples: Span<Float>, into packet: inout MutableSpan<UInt8>
  ) throws(OpusError) -> Int {
    precondition(samples.count == PCM.blockSize, "a block has \(PCM.blockSize) samples, not \(samples.count)")
    precondition(!packet.isEmpty, "a packet needs room")
    let room = Int32(min(packet.count, Self.maximumPacketSize))
    let encoder = self.encoder
    let size = samples.withUnsafeBufferPointer { samples in
      packet.withUnsafeMutableBufferPointer { packet in
        opus_encode_float(encoder, samples.baseAddress!, Int32(PCM.blockSize), packet.baseAddress!, room)
      }
    }
    guard size > 0 else { throw OpusError(operation: "encode a block", code: size) }
    return Int(size)
  }

  private func set(_ request: Int32, _ value: Int) {
    let status = COpus_encoder_set(encoder, request, Int32(value))
    precondition(status == OPUS_OK, "opus_encoder_ctl(\(request), \(value)) failed with \(status)")
  }
}
