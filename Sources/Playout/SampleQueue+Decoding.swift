/// What decoders write goes straight to its place in the queue.
extension SampleQueue {
  /// What a decoder may write at once: 120 ms.
  private static let decodingRoom = 5_760

  /// Appends the sound of a packet. Returns false when the packet is damaged.
  mutating func appendDecoded<Decoder: PlayoutDecoder & ~Copyable>(
    _ entry: PacketStore.Entry, in store: borrowing PacketStore, by decoder: inout Decoder
  ) -> Bool {
    let room = room(for: Self.decodingRoom)
    var whole = storage.mutableSpan
    var samples = whole._mutatingExtracting(room)
    let bytes = store.payloadRange(of: entry)
    guard let count = decoder.decode(store.payloads.span.extracting(bytes), into: &samples) else { return false }
    append(count)
    return true
  }

  /// Appends the sound before a packet, from the copy in it. Returns false when there is none.
  mutating func appendRestored<Decoder: PlayoutDecoder & ~Copyable>(
    _ count: Int, from entry: PacketStore.Entry, in store: borrowing PacketStore, by decoder: inout Decoder
  ) -> Bool {
    let room = room(for: count)
    var whole = storage.mutableSpan
    var samples = whole._mutatingExtracting(room)
    let bytes = store.payloadRange(of: entry)
    guard decoder.decodeRedundancy(of: store.payloads.span.extracting(bytes), into: &samples) else { return false }
    append(count)
    return true
  }

  /// Appends a continuation of the sound before.
  mutating func appendConcealment<Decoder: PlayoutDecoder & ~Copyable>(_ count: Int, by decoder: inout Decoder) {
    let room = room(for: count)
    var whole = storage.mutableSpan
    var samples = whole._mutatingExtracting(room)
    decoder.conceal(into: &samples)
    append(count)
  }

  mutating func appendSilence(_ count: Int) {
    for index in room(for: count) { storage[index] = 0 }
    append(count)
  }
}
