extension Attribute {
  /// Reads what stands behind `a=`.
  init(line: Substring) {
    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts.isEmpty ? "" : String(parts[0])
    let value = parts.count > 1 ? parts[1] : nil
    let known = value.map { Self.valued(name, $0) } ?? Self.flag(name)
    self = known ?? .other(name: name, value: value.map(String.init))
  }

  private static func flag(_ name: String) -> Attribute? {
    if let direction = Direction(rawValue: name) { return .direction(direction) }
    switch name {
    case "ice-lite": return .iceLite
    case "end-of-candidates": return .endOfCandidates
    case "rtcp-mux": return .rtcpMux
    case "rtcp-rsize": return .rtcpReducedSize
    default: return nil
    }
  }

  private static func valued(_ name: String, _ value: Substring) -> Attribute? {
    let fields = value.split(separator: " ")
    guard let first = fields.first.map(String.init) else { return nil }
    let isToken = fields.count == 1
    switch name {
    case "group": return .group(semantics: first, mids: fields.dropFirst().map(String.init))
    case "mid": return isToken ? .mid(first) : nil
    case "setup": return isToken ? SetupRole(rawValue: first).map(Attribute.setup) : nil
    case "fingerprint": return Fingerprint(value).map(Attribute.fingerprint)
    case "ice-ufrag": return isToken ? .iceUsernameFragment(first) : nil
    case "ice-pwd": return isToken ? .icePassword(first) : nil
    case "ice-options": return .iceOptions(fields.map(String.init))
    case "candidate": return .candidate(String(value.trimmingSpaces))
    case "rtpmap": return rtpmap(fields)
    case "fmtp":
      return UInt8(first).flatMap { payloadType in
        fields.count > 1
          ? .fmtp(payloadType: payloadType, parameters: fields.dropFirst().joined(separator: " ")) : nil
      }
    case "rtcp-fb":
      return fields.count > 1
        ? .rtcpFeedback(format: first, value: fields.dropFirst().joined(separator: " ")) : nil
    case "extmap": return extmap(fields)
    case "ssrc": return ssrc(fields)
    case "msid":
      return fields.count <= 2 ? .msid(stream: first, track: fields.count == 2 ? String(fields[1]) : nil) : nil
    case "sctp-port": return isToken ? UInt16(first).map(Attribute.sctpPort) : nil
    case "max-message-size": return isToken ? UInt64(first).map(Attribute.maxMessageSize) : nil
    default: return nil
    }
  }

  private static func rtpmap(_ fields: [Substring]) -> Attribute? {
    guard fields.count == 2, let payloadType = UInt8(fields[0]), payloadType < 128 else { return nil }
    let codec = fields[1].split(separator: "/", omittingEmptySubsequences: false)
    guard 2...3 ~= codec.count, !codec[0].isEmpty, let clockRate = Int(codec[1]), clockRate > 0 else { return nil }
    let channels = codec.count == 3 ? Int(codec[2]) : nil
    if codec.count == 3, channels == nil { return nil }
    return .rtpmap(
      RTPMap(payloadType: payloadType, encoding: String(codec[0]), clockRate: clockRate, channels: channels))
  }

  private static func extmap(_ fields: [Substring]) -> Attribute? {
    guard fields.count >= 2 else { return nil }
    let entry = fields[0].split(separator: "/", omittingEmptySubsequences: false)
    guard entry.count <= 2, let id = UInt16(entry[0]), id > 0 else { return nil }
    let direction = entry.count == 2 ? Direction(rawValue: String(entry[1])) : nil
    if entry.count == 2, direction == nil { return nil }
    return .extmap(
      ExtensionMap(
        id: id, direction: direction, uri: String(fields[1]),
        attributes: fields.count > 2 ? fields.dropFirst(2).joined(separator: " ") : nil))
  }

  private static func ssrc(_ fields: [Substring]) -> Attribute? {
    guard fields.count >= 2, let source = UInt32(fields[0]) else { return nil }
    let pair = fields.dropFirst().joined(separator: " ")
      .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    return .ssrc(source, name: String(pair[0]), value: pair.count == 2 ? String(pair[1]) : nil)
  }

  /// What stands behind `a=`.
  var line: String {
    switch self {
    case .group(let semantics, let mids): "group:\(([semantics] + mids).joined(separator: " "))"
    case .mid(let mid): "mid:\(mid)"
    case .direction(let direction): direction.rawValue
    case .setup(let role): "setup:\(role.rawValue)"
    case .fingerprint(let fingerprint): "fingerprint:\(fingerprint)"
    case .iceUsernameFragment(let text): "ice-ufrag:\(text)"
    case .icePassword(let text): "ice-pwd:\(text)"
    case .iceOptions(let options): "ice-options:\(options.joined(separator: " "))"
    case .iceLite: "ice-lite"
    case .candidate(let text): "candidate:\(text)"
    case .endOfCandidates: "end-of-candidates"
    case .rtpmap(let map):
      "rtpmap:\(map.payloadType) \(map.encoding)/\(map.clockRate)\(map.channels.map { "/\($0)" } ?? "")"
    case .fmtp(let payloadType, let parameters): "fmtp:\(payloadType) \(parameters)"
    case .rtcpFeedback(let format, let value): "rtcp-fb:\(format) \(value)"
    case .extmap(let map):
      "extmap:\(map.id)\(map.direction.map { "/\($0.rawValue)" } ?? "") \(map.uri)"
        + (map.attributes.map { " \($0)" } ?? "")
    case .ssrc(let source, let name, let value): "ssrc:\(source) \(name)\(value.map { ":\($0)" } ?? "")"
    case .msid(let stream, let track): "msid:\(stream)\(track.map { " \($0)" } ?? "")"
    case .rtcpMux: "rtcp-mux"
    case .rtcpReducedSize: "rtcp-rsize"
    case .sctpPort(let port): "sctp-port:\(port)"
    case .maxMessageSize(let size): "max-message-size:\(size)"
    case .other(let name, let value): "\(name)\(value.map { ":\($0)" } ?? "")"
    }
  }
}
