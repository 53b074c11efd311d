import Testing

@testable import DataChannel

@Suite struct SCTPPacketTests {
  private static let header: [UInt8] = [0x13, 0x88, 0x13, 0x88] + [UInt8](repeating: 0, count: 8)
  private static let initiation: [UInt8] =
    [0, 0, 0, 9] + [0, 0, 1, 0] + [0, 16, 0, 16] + [0, 0, 0, 1]

  private static func isAccepted(_ chunks: [UInt8]) -> Bool { isAcceptable(sctpPacket: (header + chunks).span) }

  @Test func `chunks with lengths that add up are accepted`() {
    #expect(Self.isAccepted([11, 0, 0, 4]))
    #expect(Self.isAccepted([11, 0, 0, 4, 0, 3, 0, 17] + [UInt8](repeating: 1, count: 13) + [0, 0, 0]))
    #expect(Self.isAccepted([1, 0, 0, 20] + Self.initiation))
    #expect(Self.isAccepted([1, 0, 0, 30] + Self.initiation + [0xC0, 0, 0, 4, 0x80, 8, 0, 6, 0xC0, 0x82, 0, 0]))
    #expect(Self.isAccepted([6, 0, 0, 4]))
  }

  @Test(
    arguments: [
      [], [11], [11, 0, 0, 3], [11, 0, 0, 0], [11, 0, 0, 8], [1, 0, 0, 16] + [UInt8](repeating: 0, count: 12),
      // An INIT with a parameter of length zero, of three, and one that does not fit.
      [1, 0, 0, 24] + initiation + [0xC0, 0, 0, 0], [1, 0, 0, 24] + initiation + [0xC0, 0, 0, 3],
      [1, 0, 0, 24] + initiation + [0xC0, 0, 0, 5],
      // AUTH, ASCONF and an unknown chunk.
      [0x0F, 0, 0, 4], [0xC1, 0, 0, 4], [0x77, 0, 0, 4],
    ] as [[UInt8]]) func `others are refused`(chunks: [UInt8])
  {
    #expect(!Self.isAccepted(chunks))
  }

  @Test func `an INIT with a parameter of length zero does no harm`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair()
      let poison = withChecksum(Self.header + [1, 0, 0, 24] + Self.initiation + [0xC0, 0, 0, 0])
      pair.server.receive(poison.span)
      pair.exchange()
      #expect(pair.serverEvents == [.connected])
      pair.close()
    }
  }
}
