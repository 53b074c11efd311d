import GLibLoop
import TestSupport
import Testing

@testable import DataChannel

@Suite struct SCTPAssociationTests {
  @Test func `both sides connect at once`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair()
      pair.exchange()
      #expect(pair.clientEvents == [.connected])
      #expect(pair.serverEvents == [.connected])
      pair.close()
    }
  }

  @Test func `channels opened by either side are announced and agreed upon`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      #expect(try pair.client.openChannel(label: "status") == 0)
      #expect(try pair.server.openChannel(label: "JanusDataChannel", subprotocol: "ö") == 1)
      #expect(try pair.client.openChannel(label: "") == 2)
      pair.exchange()
      let status = SCTPAssociation.Event.channelOpened(id: 0, label: "status", subprotocol: "")
      let janus = SCTPAssociation.Event.channelOpened(id: 1, label: "JanusDataChannel", subprotocol: "ö")
      let unnamed = SCTPAssociation.Event.channelOpened(id: 2, label: "", subprotocol: "")
      #expect(pair.clientEvents.count == 3 && [status, janus, unnamed].allSatisfy(pair.clientEvents.contains))
      #expect(pair.serverEvents.count == 3 && [status, janus, unnamed].allSatisfy(pair.serverEvents.contains))
      pair.close()
    }
  }

  @Test func `text and bytes pass both ways, empty ones as well`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      let channel = try pair.client.openChannel(label: "status")
      pair.exchange()
      pair.forgetEvents()
      for association in [pair.client, pair.server] {
        try association.send(text: "{\"type\":\"speaking\"}", on: channel)
        try association.send(binary: [0, 1, 255], on: channel)
        try association.send(text: "", on: channel)
        try association.send(binary: [], on: channel)
        try association.send(text: "Grüße 🎧", on: channel)
      }
      pair.exchange()
      let expected: [SCTPAssociation.Event] = [
        .text("{\"type\":\"speaking\"}", channel: channel), .binary([0, 1, 255], channel: channel),
        .text("", channel: channel), .binary([], channel: channel), .text("Grüße 🎧", channel: channel),
      ]
      #expect(pair.serverEvents == expected)
      #expect(pair.clientEvents == expected)
      pair.close()
    }
  }

  @Test func `what is sent before the association is there arrives later, in order`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair()
      let channel = try pair.client.openChannel(label: "early")
      try pair.client.send(text: "one", on: channel)
      try pair.client.send(text: "two", on: channel)
      pair.exchange()
      #expect(
        pair.serverEvents == [
          .connected, .channelOpened(id: channel, label: "early", subprotocol: ""), .text("one", channel: channel),
          .text("two", channel: channel),
        ])
      pair.close()
    }
  }

  @Test(arguments: [1, 1132, 1160, 5000, 60_000, 262_144])
  func `a message of any length arrives whole`(count: Int) async throws {
    let pair = try await OnNetworkLoop { try AssociationPair.connected() }
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try await pair.visit { pair in
      pair.client.remoteMaximumMessageLength = SCTPAssociation.maximumMessageLength
      let channel = try pair.client.openChannel(label: "bulk")
      try pair.client.send(binary: bytes, on: channel)
    }
    try await pair.exchange(until: "the message") { $0.serverEvents.count == 2 }
    try await pair.visit { pair in
      let arrived = pair.serverEvents.last == .binary(bytes, channel: 0)
      #expect(arrived)
      #expect(pair.longestPacket <= SCTPAssociation.maximumPacketLength)
      pair.close()
    }
  }

  @Test func `a message that the peer does not take is refused`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      let channel = try pair.client.openChannel(label: "bulk")
      #expect(throws: DataChannelError.messageTooLong(65537)) {
        try pair.client.send(binary: [UInt8](repeating: 0, count: 65537), on: channel)
      }
      pair.close()
    }
  }

  @Test(arguments: 1...8) func `lost packets are sent again`(seed: UInt64) async throws {
    let pair = try await OnNetworkLoop {
      var random = SeededRandom(seed: seed)
      return try AssociationPair { Int.random(in: 0..<10, using: &random) < 2 ? [] : [$0] }
    }
    let texts = (0..<20).map { "message \($0)" }
    try await pair.visit { pair in
      let channel = try pair.client.openChannel(label: "lossy")
      for text in texts { try pair.client.send(text: text, on: channel) }
    }
    try await pair.exchange(until: "all messages") { $0.serverEvents.count == 2 + texts.count }
    try await pair.visit { pair in
      #expect(pair.serverEvents.dropFirst(2) == texts.map { .text($0, channel: 0) }[...])
      pair.close()
    }
  }

  @Test func `a peer that comes late is reached`() async throws {
    let pair = try await OnNetworkLoop { try AssociationPair { _ in [] } }
    try await pair.visit { pair in
      try pair.client.send(text: "at last", on: try pair.client.openChannel(label: "patient"))
      var initiations = 0
      pair.transit = { packet in
        initiations += 1
        return initiations < 24 ? [] : [packet]
      }
    }
    try await pair.exchange(until: "the message") { $0.serverEvents.last == .text("at last", channel: 0) }
    try await pair.visit { $0.close() }
  }

  @Test func `packets in the wrong order and twice make no difference`() async throws {
    let pair = try await OnNetworkLoop { try AssociationPair.connected() }
    let bytes = (0..<30_000).map { UInt8(truncatingIfNeeded: $0) }
    try await pair.visit { pair in
      var random = SeededRandom(seed: 1)
      var held: [UInt8]?
      pair.transit = { packet in
        if let before = held {
          held = nil
          return [packet, before, before]
        }
        let isLate = Int.random(in: 0..<3, using: &random) == 0
        if isLate { held = packet }
        return isLate ? [] : [packet]
      }
      let channel = try pair.client.openChannel(label: "bulk")
      try pair.client.send(binary: bytes, on: channel)
    }
    try await pair.exchange(until: "the message") { $0.serverEvents.count == 2 }
    try await pair.visit { pair in
      let arrived = pair.serverEvents.last == .binary(bytes, channel: 0)
      #expect(arrived)
      pair.close()
    }
  }

  @Test func `a closed channel is closed on both sides, after its last words`() async throws {
    let pair = try await OnNetworkLoop { try AssociationPair.connected() }
    try await pair.visit { pair in
      let channel = try pair.client.openChannel(label: "short")
      try pair.client.send(text: "last words", on: channel)
      pair.client.closeChannel(channel)
      #expect(throws: DataChannelError.unknownChannel(channel)) { try pair.client.send(text: "?", on: channel) }
    }
    try await pair.exchange(until: "the close") { $0.serverEvents.count == 3 }
    try await pair.visit { pair in
      #expect(pair.serverEvents.dropFirst() == [.text("last words", channel: 0), .channelClosed(id: 0)])
      #expect(throws: DataChannelError.unknownChannel(0)) { try pair.server.send(text: "?", on: 0) }
      pair.forgetEvents()
      // The association lives on, and gives the next channel another number.
      try pair.client.send(text: "hello", on: try pair.client.openChannel(label: "next"))
    }
    try await pair.exchange(until: "the next channel") { $0.serverEvents.count == 2 }
    try await pair.visit { pair in
      #expect(
        pair.serverEvents == [.channelOpened(id: 2, label: "next", subprotocol: ""), .text("hello", channel: 2)])
      pair.close()
    }
  }

  @Test func `closing tells the peer`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      let channel = try pair.client.openChannel(label: "status")
      pair.client.close()
      pair.exchange()
      #expect(pair.serverEvents.last == .closed)
      #expect(throws: DataChannelError.closed) { try pair.client.send(text: "?", on: channel) }
      #expect(throws: DataChannelError.closed) { try pair.server.openChannel(label: "?") }
      pair.client.receive([UInt8](repeating: 0, count: 40).span)
      #expect(takePackets(of: pair.client).isEmpty)
      #expect(takePackets(of: pair.server).isEmpty)
    }
  }

  @Test func `a peer that is gone is noticed`() async throws {
    let pair = try await OnNetworkLoop { try AssociationPair.connected(attempts: 5) }
    try await pair.visit { pair in
      pair.transit = { _ in [] }
      let channel = try pair.client.openChannel(label: "status")
      try pair.client.send(text: "anybody there?", on: channel)
    }
    try await pair.exchange(until: "the end") { $0.clientEvents == [.closed] }
    try await pair.visit { $0.close() }
  }

  @Test func `a peer that never comes is noticed`() async throws {
    let pair = try await OnNetworkLoop { try AssociationPair(attempts: 5) { _ in [] } }
    try await pair.exchange(until: "the end") { $0.clientEvents == [.closed] && $0.serverEvents == [.closed] }
  }

  @Test func `more than the network takes is refused, not kept`() async throws {
    let pair = try await OnNetworkLoop { try AssociationPair.connected() }
    let accepted = try await pair.visit { pair in
      let channel = try pair.client.openChannel(label: "bulk")
      let bytes = [UInt8](repeating: 1, count: 60_000)
      var accepted = 0
      #expect(throws: DataChannelError.backlogFull) {
        for _ in 0..<1000 {
          try pair.client.send(binary: bytes, on: channel)
          accepted += 1
        }
      }
      return accepted
    }
    #expect(accepted < 40)
    try await pair.exchange(until: "what was accepted") { $0.serverEvents.count == 1 + accepted }
    try await pair.visit { $0.close() }
  }

  @Test func `streams and names are bounded`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      for _ in 0..<128 { _ = try pair.server.openChannel(label: "many") }
      #expect(throws: DataChannelError.tooManyChannels) { try pair.server.openChannel(label: "many") }
      #expect(throws: DataChannelError.nameTooLong(2000)) {
        try pair.client.openChannel(label: String(repeating: "x", count: 2000))
      }
      pair.close()
    }
  }

  @Test func `messages that nobody takes do not pile up`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      let channel = try pair.client.openChannel(label: "flood")
      for _ in 0..<3000 {
        try pair.client.send(text: "x", on: channel)
        for packet in takePackets(of: pair.client) { pair.server.receive(packet.span) }
        for packet in takePackets(of: pair.server) { pair.client.receive(packet.span) }
      }
      #expect(pair.server.droppedMessages > 0)
      #expect(takeEvents(of: pair.server).count == SCTPAssociation.maximumWaitingEvents)
      pair.close()
    }
  }

  @Test func `garbage is dropped`() async throws {
    try await onNetworkLoop {
      let pair = try AssociationPair.connected()
      var random = SeededRandom(seed: 1)
      for count in 0..<1000 {
        let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        pair.server.receive(noise.span)
        if count > 12 { pair.server.receive(withChecksum(noise).span) }
      }
      let channel = try pair.client.openChannel(label: "alive")
      try pair.client.send(text: "yes", on: channel)
      pair.exchange()
      #expect(pair.serverEvents.last == .text("yes", channel: channel))
      pair.close()
    }
  }

  @Test(arguments: 0..<8) func `mutated packets with a right checksum never trap`(seed: UInt64) async throws {
    for index in 0..<20 as Range<UInt64> {
      let pair = try await OnNetworkLoop {
        var random = SeededRandom(seed: seed << 8 | index)
        var budget = 300
        let pair = try AssociationPair { packet in
          budget -= 1
          guard budget > 0 else { return [] }
          let mutant = mutate(packet, with: &random)
          return Bool.random(using: &random) ? [mutant] : [packet, mutant]
        }
        let channel = try pair.client.openChannel(label: "fuzz")
        let answer = try pair.server.openChannel(label: "fuzz")
        for length in [1, 10, 3000, 9000] {
          try pair.client.send(binary: [UInt8](repeating: 1, count: length), on: channel)
          try pair.server.send(binary: [UInt8](repeating: 2, count: length), on: answer)
        }
        return pair
      }
      for round in 0..<5 {
        try await pair.visit { pair in
          pair.passTime()
          if round == 2 { pair.client.closeChannel(0) }
        }
        try await Task.sleep(for: .milliseconds(5))
      }
      try await pair.visit { $0.close() }
    }
  }

  @Test func `many associations come and go`() async throws {
    try await onNetworkLoop {
      for round in 0..<300 {
        let pair = try AssociationPair()
        let channel = try pair.client.openChannel(label: "brief")
        if round % 3 > 0 { pair.exchange() }
        try? pair.client.send(text: "hello", on: channel)
        if round % 3 > 1 { pair.exchange() }
        // Some are closed, some are just let go, some on one side only.
        if round % 2 == 0 { pair.client.close() }
        if round % 5 == 0 { pair.server.close() }
        SCTPStack.tick()
      }
    }
  }

  @Test func `the passing of time wakes the owner, on the network loop`() async throws {
    let wakes = Locked(0)
    let association = try await OnNetworkLoop {
      let association = try SCTPAssociation(isDTLSClient: true) {
        #expect(GLibExecutor.network.isCurrent)
        wakes.withLock { $0 += 1 }
      }
      // The first INIT is lost; nobody answers.
      #expect(takePackets(of: association).count == 1)
      return association
    }
    try await eventually("a second INIT") { wakes.withLock { $0 } > 0 }
    try await association.visit { association in
      #expect(!takePackets(of: association).isEmpty)
      association.close()
    }
  }
}
