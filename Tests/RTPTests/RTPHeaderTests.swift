import RTP
import TestSupport
import Testing

struct RTPHeaderTests {
  @Test func `an Opus packet of a browser is read`() throws {
    let header = try RTPHeader(parsing: Samples.opus)
    #expect(header.marker)
    #expect(header.payloadType == 111)
    #expect(header.sequenceNumber == 0x1234)
    #expect(header.timestamp == 960)
    #expect(header.ssrc == 0xe15e_47f5)
    #expect(header.contributingSourceCount == 0)
    #expect(header.extensionProfile == 0xBEDE)
    #expect(header.size == 24)
    #expect(header.payloadRange == 24..<27)
  }

  @Test func `contributing sources and padding are left out of the payload`() throws {
    let header = try RTPHeader(parsing: Samples.contributed)
    #expect(header.contributingSourceCount == 2)
    #expect(header.payloadRange == 20..<22)
    #expect(header.extensionProfile == nil)
    #expect(try RTPHeader(parsing: Samples.paddingOnly).payloadRange == 12..<12)
  }

  @Test(arguments: Samples.rtp)
  func `a packet cut inside its header is refused`(packet: [UInt8]) throws {
    let header = try RTPHeader(parsing: packet)
    for count in 0..<header.size {
      #expect(throws: RTPError.self) { try RTPHeader(parsing: Array(packet.prefix(count))) }
    }
  }

  @Test(arguments: [
    ("406f 0001 0000 0000 0000 0001", RTPError.unsupportedVersion(1)),
    ("c06f 0001 0000 0000 0000 0001", .unsupportedVersion(3)),
    ("806f 0001 0000 0000 0000 00", .truncated),
    ("816f 0001 0000 0000 0000 0001 0000 00", .truncated),
    ("906f 0001 0000 0000 0000 0001 bede 00", .truncated),
    ("906f 0001 0000 0000 0000 0001 bede 0001 0000 00", .truncated),
    ("906f 0001 0000 0000 0000 0001 bede ffff 0000 0000", .truncated),
    ("a06f 0001 0000 0000 0000 0001", .invalidPadding),
    ("a06f 0001 0000 0000 0000 0001 aabb00", .invalidPadding),
    ("a06f 0001 0000 0000 0000 0001 aabb04", .invalidPadding),
  ])
  func `a broken packet is refused with its reason`(hex: String, error: RTPError) {
    #expect(throws: error) { try RTPHeader(parsing: bytes(hex)) }
  }

  @Test func `random and mutated bytes never trap`() {
    var random = SeededRandom(seed: 1)
    var parsed = 0
    for round in 0..<20_000 {
      let packet =
        round % 4 == 0
        ? random.bytes(Int.random(in: 0...64, using: &random))
        : random.mutated(Samples.rtp.randomElement(using: &random)!)
      _ = DatagramKind(of: packet)
      guard let header = try? RTPHeader(parsing: packet) else { continue }
      parsed += 1
      #expect(header.payloadRange.upperBound <= packet.count)
      for id: UInt8 in [0, 1, 4, 14, 15, 200, 255] {
        if let data = header.extensionElement(id, in: packet) { #expect(data.upperBound <= header.size) }
        let ids = HeaderExtensionIDs(audioLevel: id, mid: id)
        _ = header.audioLevel(ids, in: packet)
        _ = header.mid(ids, in: packet)
      }
    }
    #expect(parsed > 1000)
  }
}
