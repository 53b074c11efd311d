/// What our own descriptions say of us.
public struct LocalEndpoint: Sendable {
  /// Below 2⁶³, random per session (RFC 8829 §5.2.1).
  public var sessionID: UInt64
  /// To be raised with each further description of the session.
  public var sessionVersion: UInt64
  public var credentials: ICECredentials
  /// SHA-256 of our certificate.
  public var fingerprint: Fingerprint
  /// Candidates known already, as ICE writes them (`candidate:…`); the others are trickled.
  public var candidates: [String]
  /// No more candidates will come.
  public var candidatesEnded: Bool

  public init(
    sessionID: UInt64, sessionVersion: UInt64 = 1, credentials: ICECredentials, fingerprint: Fingerprint,
    candidates: [String] = [], candidatesEnded: Bool = false
  ) {
    self.sessionID = sessionID
    self.sessionVersion = sessionVersion
    self.credentials = credentials
    self.fingerprint = fingerprint
    self.candidates = candidates
    self.candidatesEnded = candidatesEnded
  }
}

/// The audio stream that an offer announces.
public struct AudioSource: Sendable {
  public var ssrc: UInt32
  /// CNAME, the same as in RTCP (RFC 7022).
  public var canonicalName: String
  /// Names of stream and track; tokens without spaces (RFC 8830).
  public var streamID: String
  public var trackID: String

  public init(ssrc: UInt32, canonicalName: String, streamID: String, trackID: String) {
    self.ssrc = ssrc
    self.canonicalName = canonicalName
    self.streamID = streamID
    self.trackID = trackID
  }
}

extension SessionDescription {
  /// Payload type of Opus in our offers, the one browsers use.
  public static let opusPayloadType: UInt8 = 111
  /// Header extension ids in our offers.
  public static let audioLevelExtensionID: UInt8 = 1
  public static let midExtensionID: UInt8 = 4
  /// The SCTP port, and the largest message we take.
  public static let sctpPort: UInt16 = 5000
  public static let maximumMessageSize: UInt64 = 262_144

  private static let opusParameters = "minptime=10;useinbandfec=1"
  private static let nowhere = "IN IP4 0.0.0.0"

  /// An offer (RFC 8829 §5.2) that sends `audio` and receives none, with a data channel: audio has mid `0`, the data
  /// channel the next. At least one of the two must be asked for.
  public static func makeOffer(
    audio: AudioSource?, dataChannel: Bool = true, local: LocalEndpoint
  ) -> SessionDescription {
    precondition(audio != nil || dataChannel, "an offer must have something to offer")
    var media: [MediaDescription] = []
    if let audio {
      media.append(
        audioLine(
          mid: "0", payloadType: opusPayloadType, direction: .sendonly,
          extmaps: [
            ExtensionMap(id: UInt16(audioLevelExtensionID), uri: ExtensionMap.audioLevel),
            ExtensionMap(id: UInt16(midExtensionID), uri: ExtensionMap.mid),
          ],
          source: audio, reducedSizeRTCP: true, transport: transport(local, .actpass, first: true)))
    }
    if dataChannel {
      media.append(
        dataChannelLine(
          mid: "\(media.count)", transport: UsableLines.dataChannelTransports[0],
          attributes: transport(local, .actpass, first: media.isEmpty)))
    }
    return SessionDescription(
      origin: Origin(sessionID: local.sessionID, sessionVersion: local.sessionVersion),
      attributes: [
        .group(semantics: "BUNDLE", mids: media.compactMap(\.mid)),
        .other(name: "msid-semantic", value: audio.map { " WMS \($0.streamID)" } ?? " WMS"),
      ],
      media: media)
  }

  /// An answer (RFC 8829 §5.3) that receives the first Opus audio line and takes the data channel; every other line is
  /// refused and left out of the bundle. Payload type and extension ids are the offer's.
  public static func makeAnswer(
    to offer: SessionDescription, local: LocalEndpoint
  ) throws(NegotiationError) -> SessionDescription {
    let session = try NegotiatedSession(offer: offer)
    let usable = UsableLines(of: offer, allowsBundleOnly: true)
    let setup: SetupRole = session.dtlsRole == .client ? .active : .passive
    var media: [MediaDescription] = []
    for (index, line) in offer.media.enumerated() {
      let attributes = transport(local, setup, first: index == session.transportIndex)
      if index == usable.audio, let audio = session.audio {
        media.append(answer(to: line, audio, attributes))
      } else if index == usable.dataChannel {
        media.append(dataChannelLine(mid: line.mid, transport: line.transport, attributes: attributes))
      } else {
        media.append(refusal(of: line))
      }
    }
    let bundled = usable.indices.sorted().compactMap { offer.media[$0].mid }
    let isBundled = offer.bundledMids.map { group in bundled.allSatisfy(group.contains) } ?? false
    return SessionDescription(
      origin: Origin(sessionID: local.sessionID, sessionVersion: local.sessionVersion),
      attributes: (isBundled && !bundled.isEmpty ? [.group(semantics: "BUNDLE", mids: bundled)] : [])
        + [.other(name: "msid-semantic", value: " WMS")],
      media: media)
  }

  private static func answer(
    to line: MediaDescription, _ audio: AudioSession, _ attributes: [Attribute]
  ) -> MediaDescription {
    let known = [ExtensionMap.audioLevel, ExtensionMap.mid].compactMap { uri in
      line.extensionID(uri).map { ExtensionMap(id: UInt16($0), uri: uri) }
    }
    let isSent = audio.remoteDirection == .sendonly || audio.remoteDirection == .sendrecv
    return audioLine(
      mid: line.mid, payloadType: audio.payloadType, direction: isSent ? .recvonly : .inactive,
      extmaps: known, source: nil, reducedSizeRTCP: audio.reducedSizeRTCP, transport: attributes)
  }

  /// ICE and DTLS attributes; repeated in each line, as browsers and Janus do, but for the candidates: these stand in the
  /// `first` one only (RFC 8829 §5.2.1).
  private static func transport(_ local: LocalEndpoint, _ setup: SetupRole, first: Bool) -> [Attribute] {
    let identity: [Attribute] = [
      .iceUsernameFragment(local.credentials.usernameFragment), .icePassword(local.credentials.password),
      .iceOptions(["trickle"]), .fingerprint(local.fingerprint), .setup(setup),
    ]
    guard first else { return identity }
    let candidates = local.candidates.map { text in
      let value = text.hasPrefix("a=") ? text.dropFirst(2) : text[...]
      return Attribute.candidate(String(value.hasPrefix("candidate:") ? value.dropFirst(10) : value))
    }
    return candidates + (local.candidatesEnded ? [.endOfCandidates] : []) + identity
  }

  private static func audioLine(
    mid: String?, payloadType: UInt8, direction: Direction, extmaps: [ExtensionMap], source: AudioSource?,
    reducedSizeRTCP: Bool, transport: [Attribute]
  ) -> MediaDescription {
    var attributes: [Attribute] = [.other(name: "rtcp", value: "9 \(nowhere)")] + transport
    if let mid { attributes.append(.mid(mid)) }
    attributes += extmaps.map(Attribute.extmap)
    attributes.append(.direction(direction))
    if let source { attributes.append(.msid(stream: source.streamID, track: source.trackID)) }
    attributes.append(.rtcpMux)
    if reducedSizeRTCP { attributes.append(.rtcpReducedSize) }
    attributes.append(
      .rtpmap(RTPMap(payloadType: payloadType, encoding: "opus", clockRate: 48_000, channels: 2)))
    attributes.append(.fmtp(payloadType: payloadType, parameters: opusParameters))
    if let source {
      attributes.append(.ssrc(source.ssrc, name: "cname", value: source.canonicalName))
      attributes.append(.ssrc(source.ssrc, name: "msid", value: "\(source.streamID) \(source.trackID)"))
    }
    return MediaDescription(
      kind: .audio, port: 9, transport: UsableLines.audioTransport, formats: ["\(payloadType)"], connection: nowhere,
      attributes: attributes)
  }

  private static func dataChannelLine(
    mid: String?, transport: String, attributes: [Attribute]
  ) -> MediaDescription {
    MediaDescription(
      kind: .application, port: 9, transport: transport, formats: [UsableLines.dataChannelFormat], connection: nowhere,
      attributes: attributes + (mid.map { [.mid($0)] } ?? [])
        + [.sctpPort(sctpPort), .maxMessageSize(maximumMessageSize)])
  }

  private static func refusal(of line: MediaDescription) -> MediaDescription {
    MediaDescription(
      kind: line.kind, port: 0, transport: line.transport, formats: line.formats, connection: nowhere,
      attributes: [.direction(.inactive)] + (line.mid.map { [.mid($0)] } ?? []))
  }
}
