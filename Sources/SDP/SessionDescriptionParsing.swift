extension SessionDescription {
  /// Reads a description. Lines may end with CRLF, LF or nothing; empty ones are skipped.
  ///
  /// Control characters are refused, so that nothing of this text, repeated in an answer, can begin a line there.
  public init(parsing text: String) throws(SDPError) {
    let size = text.utf8.count
    guard size <= Self.maximumSize else { throw .tooLarge(bytes: size) }

    var origin: Origin?
    var name = "-"
    var connection: String?
    var attributes: [Attribute] = []
    var media: [MediaDescription] = []
    var hasVersion = false

    var number = 0
    // Over bytes: a CRLF is one Character, and would not be split at.
    for bytes in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let line = Substring(bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes)
      if line.isEmpty { continue }
      guard let (type, value) = Self.split(line) else { throw .malformedLine(number: number) }
      guard hasVersion else {
        guard type == "v", value == "0" else { throw .unsupportedVersion }
        hasVersion = true
        continue
      }
      switch type {
      case "m":
        guard let section = MediaDescription(line: value) else { throw .malformedLine(number: number) }
        media.append(section)
      case "a":
        let attribute = Attribute(line: value)
        if media.isEmpty {
          attributes.append(attribute)
        } else {
          media[media.count - 1].attributes.append(attribute)
        }
      case "c":
        if media.isEmpty { connection = String(value) } else { media[media.count - 1].connection = String(value) }
      case "o":
        guard origin == nil, let read = Origin(line: value) else { throw .malformedLine(number: number) }
        origin = read
      case "s": name = String(value)
      case "t", "r", "z", "k", "i", "u", "e", "p", "b": continue
      default: throw .malformedLine(number: number)
      }
    }
    guard hasVersion else { throw .unsupportedVersion }
    guard let origin else { throw .missingOrigin }
    self.init(origin: origin, name: name, connection: connection, attributes: attributes, media: media)
  }

  private static func split(_ line: Substring) -> (type: Character, value: Substring)? {
    let bytes = line.utf8
    guard bytes.count >= 2, bytes[bytes.index(after: bytes.startIndex)] == UInt8(ascii: "="),
      let type = bytes.first, type < 0x80,
      !bytes.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7F })
    else { return nil }
    return (Character(UnicodeScalar(type)), Substring(bytes.dropFirst(2)))
  }
}

extension SessionDescription.Origin {
  init?(line: Substring) {
    let fields = line.split(separator: " ")
    guard fields.count == 6, let sessionID = UInt64(fields[1]), let sessionVersion = UInt64(fields[2]) else {
      return nil
    }
    self.init(
      username: String(fields[0]), sessionID: sessionID, sessionVersion: sessionVersion,
      address: fields.dropFirst(3).joined(separator: " "))
  }
}

extension MediaDescription {
  init?(line: Substring) {
    let fields = line.split(separator: " ")
    guard fields.count >= 4, let port = fields[1].split(separator: "/").first.flatMap({ UInt16($0) }) else {
      return nil
    }
    self.init(
      kind: Kind(rawValue: String(fields[0])), port: port, transport: String(fields[2]),
      formats: fields.dropFirst(3).map(String.init))
  }
}
