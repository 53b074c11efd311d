import TestSupport
import Testing

@testable import DTLSSRTP

@Suite struct DTLSEndpointTests {
  @Test func `both sides connect and agree on cipher, profile and certificates`() throws {
    let pair = try DTLSPair.connected()
    let (clientIdentity, serverIdentity) = try DTLSPair.identities.get()
    #expect(pair.client.state == .connected)
    #expect(pair.server.state == .connected)
    #expect(pair.client.remoteFingerprint == serverIdentity.fingerprint)
    #expect(pair.server.remoteFingerprint == clientIdentity.fingerprint)
    #expect(pair.client.cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    #expect(pair.server.cipher == pair.client.cipher)
    #expect(pair.client.srtpProfile == .aeadAES128GCM)
    #expect(pair.server.srtpProfile == .aeadAES128GCM)
    #expect(pair.client.deadline == nil)
    #expect(pair.server.deadline == nil)
  }

  @Test func `no datagram of a handshake is larger than the MTU`() throws {
    var pair = try DTLSPair(mtu: 300)
    try pair.introduce()
    pair.client.start(at: .now)
    pair.exchange()
    #expect(pair.client.state == .connected)
    #expect(pair.server.state == .connected)
    #expect(pair.sizes.allSatisfy { $0 <= 300 })
    #expect(pair.sizes.count > 4)
  }

  @Test func `records that fit share a datagram, and a large one has its own`() {
    let lengths = [100, 187, 1, 700, 30]
    let records = lengths.flatMap {
      [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, UInt8($0 >> 8), UInt8($0 & 255)] + [UInt8](repeating: 1, count: $0)
    }
    var sizes: [Int] = []
    forEachDatagram(of: records.span, mtu: 313) { sizes.append($0.count) }
    #expect(sizes == [313, 14, 713, 43])
  }

  @Test(arguments: 0..<4) func `a lost datagram is sent again`(lost: Int) async throws {
    var pair = try DTLSPair()
    try pair.introduce()
    pair.client.start(at: .now)
    pair.exchange { number, datagram in number == lost ? [] : [datagram] }
    for _ in 0..<3 where pair.client.state == .handshaking {
      try await pair.passTime()
      pair.exchange()
    }
    #expect(pair.sizes.count > 4)
    #expect(pair.client.state == .connected)
    #expect(pair.server.state == .connected)
  }

  @Test func `before its deadline an endpoint sends nothing again`() throws {
    var pair = try DTLSPair()
    let now = ContinuousClock.now
    pair.client.start(at: now)
    #expect(takeOutput(of: &pair.client).count == 1)
    let scheduled = pair.client.deadline
    let deadline = try #require(scheduled)
    #expect(deadline > now && deadline <= now + .milliseconds(50))
    pair.client.handleTimeout(at: deadline - .microseconds(1))
    #expect(takeOutput(of: &pair.client).isEmpty)
    #expect(pair.client.deadline == deadline)
  }

  @Test func `duplicated and reordered datagrams cost time, not the connection`() async throws {
    var pair = try DTLSPair(mtu: 300)
    try pair.introduce()
    pair.client.start(at: .now)
    pair.exchange(order: { flight in flight.reversed() + flight })
    for _ in 0..<3 where pair.client.state == .handshaking {
      try await pair.passTime()
      pair.exchange()
    }
    #expect(pair.server.state == .connected)
    #expect(pair.client.state == .connected)
  }

  @Test func `a certificate that signaling did not announce is refused`() throws {
    var pair = try DTLSPair()
    let (clientIdentity, serverIdentity) = try DTLSPair.identities.get()
    pair.client.expect([clientIdentity.fingerprint])
    pair.server.expect([clientIdentity.fingerprint])
    pair.client.start(at: .now)
    pair.exchange()
    #expect(pair.client.state == .failed(.fingerprintMismatch(shown: serverIdentity.fingerprint)))
    #expect(pair.server.state == .closed)
    #expect(throws: DTLSError.notConnected) { try makeAndDropSession(&pair.client) }
    #expect(throws: DTLSError.notConnected) { try send([1], from: &pair.client) }
  }

  @Test func `an empty list of announced certificates trusts nobody`() throws {
    var pair = try DTLSPair()
    pair.client.expect([])
    pair.client.start(at: .now)
    pair.exchange()
    guard case .failed(.fingerprintMismatch) = pair.client.state else {
      Issue.record("the client is \(pair.client.state)")
      return
    }
  }

  @Test func `one of several announced certificates is enough`() throws {
    var pair = try DTLSPair()
    let (clientIdentity, serverIdentity) = try DTLSPair.identities.get()
    pair.client.expect([clientIdentity.fingerprint, serverIdentity.fingerprint])
    pair.client.start(at: .now)
    pair.exchange()
    #expect(pair.client.state == .connected)
  }

  @Test func `nothing is released before the answer names the certificate`() throws {
    var pair = try DTLSPair()
    let (clientIdentity, serverIdentity) = try DTLSPair.identities.get()
    pair.client.expect([serverIdentity.fingerprint])
    pair.client.start(at: .now)
    pair.exchange()
    #expect(pair.client.state == .connected)
    #expect(pair.server.state == .handshaking)
    #expect(pair.server.remoteFingerprint == clientIdentity.fingerprint)
    try send([1, 2, 3], from: &pair.client)
    pair.exchange()
    #expect(pair.server.nextMessage() == nil)
    #expect(throws: DTLSError.notConnected) { try makeAndDropSession(&pair.server) }

    pair.server.expect([clientIdentity.fingerprint])
    #expect(pair.server.state == .connected)
    #expect(pair.server.nextMessage() == [1, 2, 3])
    #expect(pair.server.nextMessage() == nil)
  }

  @Test func `an impostor gets no data that came before the answer`() throws {
    var pair = try DTLSPair()
    let (_, serverIdentity) = try DTLSPair.identities.get()
    pair.client.expect([serverIdentity.fingerprint])
    pair.client.start(at: .now)
    pair.exchange()
    try send([1, 2, 3], from: &pair.client)
    pair.exchange()
    pair.server.expect([serverIdentity.fingerprint])
    guard case .failed(.fingerprintMismatch) = pair.server.state else {
      Issue.record("the server is \(pair.server.state)")
      return
    }
    #expect(pair.server.nextMessage() == nil)
  }

  @Test(arguments: [1, 2, 100, 1200, 5000, 16384]) func `data arrives as it was sent`(count: Int) throws {
    var pair = try DTLSPair.connected()
    let data = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    try send(data, from: &pair.client)
    try send(data, from: &pair.server)
    pair.exchange()
    #expect(pair.server.nextMessage() == data)
    #expect(pair.client.nextMessage() == data)
  }

  @Test func `data that fits into no record is refused, and the association lives on`() throws {
    var pair = try DTLSPair.connected()
    let long = [UInt8](repeating: 0, count: 16385)
    #expect(throws: DTLSError.messageTooLong(16385)) { try send(long, from: &pair.client) }
    try send([7], from: &pair.client)
    pair.exchange()
    #expect(pair.server.nextMessage() == [7])
  }

  @Test func `several messages keep their borders and order`() throws {
    var pair = try DTLSPair.connected()
    for value in 1...5 as ClosedRange<UInt8> { try send([value, value], from: &pair.client) }
    pair.exchange()
    for value in 1...5 as ClosedRange<UInt8> { #expect(pair.server.nextMessage() == [value, value]) }
  }

  @Test func `messages that nobody takes do not pile up`() throws {
    var pair = try DTLSPair.connected()
    for _ in 0..<1000 {
      try send([1], from: &pair.client)
      pair.exchange()
    }
    var count = 0
    while pair.server.nextMessage() != nil { count += 1 }
    #expect(count == 64)
  }

  @Test func `output that nobody drains does not pile up`() throws {
    var pair = try DTLSPair.connected()
    let data = [UInt8](repeating: 1, count: 1000)
    for _ in 0..<1000 { try send(data, from: &pair.client) }
    let waiting = takeOutput(of: &pair.client).reduce(0) { $0 + $1.count }
    #expect(waiting <= 256 * 1024)
  }

  @Test func `a replayed record is dropped`() throws {
    var pair = try DTLSPair.connected()
    try send([1], from: &pair.client)
    pair.exchange { [$1, $1] }
    #expect(pair.server.nextMessage() == [1])
    #expect(pair.server.nextMessage() == nil)
  }

  @Test func `a good-bye ends both sides`() throws {
    var pair = try DTLSPair.connected()
    try send([9], from: &pair.client)
    pair.client.close()
    #expect(pair.client.state == .closed)
    pair.exchange()
    #expect(pair.server.state == .closed)
    #expect(pair.server.nextMessage() == [9])
    #expect(throws: DTLSError.notConnected) { try send([1], from: &pair.server) }
  }

  @Test func `closing in the middle of a handshake leaves nothing to wait for`() throws {
    var pair = try DTLSPair()
    pair.client.start(at: .now)
    pair.client.close()
    #expect(pair.client.state == .closed)
    #expect(pair.client.deadline == nil)
  }

  @Test func `garbage before, during and after a handshake is ignored or ends it, and never traps`() throws {
    var random = SeededRandom(seed: 1)
    var completed = 0
    for _ in 0..<150 {
      var pair = try DTLSPair()
      try pair.introduce()
      let noise = (0..<Int.random(in: 1...400, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      pair.server.receive(noise.span, at: .now)
      pair.client.start(at: .now)
      var budget = 50
      pair.exchange { _, datagram in
        budget -= 1
        guard budget > 0 else { return [] }
        return [mutate(datagram, with: &random), datagram]
      }
      if pair.client.state == .connected, pair.server.state == .connected { completed += 1 }
      try? send(noise, from: &pair.client)
      pair.exchange { _, datagram in
        budget -= 1
        return budget > -50 ? [mutate(datagram, with: &random)] : []
      }
    }
    // A mutation often leaves a record that is dropped; it must not always be fatal.
    #expect(completed > 0)
  }

  @Test func `forged records do not end a connected association`() throws {
    var pair = try DTLSPair.connected()
    var random = SeededRandom(seed: 2)
    try send(Array(0..<100), from: &pair.client)
    let record = try #require(takeOutput(of: &pair.client).first)
    for _ in 0..<2000 {
      let forged = mutate(record, with: &random)
      // Appended bytes leave the record in front as it was.
      guard !forged.starts(with: record) else { continue }
      pair.server.receive(forged.span, at: .now)
    }
    #expect(pair.server.state == .connected)
    #expect(pair.server.nextMessage() == nil)
    pair.server.receive(record.span, at: .now)
    #expect(pair.server.nextMessage()?.count == 100)
  }

  @Test func `an encrypted record that is too short does not end a connected association`() throws {
    var pair = try DTLSPair.connected()
    for length in 0...40 as ClosedRange<UInt8> {
      for type in 19...25 as ClosedRange<UInt8> {
        let content = [UInt8](repeating: 7, count: Int(length))
        let record = [type, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 1, length, 0, length] + content
        pair.server.receive(record.span, at: .now)
      }
    }
    #expect(pair.server.state == .connected)
    try send([1], from: &pair.client)
    pair.exchange()
    #expect(pair.server.nextMessage() == [1])
  }

  @Test func `a forged alert in the clear does not end a connected association`() throws {
    var pair = try DTLSPair.connected()
    for description in [0, 10, 40, 80] as [UInt8] {
      let alert: [UInt8] = [21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, description]
      pair.server.receive(alert.span, at: .now)
    }
    #expect(pair.server.state == .connected)
  }

  @Test func `a flight that stays unanswered is sent again and again`() async throws {
    var pair = try DTLSPair()
    pair.client.start(at: .now)
    for _ in 0..<3 {
      #expect(takeOutput(of: &pair.client).count == 1)
      try await pair.passTime()
    }
    #expect(takeOutput(of: &pair.client).count == 1)
    #expect(pair.client.state == .handshaking)
  }

  @Test func `the wait doubles from flight to flight, up to three seconds`() {
    #expect(nextRetransmission(afterMicroseconds: 0) == 50_000)
    #expect(nextRetransmission(afterMicroseconds: 50_000) == 100_000)
    #expect(nextRetransmission(afterMicroseconds: 3_000_000) == 3_000_000)
    #expect(nextRetransmission(afterMicroseconds: .max) == 3_000_000)
  }
}

private func send(_ data: [UInt8], from endpoint: inout DTLSEndpoint) throws { try endpoint.send(data.span) }

private func makeAndDropSession(_ endpoint: inout DTLSEndpoint) throws {
  _ = try endpoint.makeSRTPSession()
}
