/// The lines of a description that we can use: one of Opus audio and one of a data channel, on one transport.
struct UsableLines {
  var audio: Int?
  var dataChannel: Int?

  static let audioTransport = "UDP/TLS/RTP/SAVPF"
  static let dataChannelTransports = ["UDP/DTLS/SCTP", "TCP/DTLS/SCTP"]
  static let dataChannelFormat = "webrtc-datachannel"

  var indices: [Int] { [audio, dataChannel].compactMap { $0 } }

  /// In an offer, port 0 with `bundle-only` is no refusal (RFC 9143 §6).
  init(of description: SessionDescription, allowsBundleOnly: Bool) {
    for (index, line) in description.media.enumerated() {
      let isOpen =
        line.port != 0 || allowsBundleOnly && line.attributes.contains(.other(name: "bundle-only", value: nil))
      guard isOpen, isOnTransport(index, of: description) else { continue }
      switch line.kind {
      case .audio where audio == nil && Self.isUsableAudio(line): audio = index
      case .application where dataChannel == nil && Self.isUsableDataChannel(line): dataChannel = index
      default: continue
      }
    }
  }

  /// All lines we use must share the transport of the first one, through the bundle.
  private func isOnTransport(_ index: Int, of description: SessionDescription) -> Bool {
    guard let first = indices.min() else { return true }
    guard let bundle = description.bundledMids, let mid = description.media[index].mid,
      let firstMid = description.media[first].mid
    else { return false }
    return bundle.contains(mid) && bundle.contains(firstMid)
  }

  private static func isUsableAudio(_ line: MediaDescription) -> Bool {
    line.transport == audioTransport && line.attributes.contains(.rtcpMux) && line.opusPayloadType != nil
  }

  private static func isUsableDataChannel(_ line: MediaDescription) -> Bool {
    dataChannelTransports.contains(line.transport) && line.formats == [dataChannelFormat]
  }

  /// The first usable line, whose ICE and DTLS attributes count for all.
  func transportLine(of description: SessionDescription) throws(NegotiationError) -> MediaDescription {
    guard let index = indices.min() else { throw .nothingUsable }
    return description.media[index]
  }
}
