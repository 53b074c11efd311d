import DTLSSRTP
import TestSupport

/// Two endpoints and the wire between them, on which datagrams can be lost, changed or held back.
struct DTLSPair: ~Copyable {
  var client: DTLSEndpoint
  var server: DTLSEndpoint
  /// Sizes of all datagrams so far.
  private(set) var sizes: [Int] = []

  static let identities = Result { (try DTLSIdentity(), try DTLSIdentity()) }

  init(mtu: Int = 1200) throws {
    let (clientIdentity, serverIdentity) = try Self.identities.get()
    let client = try DTLSEndpoint(role: .client, identity: clientIdentity, mtu: mtu)
    let server = try DTLSEndpoint(role: .server, identity: serverIdentity, mtu: mtu)
    self.client = client
    self.server = server
  }

  /// Announces the certificates to one another, as signaling does.
  mutating func introduce() throws {
    let (clientIdentity, serverIdentity) = try Self.identities.get()
    client.expect([serverIdentity.fingerprint])
    server.expect([clientIdentity.fingerprint])
  }

  /// Carries datagrams both ways until both sides are silent.
  /// - Parameters:
  ///   - transit: What arrives in place of a datagram (its number, its bytes); empty when it is lost.
  ///   - order: The order in which the datagrams arrive that one side has sent together.
  mutating func exchange(
    transit: (Int, [UInt8]) -> [[UInt8]] = { [$1] }, order: ([[UInt8]]) -> [[UInt8]] = { $0 }
  ) {
    let now = ContinuousClock.now
    while true {
      let toServer = order(takeOutput(of: &client))
      let toClient = order(takeOutput(of: &server))
      if toServer.isEmpty, toClient.isEmpty { return }
      for datagram in toServer { for arriving in carry(datagram, transit) { server.receive(arriving.span, at: now) } }
      for datagram in toClient { for arriving in carry(datagram, transit) { client.receive(arriving.span, at: now) } }
    }
  }

  private mutating func carry(_ datagram: [UInt8], _ transit: (Int, [UInt8]) -> [[UInt8]]) -> [[UInt8]] {
    sizes.append(datagram.count)
    return transit(sizes.count - 1, datagram)
  }

  /// Waits for the earliest deadline and lets both sides act upon theirs.
  mutating func passTime() async throws {
    let deadlines = [client.deadline, server.deadline].compactMap(\.self)
    guard let next = deadlines.min() else { return }
    try await Task.sleep(until: next, clock: .continuous)
    let now = ContinuousClock.now
    client.handleTimeout(at: now)
    server.handleTimeout(at: now)
  }

  /// A pair that has shaken hands.
  static func connected() throws -> DTLSPair {
    var pair = try DTLSPair()
    try pair.introduce()
    pair.client.start(at: .now)
    pair.exchange()
    return pair
  }
}

func takeOutput(of endpoint: inout DTLSEndpoint) -> [[UInt8]] {
  var datagrams: [[UInt8]] = []
  endpoint.drain { datagram in datagrams.append(datagram.withUnsafeBufferPointer { Array($0) }) }
  return datagrams
}

/// Changes, shortens or lengthens a packet at random.
func mutate(_ bytes: [UInt8], with random: inout SeededRandom) -> [UInt8] {
  var bytes = bytes
  switch Int.random(in: 0..<4, using: &random) {
  case 0: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
  case 1: bytes += (0..<Int.random(in: 1...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
  default:
    for _ in 0..<Int.random(in: 1...8, using: &random) where !bytes.isEmpty {
      bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
    }
  }
  return bytes
}
