/// A transport address on which a side may be reached, as a `candidate` attribute describes it (RFC 8839 §5.1).
public struct ICECandidate: Hashable, Sendable {
  /// RFC 8445 §4, with the names SDP and the W3C's statistics use.
  public enum Kind: String, Hashable, Sendable {
    case host, srflx, prflx, relay
  }

  public enum TransportProtocol: String, Hashable, Sendable {
    case udp, tcp
  }

  public let kind: Kind
  public let transport: TransportProtocol
  /// An IP address, or the `.local` name by which browsers hide one.
  public let address: String
  public let port: UInt16
  /// 1 for RTP and everything multiplexed with it.
  public let component: UInt16

  public init(
    kind: Kind, transport: TransportProtocol = .udp, address: String, port: UInt16, component: UInt16 = 1
  ) {
    self.kind = kind
    self.transport = transport
    self.address = address
    self.port = port
    self.component = component
  }

  /// Reads `candidate:…`, with or without `a=` in front; nil when the line is malformed.
  public init?(sdp: some StringProtocol) {
    var line = Substring(sdp)
    if line.hasPrefix("a=") { line = line.dropFirst(2) }
    guard line.hasPrefix("candidate:"), line.utf8.count <= 512,
      line.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f })
    else { return nil }
    let fields = line.dropFirst("candidate:".count).split(separator: " ")
    guard fields.count >= 8, fields.count.isMultiple(of: 2), fields[0].utf8.count <= 32,
      let component = UInt16(fields[1]), (1...256).contains(component),
      let transport = TransportProtocol(rawValue: fields[2].lowercased()),
      UInt32(fields[3]) != nil, let port = UInt16(fields[5]),
      fields[6] == "typ", let kind = Kind(rawValue: String(fields[7]))
    else { return nil }
    self.init(kind: kind, transport: transport, address: String(fields[4]), port: port, component: component)
  }
}

extension ICECandidate: CustomStringConvertible {
  /// For people: `relay 192.0.2.1:49152/udp`.
  public var description: String {
    let host = address.contains(":") ? "[\(address)]" : address
    return "\(kind.rawValue) \(host):\(port)/\(transport.rawValue)"
  }
}

/// The pair of addresses that media takes.
public struct ICESelectedPair: Equatable, Sendable {
  public let local: ICECandidate
  public let remote: ICECandidate
  /// How we reach the TURN server when the local candidate is relayed (W3C `relayProtocol`: udp, tcp or tls); nil
  /// otherwise, and when one server is used by two protocols at the same address.
  public let relayProtocol: String?

  public init(local: ICECandidate, remote: ICECandidate, relayProtocol: String?) {
    self.local = local
    self.remote = remote
    self.relayProtocol = relayProtocol
  }
}

extension ICESelectedPair: CustomStringConvertible {
  public var description: String {
    "\(local)\(relayProtocol.map { " (TURN over \($0))" } ?? "") to \(remote)"
  }
}

/// There is no path to the peer, or none any more.
public struct ICEFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    /// No pair of candidates worked within the time given.
    case noPath(after: Duration)
    /// The peer stopped answering consent checks on the path that was in use (RFC 7675).
    case consentLost
    /// No socket could be opened on the addresses and ports allowed.
    case noLocalSocket
    /// Gathering ended with nothing: no address that may be used, no TURN server that gave one.
    case noCandidates
  }

  public let reason: Reason
  public let localCandidates: [ICECandidate]
  public let remoteCandidates: [ICECandidate]
  /// What went wrong with STUN and TURN servers, a sentence each.
  public let serverProblems: [String]

  public init(
    reason: Reason, localCandidates: [ICECandidate], remoteCandidates: [ICECandidate], serverProblems: [String] = []
  ) {
    self.reason = reason
    self.localCandidates = localCandidates
    self.remoteCandidates = remoteCandidates
    self.serverProblems = serverProblems
  }

  public var description: String {
    let what =
      switch reason {
      case .noPath(let patience): "No network path to the peer was found within \(patience.components.seconds) s"
      case .consentLost: "The network path to the peer was lost: it stopped answering"
      case .noLocalSocket: "No UDP socket could be opened on the allowed local addresses and ports"
      case .noCandidates: "There is no local address from which a network path could begin"
      }
    func list(_ candidates: [ICECandidate]) -> String {
      candidates.isEmpty ? "none" : candidates.map(\.description).joined(separator: ", ")
    }
    var text = "\(what). Local candidates: \(list(localCandidates)). Remote: \(list(remoteCandidates))."
    for problem in serverProblems { text += " \(problem)" }
    return text
  }
}
