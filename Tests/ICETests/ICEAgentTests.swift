import GLibLoop
import Glibc
import TestSupport
import Testing

@testable import ICE

/// One end of a test: an agent, and what it reported.
final class Endpoint: ICEAgentDelegate {
  struct Record {
    var candidates: [String] = []
    var isGatheringDone = false
    var pair: ICESelectedPair?
    var failure: ICEFailure?
    var datagrams: [[UInt8]] = []
  }

  let agent: ICEAgent
  private let record = Locked(Record())
  private let trickle: AsyncStream<String>
  private let trickleContinuation: AsyncStream<String>.Continuation

  init(_ configuration: ICEConfiguration, on loop: GLibExecutor) throws {
    agent = try ICEAgent(configuration, on: loop)
    (trickle, trickleContinuation) = AsyncStream.makeStream()
  }

  var now: Record { record.withLock { $0 } }

  func received(_ datagram: UnsafeMutableBufferPointer<UInt8>) {
    let bytes = Array(datagram)
    record.withLock { $0.datagrams.append(bytes) }
  }

  func handle(_ event: ICEEvent) {
    switch event {
    case .localCandidate(let line):
      record.withLock { $0.candidates.append(line) }
      trickleContinuation.yield(line)
    case .gatheringDone: record.withLock { $0.isGatheringDone = true }
    case .selected(let pair): record.withLock { $0.pair = pair }
    case .failed(let failure): record.withLock { $0.failure = failure }
    }
  }

  func trickle(to other: Endpoint) async {
    for await line in trickle { await other.agent.addRemoteCandidate(line) }
  }

  func send(_ bytes: [UInt8]) async -> Bool {
    await agent.send(copying: bytes)
  }

  func close() async {
    trickleContinuation.finish()
    await agent.close()
  }
}

extension ICEAgent {
  func send(copying bytes: [UInt8]) -> Bool { bytes.withUnsafeBufferPointer { send($0) } }
}

/// Two endpoints that trickle to each other while `body` runs.
func withEndpoints(
  _ first: ICEConfiguration, _ second: ICEConfiguration, exchangesCredentials: Bool = true,
  tricklesBoth: Bool = true, _ body: (Endpoint, Endpoint) async throws -> Void
) async throws {
  let loop = GLibExecutor(name: "test-ice")
  do {
    let (caller, callee) = (try Endpoint(first, on: loop), try Endpoint(second, on: loop))
    await caller.agent.start(role: .controlling, delegate: caller)
    await callee.agent.start(role: .controlled, delegate: callee)
    let outcome = await withTaskGroup(of: Void.self, returning: Result<Void, any Error>.self) { group in
      if tricklesBoth {
        group.addTask { await caller.trickle(to: callee) }
        group.addTask { await callee.trickle(to: caller) }
      }
      if exchangesCredentials {
        await caller.agent.setRemoteCredentials(callee.agent.localCredentials)
        await callee.agent.setRemoteCredentials(caller.agent.localCredentials)
      }
      let outcome: Result<Void, any Error>
      do { outcome = .success(try await body(caller, callee)) } catch { outcome = .failure(error) }
      await caller.close()
      await callee.close()
      return outcome
    }
    try outcome.get()
  }
  loop.shutdown()
}

func loopback(_ address: String = "127.0.0.1", _ change: (inout ICEConfiguration) -> Void = { _ in })
  -> ICEConfiguration
{
  var configuration = ICEConfiguration()
  configuration.localAddresses = [address]
  change(&configuration)
  return configuration
}

@Suite struct ICEAgentTests {
  @Test(arguments: ["127.0.0.1", "::1"])
  func `two agents find each other and carry bytes both ways`(_ address: String) async throws {
    try await withEndpoints(loopback(address), loopback(address)) { caller, callee in
      try await eventually("both paths") { caller.now.pair != nil && callee.now.pair != nil }
      let pair = try #require(caller.now.pair)
      #expect(pair.local.kind == .host)
      #expect(pair.local.address == address)
      #expect(pair.remote.address == address)
      #expect(pair.relayProtocol == nil)
      #expect(await caller.send([1, 2, 3]))
      #expect(await callee.send([4, 5]))
      try await eventually("both datagrams") {
        callee.now.datagrams == [[1, 2, 3]] && caller.now.datagrams == [[4, 5]]
      }
      try await eventually("the end of gathering") { caller.now.isGatheringDone && callee.now.isGatheringDone }
    }
  }

  @Test func `candidates that come before the credentials are kept`() async throws {
    try await withEndpoints(loopback(), loopback(), exchangesCredentials: false) { caller, callee in
      try await eventually("candidates") { !caller.now.candidates.isEmpty && !callee.now.candidates.isEmpty }
      for candidate in callee.now.candidates { await caller.agent.addRemoteCandidate(candidate) }
      await caller.agent.setRemoteCredentials(callee.agent.localCredentials)
      await callee.agent.setRemoteCredentials(caller.agent.localCredentials)
      try await eventually("both paths") { caller.now.pair != nil && callee.now.pair != nil }
    }
  }

  @Test func `local ports stay in the range that was given`() async throws {
    let configuration = loopback { $0.portRange = 41000...41009 }
    try await withEndpoints(configuration, configuration) { caller, callee in
      try await eventually("candidates") { !caller.now.candidates.isEmpty && !callee.now.candidates.isEmpty }
      for line in caller.now.candidates + callee.now.candidates {
        let candidate = try #require(ICECandidate(sdp: line))
        #expect(41000...41009 ~= candidate.port)
      }
    }
  }

  @Test func `no path within the time given is a failure that names the candidates tried`() async throws {
    let impatient = loopback { $0.patience = .milliseconds(300) }
    try await withEndpoints(impatient, impatient, exchangesCredentials: false, tricklesBoth: false) { caller, callee in
      await caller.agent.setRemoteCredentials(callee.agent.localCredentials)
      await caller.agent.addRemoteCandidate("candidate:1 1 udp 2015363327 127.0.0.1 9 typ host")
      try await eventually("the failure") { caller.now.failure != nil }
      let failure = try #require(caller.now.failure)
      #expect(failure.reason == .noPath(after: .milliseconds(300)))
      #expect(failure.remoteCandidates.map(\.port).contains(9))
      #expect(failure.localCandidates.first?.address == "127.0.0.1")
      #expect(failure.description.contains("127.0.0.1:9/udp"))
      await callee.agent.exchangeCompleted()
      try await eventually("the failure of the side without candidates") { callee.now.failure != nil }
    }
  }

  @Test func `an address that is not this machine's is a failure that says so`() async throws {
    try await withEndpoints(loopback("192.0.2.77"), loopback()) { caller, _ in
      try await eventually("the failure") { caller.now.failure != nil }
      #expect(caller.now.failure?.reason == .noLocalSocket)
    }
  }

  @Test func `relayed candidates alone and no TURN server is a failure at once`() async throws {
    let configuration = loopback {
      $0.relayOnly = true
      $0.patience = .seconds(3600)
    }
    try await withEndpoints(configuration, loopback()) { caller, _ in
      try await eventually("the failure") { caller.now.failure != nil }
      #expect(caller.now.failure?.reason == .noCandidates)
      #expect(caller.now.failure?.description.contains("TURN") == true)
    }
  }

  @Test func `a local address that is a name is refused`() {
    #expect(throws: ICEConfigurationError(address: "localhost")) { try ICEAgent(loopback("localhost")) }
  }

  @Test func `useless candidates are passed over`() async throws {
    try await withEndpoints(loopback(), loopback(), exchangesCredentials: false) { caller, callee in
      await caller.agent.setRemoteCredentials(callee.agent.localCredentials)
      for line in [
        "", "a=", "candidate:", "nonsense", "candidate:1 1 tcp 1 127.0.0.1 9 typ host",
        "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype passive", "candidate:1 2 udp 1 127.0.0.1 9 typ host",
        "candidate:1 1 udp 1 5f0c9d9e-1111-2222-3333-444455556666.local 9 typ host",
        "candidate:1 1 udp 1 127.0.0.1 0 typ host", String(repeating: "candidate:1 ", count: 500),
        "candidate:1 1 udp 1 127.0.0.1 9 typ host \u{0} x",
      ] {
        await caller.agent.addRemoteCandidate(line)
      }
      for port in 1000..<1500 {
        await caller.agent.addRemoteCandidate("candidate:1 1 udp 1 127.0.0.1 \(port) typ host")
      }
      await callee.agent.setRemoteCredentials(caller.agent.localCredentials)
      try await eventually("the callee's path") { callee.now.pair != nil }
    }
  }

  @Test func `servers that cannot be used are named in the failure`() async throws {
    let configuration = loopback {
      $0.patience = .milliseconds(300)
      $0.servers = [
        ICEServer(urls: ["stun:no-such-name.invalid"]),
        ICEServer(urls: ["turn:no-such-name.invalid", "turns:x?transport=udp"], username: "u", credential: "secret"),
      ]
    }
    try await withEndpoints(configuration, loopback(), exchangesCredentials: false) { caller, _ in
      try await eventually("the end of gathering") { caller.now.isGatheringDone }
      await caller.agent.exchangeCompleted()
      try await eventually("the failure") { caller.now.failure != nil }
      let text = try #require(caller.now.failure?.description)
      #expect(text.contains("turn:no-such-name.invalid"))
      #expect(text.contains("No STUN server's name could be resolved"))
      #expect(text.contains("turns:x"))
      #expect(!text.contains("secret"))
    }
  }

  @Test func `an agent that was never started may be let go`() throws {
    _ = try ICEAgent(loopback())
  }

  @Test func `a peer that falls silent is noticed`() async throws {
    try await withEndpoints(loopback(), loopback()) { caller, callee in
      try await eventually("both paths") { caller.now.pair != nil && callee.now.pair != nil }
      await callee.close()
      try await eventually(within: .seconds(40), "the loss of consent") { caller.now.failure?.reason == .consentLost }
    }
  }
}
