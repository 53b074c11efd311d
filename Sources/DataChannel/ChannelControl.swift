/// A message of the Data Channel Establishment Protocol (RFC 8832 §5).
enum ChannelControl: Equatable {
  /// `DATA_CHANNEL_OPEN`, for a reliable and ordered channel when we send it; other kinds are accepted as well.
  case open(label: String, subprotocol: String)
  /// `DATA_CHANNEL_ACK`
  case acknowledge

  private static let openType: UInt8 = 3
  private static let acknowledgeType: UInt8 = 2
  private static let openHeaderLength = 12
  /// A longer label or protocol is refused in both directions, so that names cannot fill our memory.
  static let maximumNameLength = 1024

  /// Reads a message; nil when it is malformed or of an unknown type, which is to be ignored.
  init?(_ bytes: [UInt8]) {
    switch bytes.first {
    case Self.acknowledgeType:
      self = .acknowledge
    case Self.openType:
      guard bytes.count >= Self.openHeaderLength else { return nil }
      let labelLength = Int(bytes[8]) << 8 | Int(bytes[9])
      let subprotocolLength = Int(bytes[10]) << 8 | Int(bytes[11])
      guard
        labelLength <= Self.maximumNameLength, subprotocolLength <= Self.maximumNameLength,
        bytes.count >= Self.openHeaderLength + labelLength + subprotocolLength
      else { return nil }
      let names = bytes.dropFirst(Self.openHeaderLength)
      self = .open(
        label: String(decoding: names.prefix(labelLength), as: UTF8.self),
        subprotocol: String(decoding: names.dropFirst(labelLength).prefix(subprotocolLength), as: UTF8.self))
    default:
      return nil
    }
  }

  /// The message as it is sent. Names must not be longer than `maximumNameLength` bytes.
  var bytes: [UInt8] {
    switch self {
    case .acknowledge:
      return [Self.acknowledgeType]
    case .open(let label, let subprotocol):
      let (labelLength, subprotocolLength) = (label.utf8.count, subprotocol.utf8.count)
      let reliableOrdered: UInt8 = 0
      let normalPriority: [UInt8] = [1, 0]
      return [Self.openType, reliableOrdered] + normalPriority + [0, 0, 0, 0]
        + [UInt8(labelLength >> 8), UInt8(labelLength & 255)]
        + [UInt8(subprotocolLength >> 8), UInt8(subprotocolLength & 255)]
        + Array(label.utf8) + Array(subprotocol.utf8)
    }
  }
}

/// What a message on a stream is (RFC 8831 §8): SCTP's payload protocol identifier.
enum PayloadProtocol: UInt32 {
  case control = 50
  case string = 51
  case binary = 53
  /// SCTP has no empty messages: one byte stands for none (RFC 8831 §6.6).
  case emptyString = 56
  case emptyBinary = 57
}
