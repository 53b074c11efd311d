/// What playout needs of a codec: packets in, mono 48 kHz sound out, also for packets that never came.
///
/// One decoder belongs to one stream and is used by one thread at a time. It is in the media path: no call may allocate,
/// block or log, and none may trap, whatever bytes a packet holds.
public protocol PlayoutDecoder: ~Copyable, Sendable {
  /// How many samples `packet` decodes to, 120 to 5760 (2.5 to 120 ms); nil when it is no packet of this codec.
  func duration(of packet: Span<UInt8>) -> Int?

  /// Whether `packet` carries a copy of the frame before it (in-band forward error correction).
  func carriesRedundancy(_ packet: Span<UInt8>) -> Bool

  /// Whether `packet` says that the sender has nothing to send for a while (discontinuous transmission).
  func announcesSilence(_ packet: Span<UInt8>) -> Bool

  /// Decodes `packet` into the beginning of `samples`, which has room for 5760, and returns how many there are; nil when
  /// the packet is damaged, and then the decoder is as before.
  mutating func decode(_ packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Int?

  /// Fills all of `samples`, the sound just before `packet`, from the copy that `packet` carries, concealing what the
  /// copy does not reach back to. The count is a multiple of 120. Returns false when nothing could be made of it.
  mutating func decodeRedundancy(of packet: Span<UInt8>, into samples: inout MutableSpan<Float>) -> Bool

  /// Fills all of `samples` with a plausible continuation of what was decoded last. The count is a multiple of 120.
  mutating func conceal(into samples: inout MutableSpan<Float>)

  /// Forgets what was decoded so far: another stream begins.
  mutating func reset()
}
