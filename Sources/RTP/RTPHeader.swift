/// Why bytes are not an RTP packet, or a packet cannot be written.
public enum RTPError: Error, Equatable, CustomStringConvertible {
  case truncated
  case unsupportedVersion(UInt8)
  case invalidPadding
  case bufferTooSmall(needed: Int)
  case invalidExtension(id: UInt8, size: Int)

  public var description: String {
    switch self {
    case .truncated: "RTP packet is shorter than its header says: dropped."
    case .unsupportedVersion(let version): "RTP version \(version) instead of 2: not an RTP packet, dropped."
    case .invalidPadding: "RTP padding is longer than the payload, or zero: dropped."
    case .bufferTooSmall(let needed): "An RTP packet of \(needed) bytes does not fit its buffer: give it more room."
    case .invalidExtension(let id, let size):
      "RTP header extension \(id) of \(size) bytes cannot be written: ids are 1 to 255, sizes up to 255 bytes."
    }
  }
}

/// The header of an RTP packet (RFC 3550 §5.1), with the places of what follows it.
///
/// A value without storage of its own: ranges count bytes from the start of the packet it was parsed from, and the readers
/// of header extensions take that packet again. Parsing allocates nothing and never traps, whatever the bytes are.
public struct RTPHeader: Equatable, Sendable {
  /// The fixed part, without contributing sources and extensions.
  public static let minimumSize = 12

  public let marker: Bool
  public let payloadType: UInt8
  public let sequenceNumber: UInt16
  /// In units of the payload's clock rate (48 kHz for Opus).
  public let timestamp: UInt32
  /// The synchronisation source.
  public let ssrc: UInt32
  public let contributingSourceCount: Int
  /// The 16 bits in front of the header extension ("defined by profile"), nil without an extension.
  public let extensionProfile: UInt16?
  /// Bytes of the header extension, behind its own four bytes; empty without an extension.
  public let extensionRange: Range<Int>
  /// Bytes of the payload; padding is left out. Empty in a packet of padding only.
  public let payloadRange: Range<Int>

  /// Bytes in front of the payload: fixed header, contributing sources and extension.
  public var size: Int { payloadRange.lowerBound }

  /// Reads the header of `packet`, which is a whole RTP packet (after SRTP has been removed).
  public init(parsing packet: Span<UInt8>) throws(RTPError) {
    guard packet.count >= Self.minimumSize else { throw .truncated }
    let version = packet[0] >> 6
    guard version == 2 else { throw .unsupportedVersion(version) }

    contributingSourceCount = Int(packet[0] & 0x0F)
    marker = packet[1] & 0x80 != 0
    payloadType = packet[1] & 0x7F
    sequenceNumber = packet.uint16(at: 2)
    timestamp = packet.uint32(at: 4)
    ssrc = packet.uint32(at: 8)

    var offset = Self.minimumSize + 4 * contributingSourceCount
    if packet[0] & 0x10 != 0 {
      guard packet.count >= offset + 4 else { throw .truncated }
      extensionProfile = packet.uint16(at: offset)
      let end = offset + 4 + 4 * Int(packet.uint16(at: offset + 2))
      guard packet.count >= end else { throw .truncated }
      extensionRange = offset + 4..<end
      offset = end
    } else {
      guard packet.count >= offset else { throw .truncated }
      extensionProfile = nil
      extensionRange = offset..<offset
    }

    var end = packet.count
    if packet[0] & 0x20 != 0 {
      let padding = end > offset ? Int(packet[end - 1]) : 0
      guard padding > 0, padding <= end - offset else { throw .invalidPadding }
      end -= padding
    }
    payloadRange = offset..<end
  }
}
