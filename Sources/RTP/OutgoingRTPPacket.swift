/// What stands in front of the payload of a packet to be sent (RFC 3550 §5.1), and the writer of the packet.
public struct OutgoingRTPPacket: Equatable, Sendable {
  public var marker: Bool
  /// 0 to 127; the upper bit is ignored.
  public var payloadType: UInt8
  public var sequenceNumber: UInt16
  /// In units of the payload's clock rate.
  public var timestamp: UInt32
  public var ssrc: UInt32
  /// Ids that the session gave to the extensions; what has no id is not written.
  public var extensionIDs: HeaderExtensionIDs
  public var audioLevel: AudioLevel?
  /// Media identification, UTF-8.
  public var mid: String?

  public init(
    marker: Bool = false, payloadType: UInt8, sequenceNumber: UInt16, timestamp: UInt32, ssrc: UInt32,
    extensionIDs: HeaderExtensionIDs = HeaderExtensionIDs(), audioLevel: AudioLevel? = nil, mid: String? = nil
  ) {
    self.marker = marker
    self.payloadType = payloadType
    self.sequenceNumber = sequenceNumber
    self.timestamp = timestamp
    self.ssrc = ssrc
    self.extensionIDs = extensionIDs
    self.audioLevel = audioLevel
    self.mid = mid
  }

  /// Writes header, header extensions and `payload` to the start of `buffer` and returns the packet's size in bytes.
  ///
  /// Elements take the one-byte form of RFC 8285 unless an id or a size needs the two-byte form. Allocates nothing.
  /// Throws, with nothing usable in the buffer, when the packet does not fit or an extension cannot be expressed.
  public func write(payload: Span<UInt8>, into buffer: inout MutableSpan<UInt8>) throws(RTPError) -> Int {
    let level = audioLevel.flatMap { level in extensionIDs.audioLevel.map { (id: $0, level: level) } }
    let label = mid.flatMap { mid in mid.isEmpty ? nil : extensionIDs.mid.map { (id: $0, text: mid.utf8) } }
    if let level, level.id == 0 { throw .invalidExtension(id: level.id, size: 1) }
    if let label, label.id == 0 || label.text.count > 255 {
      throw .invalidExtension(id: label.id, size: label.text.count)
    }

    let fitsOneByteForm = (level?.id ?? 1) < 15 && (label?.id ?? 1) < 15 && (label?.text.count ?? 1) <= 16
    let form: ExtensionForm = fitsOneByteForm ? .oneByte : .twoByte
    let elementHeader = form == .oneByte ? 1 : 2
    var elements = 0
    if level != nil { elements += elementHeader + 1 }
    if let label { elements += elementHeader + label.text.count }
    let words = (elements + 3) / 4

    let size = RTPHeader.minimumSize + (words > 0 ? 4 + 4 * words : 0) + payload.count
    guard size <= buffer.count else { throw .bufferTooSmall(needed: size) }

    var cursor = PacketCursor()
    cursor.put(UInt8(words > 0 ? 0x90 : 0x80), into: &buffer)
    cursor.put((marker ? 0x80 : 0) | payloadType & 0x7F, into: &buffer)
    cursor.put(sequenceNumber, into: &buffer)
    cursor.put(timestamp, into: &buffer)
    cursor.put(ssrc, into: &buffer)
    if words > 0 {
      cursor.put(form == .oneByte ? ExtensionForm.oneByteProfile : ExtensionForm.twoByteProfile, into: &buffer)
      cursor.put(UInt16(words), into: &buffer)
      if let level {
        Self.putElementHeader(level.id, size: 1, form, at: &cursor, into: &buffer)
        cursor.put(level.level.encoded, into: &buffer)
      }
      if let label {
        Self.putElementHeader(label.id, size: label.text.count, form, at: &cursor, into: &buffer)
        for byte in label.text { cursor.put(byte, into: &buffer) }
      }
      cursor.align(in: &buffer)
    }
    for index in payload.indices { cursor.put(payload[index], into: &buffer) }
    return size
  }

  private static func putElementHeader(
    _ id: UInt8, size: Int, _ form: ExtensionForm, at cursor: inout PacketCursor, into buffer: inout MutableSpan<UInt8>
  ) {
    switch form {
    case .oneByte: cursor.put(id << 4 | UInt8(size - 1), into: &buffer)
    case .twoByte:
      cursor.put(id, into: &buffer)
      cursor.put(UInt8(size), into: &buffer)
    }
  }
}
