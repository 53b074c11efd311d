internal import CNice

extension ICECandidate {
  init(_ candidate: NiceCandidate) {
    let kind: Kind =
      switch candidate.type {
      case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE: .srflx
      case NICE_CANDIDATE_TYPE_PEER_REFLEXIVE: .prflx
      case NICE_CANDIDATE_TYPE_RELAYED: .relay
      default: .host
      }
    let (address, port) = candidate.addr.parts
    self.init(
      kind: kind, transport: candidate.transport == NICE_CANDIDATE_TRANSPORT_UDP ? .udp : .tcp, address: address,
      port: port)
  }
}

extension NiceAddress {
  /// The IP address as text, and the port.
  var parts: (address: String, port: UInt16) {
    withUnsafePointer(to: self) { address in
      let port = UInt16(truncatingIfNeeded: nice_address_get_port(address))
      guard let text = nice_address_dup_string(address) else { return ("", port) }
      defer { g_free(text) }
      return (String(cString: text), port)
    }
  }
}
