import TalkScenarios
import TestSupport
import Testing

@testable import TalkRoom

/// The forwarding unit, over real connections on loopback.
@Suite struct ForwardingTests {
  private static let token = EmbeddedRoomTests.token

  private static func guests(_ base: String, _ names: String...) async throws -> [CallGuest] {
    var guests: [CallGuest] = []
    for name in names {
      let guest = CallGuest(base: base, token: token)
      try await guest.enterCall(name: name)
      guests.append(guest)
    }
    return guests
  }

  @Test func `everybody hears everybody, and packets are counted`() async throws {
    try await withRoom { room, base in
      let guests = try await Self.guests(base, "Anna", "Ben", "Cem")
      for (index, guest) in guests.enumerated() { try await guest.publishAndConnect(mark: UInt8(index)) }
      for listener in guests {
        for (index, speaker) in guests.enumerated() where speaker !== listener {
          let session = await speaker.session
          #expect(try await listener.ask(for: session) == "offer")
          try await listener.hear(session)
          #expect(await listener.marks(of: session) == [UInt8(index)])
        }
      }
      let packets = await room.packetsForwarded(Self.token)
      #expect(packets.keys.sorted() == ["Anna", "Ben", "Cem"])
      #expect(packets.values.allSatisfy { $0 >= 10 })
      for guest in guests { await guest.close() }
    }
  }

  @Test func `a room that forwards nothing connects, and is silent`() async throws {
    try await withRoom { room, base in
      await room.setFaults { $0.forwardsMedia = false }
      let guests = try await Self.guests(base, "Anna", "Ben")
      let session = await guests[0].session
      try await guests[0].publishAndConnect()
      #expect(try await guests[1].ask(for: session) == "offer")
      try await eventually("a connection") { await guests[1].subscriptionIsConnected(to: session) }
      try await guests[0].say("unheard")
      try await Task.sleep(for: .milliseconds(300))
      #expect(await guests[1].packetsHeard(of: session) == 0)
      #expect(await guests[1].texts(of: session).isEmpty)
      await room.setFaults { $0.forwardsMedia = true }
      try await guests[1].hear(session)
      for guest in guests { await guest.close() }
    }
  }

  @Test func `lost packets are missing for the listener, as many as asked`() async throws {
    try await withRoom { room, base in
      await room.setFaults { $0.packetLoss = 0.3 }
      let guests = try await Self.guests(base, "Anna", "Ben")
      let session = await guests[0].session
      try await guests[0].publishAndConnect()
      _ = try await guests[1].ask(for: session)
      try await guests[1].hear(session, packets: 30)
      #expect(await guests[1].continuity(of: session).breaks > 0)
      for guest in guests { await guest.close() }
    }
    var loss = LossGenerator(seed: 1)
    let lost = (0..<10_000).count { _ in loss.loses(0.3) }
    #expect((2800...3200).contains(lost))
    var none = LossGenerator(seed: 1)
    #expect(!(0..<1000).contains { _ in none.loses(0) })
    var all = LossGenerator(seed: 1)
    #expect((0..<1000).allSatisfy { _ in all.loses(1) })
  }

  @Test func `numbers go on when a publisher begins anew, gaps stay gaps`() {
    var numbers = ContinuousNumbers()
    #expect(numbers.next(source: 1, sequenceNumber: 65_534, timestamp: 0xFFFF_FFFF) == (65_534, 0xFFFF_FFFF))
    #expect(numbers.next(source: 1, sequenceNumber: 0, timestamp: 1919) == (0, 1919))
    // A late packet keeps its place.
    #expect(numbers.next(source: 1, sequenceNumber: 65_535, timestamp: 959) == (65_535, 959))
    #expect(numbers.next(source: 2, sequenceNumber: 30_000, timestamp: 7) == (1, 2879))
    #expect(numbers.next(source: 2, sequenceNumber: 30_002, timestamp: 1927) == (3, 4799))
  }
}
