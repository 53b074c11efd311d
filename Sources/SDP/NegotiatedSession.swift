/// What the two sides of an ICE path know each other by (RFC 8839 §5.4).
public struct ICECredentials: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
  public let usernameFragment: String
  public let password: String

  public init(usernameFragment: String, password: String) {
    self.usernameFragment = usernameFragment
    self.password = password
  }

  /// Without the password.
  public var description: String { "ICECredentials(\(usernameFragment))" }
  public var customMirror: Mirror { Mirror(self, children: ["usernameFragment": usernameFragment]) }
}

/// Our part in the DTLS handshake.
public enum DTLSRole: Equatable, Sendable {
  /// Sends the first flight (`setup:active`).
  case client
  /// Waits for it (`setup:passive`).
  case server
}

/// What a remote description lets us do: all that ICE, DTLS, RTP and the data channel must know of the peer.
public struct NegotiatedSession: Equatable, Sendable {
  public let remoteCredentials: ICECredentials
  /// SHA-256 of the certificate the peer must show.
  public let remoteFingerprint: Fingerprint
  /// Our own role.
  public let dtlsRole: DTLSRole
  public let remoteIsICELite: Bool
  /// The media line that carries the one transport; candidates are trickled under its mid and index.
  public let transportMid: String
  public let transportIndex: Int
  /// Candidates in the description, in the form in which they are trickled (`candidate:…`).
  public let remoteCandidates: [String]
  /// The peer says that no more will come.
  public let remoteCandidatesEnded: Bool
  public let audio: AudioSession?
  public let dataChannel: DataChannelSession?
  /// Mids of the lines that were refused or that we cannot use.
  public let refusedMids: [String]
}

/// An Opus stream over RTP, as the peer's description has it.
public struct AudioSession: Equatable, Sendable {
  public let mid: String
  public let payloadType: UInt8
  /// What the peer does: `sendonly` to be heard, `recvonly` to hear us.
  public let remoteDirection: Direction
  /// The peer decodes in-band FEC (RFC 7587 §6.1).
  public let usesInbandFEC: Bool
  /// The peer prefers to receive stereo.
  public let stereo: Bool
  /// The peer prefers discontinuous transmission.
  public let usesDTX: Bool
  /// The most bit/s the peer wants to receive on average.
  public let maximumAverageBitrate: Int?
  /// Id of the audio level header extension (RFC 6464).
  public let audioLevelExtensionID: UInt8?
  /// Id of the mid header extension (RFC 9143 §15).
  public let midExtensionID: UInt8?
  /// The peer's sender, where it is announced.
  public let remoteSSRC: UInt32?
  public let remoteCanonicalName: String?
  /// The peer takes RTCP of reduced size.
  public let reducedSizeRTCP: Bool
}

/// An SCTP association over DTLS (RFC 8841).
public struct DataChannelSession: Equatable, Sendable {
  public let mid: String
  /// The peer's port.
  public let remotePort: UInt16
  /// The largest message the peer takes, in bytes; nil if it takes any.
  public let maximumMessageSize: Int?
}

extension NegotiatedSession {
  /// What an offer of the peer holds for us, once it is answered with ``SessionDescription/makeAnswer(to:local:)``.
  public init(offer: SessionDescription) throws(NegotiationError) {
    let usable = UsableLines(of: offer, allowsBundleOnly: true)
    let transport = try usable.transportLine(of: offer)
    // Without a role the offerer leaves the choice to us (RFC 8842 §5.3 has it say actpass).
    let role: DTLSRole
    switch transport.attributes.setup ?? offer.attributes.setup {
    case .actpass, .passive, nil: role = .client
    case .active: role = .server
    case .holdconn: throw .unusableSetup(SetupRole.holdconn.rawValue)
    }
    try self.init(remote: offer, usable, transport, role)
  }

  /// What the peer's answer made of our offer.
  public init(answer: SessionDescription, to offer: SessionDescription) throws(NegotiationError) {
    guard answer.media.map(\.kind) == offer.media.map(\.kind) else { throw .mediaLinesDiffer }
    let usable = UsableLines(of: answer, allowsBundleOnly: false)
    let transport = try usable.transportLine(of: answer)
    let role: DTLSRole
    switch transport.attributes.setup ?? answer.attributes.setup {
    case .active: role = .server
    // RFC 4145 §4: an answer without a role is passive.
    case .passive, nil: role = .client
    case .some(let other): throw .unusableSetup(other.rawValue)
    }
    try self.init(remote: answer, usable, transport, role)
  }

  private init(
    remote: SessionDescription, _ usable: UsableLines, _ transport: MediaDescription, _ role: DTLSRole
  ) throws(NegotiationError) {
    remoteCredentials = try Self.credentials(of: transport, in: remote)
    remoteFingerprint = try Self.fingerprint(of: transport, in: remote)
    dtlsRole = role
    remoteIsICELite = remote.isICELite
    transportIndex = usable.indices.min() ?? 0
    transportMid = transport.mid ?? "\(transportIndex)"
    remoteCandidates = transport.candidates.map { "candidate:\($0)" }
    remoteCandidatesEnded = transport.attributes.contains(.endOfCandidates)
    audio = usable.audio.flatMap { AudioSession(remote.media[$0], mid: remote.midOfLine($0), in: remote) }
    dataChannel = usable.dataChannel.map { DataChannelSession(remote.media[$0], mid: remote.midOfLine($0)) }
    refusedMids = remote.media.indices.filter { !usable.indices.contains($0) }.map(remote.midOfLine)
  }

  /// Sizes are those of RFC 8839 §5.4.
  private static func credentials(
    of line: MediaDescription, in session: SessionDescription
  ) throws(NegotiationError) -> ICECredentials {
    for attributes in [line.attributes, session.attributes] {
      let usernameFragment = attributes.first { if case .iceUsernameFragment(let text) = $0 { text } else { nil } }
      let password = attributes.first { if case .icePassword(let text) = $0 { text } else { nil } }
      guard let usernameFragment, let password else { continue }
      guard 4...256 ~= usernameFragment.utf8.count, 22...256 ~= password.utf8.count else { break }
      return ICECredentials(usernameFragment: usernameFragment, password: password)
    }
    throw .noICECredentials
  }

  private static func fingerprint(
    of line: MediaDescription, in session: SessionDescription
  ) throws(NegotiationError) -> Fingerprint {
    let own = line.attributes.fingerprints
    let all = own.isEmpty ? session.attributes.fingerprints : own
    guard let fingerprint = all.first(where: { $0.algorithm == "sha-256" && $0.digest.count == 32 }) else {
      throw .noFingerprint(offered: all.map(\.algorithm))
    }
    return fingerprint
  }
}

extension AudioSession {
  fileprivate init?(_ line: MediaDescription, mid: String, in session: SessionDescription) {
    guard let payloadType = line.opusPayloadType else { return nil }
    self.mid = mid
    self.payloadType = payloadType
    let sessionDirection = session.attributes.first { if case .direction(let all) = $0 { all } else { nil } }
    remoteDirection = line.direction ?? sessionDirection ?? .sendrecv
    let parameters = line.formatParameters(of: payloadType)
    usesInbandFEC = parameters.isOn("useinbandfec")
    stereo = parameters.isOn("stereo")
    usesDTX = parameters.isOn("usedtx")
    maximumAverageBitrate = parameters["maxaveragebitrate"].flatMap { Int($0) }
    audioLevelExtensionID = line.extensionID(ExtensionMap.audioLevel)
    midExtensionID = line.extensionID(ExtensionMap.mid)
    let sources = line.attributes.compactMap { attribute -> (UInt32, String?)? in
      if case .ssrc(let source, let name, let value) = attribute {
        (source, name == "cname" ? value : nil)
      } else {
        nil
      }
    }
    let named = sources.first { $0.1 != nil } ?? sources.first
    remoteSSRC = named?.0
    remoteCanonicalName = named?.1
    reducedSizeRTCP = line.attributes.contains(.rtcpReducedSize)
  }
}

extension DataChannelSession {
  fileprivate init(_ line: MediaDescription, mid: String) {
    self.mid = mid
    remotePort = line.attributes.first { if case .sctpPort(let port) = $0 { port } else { nil } } ?? 5000
    // RFC 8841 §6: 64 KiB unless told otherwise; 0 is no limit.
    let size: UInt64 = line.attributes.first { if case .maxMessageSize(let size) = $0 { size } else { nil } } ?? 65_536
    maximumMessageSize = size == 0 ? nil : Int(clamping: size)
  }
}

extension MediaDescription {
  /// The id under which an extension can be used; ids above 255 are provisional and cannot.
  func extensionID(_ uri: String) -> UInt8? {
    extmaps.first { $0.uri == uri }.flatMap { UInt8(exactly: $0.id) }
  }
}

extension SessionDescription {
  /// The mid of a line, or, where it has none, its index.
  func midOfLine(_ index: Int) -> String { media[index].mid ?? "\(index)" }
}
