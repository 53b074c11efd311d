import TestSupport
import Testing

@testable import DTLSSRTP

@Suite struct SRTPSessionTests {
  private static func sessions(_ profile: SRTPProfile) throws -> SessionPair {
    let material = (0..<profile.keyingMaterialLength).map { UInt8($0) }
    return SessionPair(
      client: try SRTPSession(profile: profile, keyingMaterial: material.span, isClient: true),
      server: try SRTPSession(profile: profile, keyingMaterial: material.span, isClient: false))
  }

  private static func rtp(_ sequenceNumber: UInt16, source: UInt32 = 0x1122_3344, payload: Int = 80) -> [UInt8] {
    [0x80, 111, UInt8(sequenceNumber >> 8), UInt8(sequenceNumber & 255), 0, 0, 3, 192]
      + (0..<4).map { UInt8(truncatingIfNeeded: source >> (24 - 8 * $0)) }
      + (0..<payload).map { UInt8(truncatingIfNeeded: $0) }
  }

  /// A receiver report without blocks.
  private static let rtcp: [UInt8] = [0x80, 201, 0, 1, 0x11, 0x22, 0x33, 0x44]

  @Test(arguments: SRTPProfile.supported) func `media passes both ways unchanged`(profile: SRTPProfile) throws {
    var pair = try Self.sessions(profile)
    let packet = Self.rtp(1)
    let protected = try protect(packet, by: &pair.client)
    #expect(protected.count == packet.count + profile.tagLength)
    #expect(protected[12...].starts(with: packet[12...]) == false)
    #expect(try unprotect(protected, by: &pair.server) == packet)
    #expect(try unprotect(try protect(packet, by: &pair.server), by: &pair.client) == packet)

    let report = try protect(Self.rtcp, by: &pair.client, control: true)
    #expect(report.count == Self.rtcp.count + 4 + profile.tagLength)
    #expect(try unprotect(report, by: &pair.server, control: true) == Self.rtcp)
  }

  @Test func `GCM of both key lengths and counter mode are supported`() {
    #expect(SRTPProfile.supported == [.aeadAES128GCM, .aeadAES256GCM, .aes128CounterMode])
  }

  @Test(arguments: SRTPProfile.supported) func `a replay is refused`(profile: SRTPProfile) throws {
    var pair = try Self.sessions(profile)
    let protected = try protect(Self.rtp(1), by: &pair.client)
    _ = try unprotect(protected, by: &pair.server)
    #expect(throws: SRTPError.replayed) { try unprotect(protected, by: &pair.server) }
    let report = try protect(Self.rtcp, by: &pair.client, control: true)
    _ = try unprotect(report, by: &pair.server, control: true)
    #expect(throws: SRTPError.replayed) { try unprotect(report, by: &pair.server, control: true) }
  }

  @Test(arguments: SRTPProfile.supported) func `every flipped bit is noticed`(profile: SRTPProfile) throws {
    var pair = try Self.sessions(profile)
    // The source is known, so that state of it is there which a forgery could damage.
    _ = try unprotect(try protect(Self.rtp(1), by: &pair.client), by: &pair.server)
    let protected = try protect(Self.rtp(2, payload: 20), by: &pair.client)
    for bit in 0..<(8 * protected.count) {
      var forged = protected
      forged[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: SRTPError.self) { try unprotect(forged, by: &pair.server) }
    }
    #expect(try unprotect(protected, by: &pair.server) == Self.rtp(2, payload: 20))
  }

  @Test func `a packet under foreign keys is not authentic`() throws {
    var pair = try Self.sessions(.aeadAES128GCM)
    let protected = try protect(Self.rtp(1), by: &pair.client)
    #expect(throws: SRTPError.notAuthentic) { try unprotect(protected, by: &pair.client) }
  }

  @Test func `late packets pass within the window, and the numbers may wrap`() throws {
    var pair = try Self.sessions(.aeadAES128GCM)
    var packets: [[UInt8]] = []
    for number in 0..<2000 {
      packets.append(try protect(Self.rtp(UInt16(truncatingIfNeeded: 65000 + number)), by: &pair.client))
    }
    _ = try unprotect(packets[0], by: &pair.server)
    for number in stride(from: 999, to: 0, by: -1) { _ = try unprotect(packets[number], by: &pair.server) }
    for number in 1000..<1999 { _ = try unprotect(packets[number], by: &pair.server) }
    _ = try unprotect(packets[1999], by: &pair.server)
    #expect(throws: SRTPError.replayed) { try unprotect(packets[0], by: &pair.server) }
  }

  @Test func `the same packet may be sent again`() throws {
    var pair = try Self.sessions(.aeadAES128GCM)
    let first = try protect(Self.rtp(7), by: &pair.client)
    #expect(try protect(Self.rtp(7), by: &pair.client) == first)
  }

  @Test func `a peer cannot fill our memory with sources`() throws {
    var pair = try Self.sessions(.aeadAES128GCM)
    for source in 0..<UInt32(SRTPSession.maximumSources) {
      _ = try unprotect(try protect(Self.rtp(1, source: source), by: &pair.client), by: &pair.server)
    }
    let further = try protect(Self.rtp(1, source: 9999), by: &pair.client)
    #expect(throws: SRTPError.tooManySources) { try unprotect(further, by: &pair.server) }
    _ = try unprotect(try protect(Self.rtp(2, source: 5), by: &pair.client), by: &pair.server)
  }

  @Test func `forged sources take no place`() throws {
    var pair = try Self.sessions(.aeadAES128GCM)
    for source in 0..<1000 as Range<UInt32> {
      let forged = Self.rtp(1, source: source)
      #expect(throws: SRTPError.notAuthentic) { try unprotect(forged, by: &pair.server) }
    }
    _ = try unprotect(try protect(Self.rtp(1), by: &pair.client), by: &pair.server)
  }

  @Test func `without room for the trailer nothing is written`() throws {
    var pair = try Self.sessions(.aeadAES128GCM)
    var buffer = Self.rtp(1) + [UInt8](repeating: 0, count: SRTPSession.trailerRoom - 1)
    let before = buffer
    #expect(throws: SRTPError.noRoom) {
      var span = buffer.mutableSpan
      _ = try pair.client.protectRTP(&span, count: before.count - SRTPSession.trailerRoom + 1)
    }
    #expect(buffer == before)
  }

  @Test(arguments: SRTPProfile.supported) func `packets of any length and content are refused, not read past`(
    profile: SRTPProfile
  ) throws {
    var pair = try Self.sessions(profile)
    var random = SeededRandom(seed: 3)
    for count in 0..<200 {
      let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(throws: SRTPError.self) { try unprotect(noise, by: &pair.server) }
      #expect(throws: SRTPError.self) { try unprotect(noise, by: &pair.server, control: true) }
    }
    let packet = try protect(Self.rtp(1), by: &pair.client)
    let report = try protect(Self.rtcp, by: &pair.client, control: true)
    for _ in 0..<3000 {
      _ = try? unprotect(mutate(packet, with: &random), by: &pair.server)
      _ = try? unprotect(mutate(report, with: &random), by: &pair.server, control: true)
      _ = try? protect(mutate(Self.rtp(1), with: &random), by: &pair.client)
      _ = try? protect(mutate(Self.rtcp, with: &random), by: &pair.client, control: true)
    }
  }

  @Test func `keys that a handshake made fit together`() throws {
    var pair = try DTLSPair.connected()
    var sessions = SessionPair(client: try pair.client.makeSRTPSession(), server: try pair.server.makeSRTPSession())
    #expect(sessions.client.profile == .aeadAES128GCM)
    let packet = Self.rtp(1)
    #expect(try unprotect(try protect(packet, by: &sessions.client), by: &sessions.server) == packet)
    #expect(try unprotect(try protect(packet, by: &sessions.server), by: &sessions.client) == packet)
  }
}

private struct SessionPair: ~Copyable {
  var client: SRTPSession
  var server: SRTPSession
}

private func protect(_ packet: [UInt8], by session: inout SRTPSession, control: Bool = false) throws -> [UInt8] {
  var buffer = packet + [UInt8](repeating: 0, count: SRTPSession.trailerRoom)
  var span = buffer.mutableSpan
  let count =
    control
    ? try session.protectRTCP(&span, count: packet.count) : try session.protectRTP(&span, count: packet.count)
  return Array(buffer.prefix(count))
}

private func unprotect(_ packet: [UInt8], by session: inout SRTPSession, control: Bool = false) throws -> [UInt8] {
  var buffer = packet
  var span = buffer.mutableSpan
  let count =
    control
    ? try session.unprotectRTCP(&span, count: packet.count) : try session.unprotectRTP(&span, count: packet.count)
  return Array(buffer.prefix(count))
}
