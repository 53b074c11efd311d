import GLibLoop
import TestSupport
import Testing

@testable import DataChannel

/// The loop on which associations live, for tests.
actor NetworkLoop {
  static let shared = NetworkLoop()
  nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  func run<Result: Sendable>(_ body: @Sendable () throws -> Result) rethrows -> Result { try body() }
}

func onNetworkLoop<Result: Sendable>(_ body: @Sendable () throws -> Result) async throws -> Result {
  try await NetworkLoop.shared.run(body)
}

/// Something that belongs to the network loop, between two visits there.
final class OnNetworkLoop<Value>: Sendable {
  // Made, touched and, by the tests' `close`, ended on the network loop alone.
  private nonisolated(unsafe) let value: Value

  init(_ make: @Sendable () throws -> Value) async throws {
    value = try await NetworkLoop.shared.run { try Made(value: make()) }.value
  }

  private struct Made: Sendable {
    nonisolated(unsafe) let value: Value
  }

  func visit<Result: Sendable>(_ body: @Sendable (Value) throws -> Result) async throws -> Result {
    try await NetworkLoop.shared.run { try body(value) }
  }
}

/// Two associations and the wire between them.
final class AssociationPair {
  let client: SCTPAssociation
  let server: SCTPAssociation
  /// What arrives in place of a packet.
  var transit: ([UInt8]) -> [[UInt8]]
  /// What happened since it was last looked at.
  var clientEvents: [SCTPAssociation.Event] = []
  var serverEvents: [SCTPAssociation.Event] = []
  private(set) var longestPacket = 0

  /// Both send again soon, so that tests of loss do not take long.
  ///
  /// - Parameter attempts: Many, as all tests share the loop: a pair may have to wait long until it is looked after.
  init(attempts: UInt16 = 10_000, _ transit: @escaping ([UInt8]) -> [[UInt8]] = { [$0] }) throws {
    let hasty = SCTPAssociation.Retransmission(
      initialWait: .milliseconds(10), shortestWait: .milliseconds(10), longestWait: .milliseconds(500),
      attempts: attempts)
    client = try SCTPAssociation(isDTLSClient: true, retransmission: hasty) {}
    server = try SCTPAssociation(isDTLSClient: false, retransmission: hasty) {}
    self.transit = transit
  }

  static func connected(attempts: UInt16 = 10_000) throws -> AssociationPair {
    let pair = try AssociationPair(attempts: attempts)
    pair.exchange()
    #expect(pair.clientEvents == [.connected])
    #expect(pair.serverEvents == [.connected])
    pair.forgetEvents()
    return pair
  }

  /// Carries packets both ways until both sides are silent.
  func exchange() {
    while true {
      let toServer = DataChannelTests.takePackets(of: client)
      let toClient = DataChannelTests.takePackets(of: server)
      for packet in toServer { carry(packet, to: server) }
      for packet in toClient { carry(packet, to: client) }
      clientEvents += takeEvents(of: client)
      serverEvents += takeEvents(of: server)
      if toServer.isEmpty, toClient.isEmpty { return }
    }
  }

  /// Lets the time that has passed count, and carries what comes of it.
  func passTime() {
    SCTPStack.tick()
    exchange()
  }

  func forgetEvents() {
    clientEvents = []
    serverEvents = []
  }

  func close() {
    client.close()
    server.close()
  }

  private func carry(_ packet: [UInt8], to end: SCTPAssociation) {
    longestPacket = max(longestPacket, packet.count)
    for arriving in transit(packet) { end.receive(arriving.span) }
  }
}

extension OnNetworkLoop<AssociationPair> {
  /// Carries packets while time passes, until `condition` holds.
  func exchange(until what: String, _ condition: @Sendable (AssociationPair) -> Bool) async throws {
    try await eventually(what) {
      try await visit { pair in
        pair.passTime()
        return condition(pair)
      }
    }
  }
}

func takePackets(of association: SCTPAssociation) -> [[UInt8]] {
  var packets: [[UInt8]] = []
  association.drain { packet in packets.append(packet.withUnsafeBufferPointer { Array($0) }) }
  return packets
}

func takeEvents(of association: SCTPAssociation) -> [SCTPAssociation.Event] {
  var events: [SCTPAssociation.Event] = []
  while let event = association.nextEvent() { events.append(event) }
  return events
}

/// Changes a packet behind its ports and tag, and makes its checksum right again, so that the change is looked at.
func mutate(_ packet: [UInt8], with random: inout SeededRandom) -> [UInt8] {
  var packet = packet
  guard packet.count > 12 else { return packet }
  switch Int.random(in: 0..<4, using: &random) {
  case 0: packet.removeLast(Int.random(in: 0..<(packet.count - 12), using: &random))
  case 1: packet += (0..<Int.random(in: 1...100, using: &random)).map { _ in .random(in: 0...255, using: &random) }
  default:
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      packet[Int.random(in: 12..<packet.count, using: &random)] = .random(in: 0...255, using: &random)
    }
  }
  return withChecksum(packet)
}

/// Writes the CRC-32c of an SCTP packet into its header (RFC 9260 §6.8).
func withChecksum(_ packet: [UInt8]) -> [UInt8] {
  var packet = packet
  packet.replaceSubrange(8..<12, with: [0, 0, 0, 0])
  var remainder = UInt32.max
  for byte in packet { remainder = (remainder >> 8) ^ checksumTable[Int((remainder ^ UInt32(byte)) & 255)] }
  let checksum = ~remainder
  packet.replaceSubrange(8..<12, with: (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) })
  return packet
}

private let checksumTable: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { remainder, _ in (remainder >> 1) ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0) }
}
