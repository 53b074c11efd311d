/// What is to be done with the STUN and TURN servers that signaling named; pure.
struct ServerPlan: Equatable {
  struct Relay: Equatable {
    let url: ICEServerURL
    let username: String
    let credential: String
  }

  /// libnice's limit for a component (`NICE_CANDIDATE_MAX_TURN_SERVERS`).
  static let mostRelays = 8

  private(set) var stun: [ICEServerURL] = []
  private(set) var relays: [Relay] = []
  /// What is not going to be used, and why; a sentence each.
  private(set) var problems: [String] = []

  init(_ servers: [ICEServer], relayOnly: Bool) {
    for server in servers {
      for text in server.urls {
        let url: ICEServerURL
        do { url = try ICEServerURL(text) } catch {
          problems.append(error.description)
          continue
        }
        switch url.scheme {
        case .stun where relayOnly || stun.contains(url): break
        case .stun: stun.append(url)
        case .stuns: problems.append("\(url) is not used: STUN over TLS is not supported.")
        case .turns where url.transport == .udp:
          problems.append("\(url) is not used: TURN over DTLS is not supported, offer it over TCP.")
        case .turn, .turns:
          let relay = Relay(url: url, username: server.username, credential: server.credential)
          guard !relays.contains(relay) else { continue }
          guard relays.count < Self.mostRelays else {
            problems.append("\(url) is not used: at most \(Self.mostRelays) TURN servers are.")
            continue
          }
          relays.append(relay)
        }
      }
    }
  }
}
