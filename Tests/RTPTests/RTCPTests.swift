import RTP
import TestSupport
import Testing

struct RTCPTests {
  private func statements(_ datagram: [UInt8]) throws -> [RTCPStatement] {
    var all: [RTCPStatement] = []
    try RTCP.read(datagram.span) { all.append($0) }
    return all
  }

  private let block = ReportBlock(
    source: 2, fractionLost: 64, cumulativeLost: -2, extendedHighestSequenceNumber: 0x1_000A, jitter: 24,
    lastSenderReport: 0x1234_5678, delaySinceLastSenderReport: 0x8000)
  private let info = SenderInfo(
    ntpTime: NTPTimestamp(rawValue: 0xE8A1_0000_8000_0000), rtpTimestamp: 48_000, packetCount: 50, octetCount: 4000)

  @Test func `a sender report with its source description is read`() throws {
    #expect(
      try statements(Samples.senderReport) == [
        .senderInfo(source: 1, info), .report(reporter: 1, block), .canonicalName(source: 1, text: 62..<66),
      ])
    #expect(String(decoding: Samples.senderReport[62..<66], as: UTF8.self) == "john")
  }

  @Test func `an empty receiver report says nothing`() throws {
    #expect(try statements(Samples.receiverReport) == [])
  }

  @Test func `feedback alone in a datagram is accepted and skipped`() throws {
    #expect(try statements(Samples.feedback) == [.skipped(packetType: 205)])
    #expect(
      try statements(Samples.feedback + Samples.receiverReport + bytes("80ce0000") + Samples.goodbye) == [
        .skipped(packetType: 205), .skipped(packetType: 206), .goodbye(source: 2), .goodbye(source: 3),
      ])
  }

  @Test func `sources of a goodbye are told one by one, its reason is not`() throws {
    #expect(try statements(Samples.goodbye) == [.goodbye(source: 2), .goodbye(source: 3)])
  }

  @Test func `several chunks and items of a source description are read`() throws {
    let description = bytes("82ca 0006 00000001 0201 61 0101 62 0000 00000002 0104 63646566 0000")
    #expect(
      try statements(description) == [
        .canonicalName(source: 1, text: 13..<14), .canonicalName(source: 2, text: 22..<26),
      ])
  }

  @Test func `a chunk that ends on a word has four zeros behind it`() throws {
    let description = bytes("82ca 0006 00000001 0102 6262 00000000 00000002 0102 6363 00000000")
    #expect(
      try statements(description) == [
        .canonicalName(source: 1, text: 10..<12), .canonicalName(source: 2, text: 22..<24),
      ])
  }

  @Test(arguments: [
    ("", RTCPError.truncated), ("80c900", .truncated), ("80c90001000000", .truncated),
    ("80c90001 00000002 80ca", .truncated), ("40c90001 00000002", .unsupportedVersion(1)),
    ("a0c90001 00000000", .invalidPadding), ("a0c90001 00000005", .invalidPadding), ("a0c90000", .invalidPadding),
    ("a0c90002 00000002 00000004 80c90001 00000002", .invalidPadding),
  ])
  func `a datagram whose frame is broken is refused whole`(hex: String, error: RTCPError) {
    #expect(throws: error) { try statements(bytes(hex)) }
  }

  @Test(
    arguments: [
      ("81c90001 00000002", 201), ("80c80001 00000002", 200), ("81ca0000", 202), ("81ca0002 00000001 01ff6161", 202),
      ("82cb0001 00000001", 203), ("80c90000", 201),
    ] as [(String, UInt8)])
  func `a packet shorter than its content is skipped`(hex: String, packetType: UInt8) throws {
    #expect(try statements(bytes(hex)) == [.skipped(packetType: packetType)])
  }

  @Test func `padding at the end is no content`() throws {
    #expect(try statements(bytes("a0c90002 00000002 00000004")) == [])
  }

  private func written(
    _ packet: OutgoingRTCPPacket, reports: [ReportBlock], capacity: Int = 1200
  ) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0xEE, count: capacity)
    var span = buffer.mutableSpan
    let size = try packet.write(reports: reports.span, into: &span)
    return Array(buffer.prefix(size))
  }

  @Test func `a written sender report is byte for byte the known one`() throws {
    let packet = OutgoingRTCPPacket(source: 1, senderInfo: info, canonicalName: "john")
    #expect(try written(packet, reports: [block]) == Samples.senderReport)
  }

  @Test(arguments: 0...17)
  func `names of any length end on a word`(count: Int) throws {
    let name = String(repeating: "n", count: count)
    let packet = try written(OutgoingRTCPPacket(source: 5, canonicalName: name, goodbye: true), reports: [block])
    #expect(packet.count % 4 == 0)
    #expect(
      try statements(packet) == [
        .report(reporter: 5, block), .canonicalName(source: 5, text: 42..<42 + count), .goodbye(source: 5),
      ])
  }

  @Test func `more than thirty-one blocks and 255 bytes of name are cut`() throws {
    let packet = try written(
      OutgoingRTCPPacket(source: 5, canonicalName: String(repeating: "n", count: 300)),
      reports: Array(repeating: block, count: 40))
    let all = try statements(packet)
    #expect(all.count == 32)
    guard case .canonicalName(5, let text) = all.last else {
      Issue.record("no name")
      return
    }
    #expect(text.count == 255)
  }

  @Test(arguments: [
    (Int32(0x7F_FFFF), Int32(0x7F_FFFF)), (.max, 0x7F_FFFF), (-0x80_0000, -0x80_0000), (.min, -0x80_0000),
  ])
  func `the loss keeps within 24 bits`(lost: Int32, told: Int32) throws {
    var block = block
    block.cumulativeLost = lost
    let packet = try written(OutgoingRTCPPacket(source: 5, canonicalName: ""), reports: [block])
    guard case .report(_, let read) = try statements(packet)[0] else {
      Issue.record("no report")
      return
    }
    #expect(read.cumulativeLost == told)
    #expect(read.fractionLost == 64)
  }

  @Test func `a packet that does not fit is refused`() throws {
    let packet = OutgoingRTCPPacket(source: 1, senderInfo: info, canonicalName: "john")
    #expect(throws: RTCPError.bufferTooSmall(needed: 68)) { try written(packet, reports: [block], capacity: 67) }
  }

  @Test func `random and mutated bytes never trap`() {
    var random = SeededRandom(seed: 3)
    var accepted = 0
    for round in 0..<20_000 {
      let datagram =
        round % 4 == 0
        ? [0x81, 200] + random.bytes(Int.random(in: 0...80, using: &random))
        : random.mutated(Samples.rtcp.randomElement(using: &random)!)
      if let all = try? statements(datagram) { accepted += all.count }
    }
    #expect(accepted > 1000)
  }
}
