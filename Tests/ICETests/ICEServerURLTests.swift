import Testing

@testable import ICE

@Suite struct ICEServerURLTests {
  @Test(arguments: [
    ("stun:stun.example.org", ICEServerURL.Scheme.stun, "stun.example.org", 3478, ICEServerURL.Transport.udp),
    ("stun:stun.example.org:443", .stun, "stun.example.org", 443, .udp),
    ("stuns:stun.example.org", .stuns, "stun.example.org", 5349, .tcp),
    ("turn:192.0.2.1:3479?transport=udp", .turn, "192.0.2.1", 3479, .udp),
    ("turn:turn.example.org?transport=tcp", .turn, "turn.example.org", 3478, .tcp),
    ("turns:turn.example.org:443?transport=tcp", .turns, "turn.example.org", 443, .tcp),
    ("turns:turn.example.org", .turns, "turn.example.org", 5349, .tcp),
    ("turns:turn.example.org?transport=udp", .turns, "turn.example.org", 5349, .udp),
    ("turn:[2001:db8::1]", .turn, "2001:db8::1", 3478, .udp),
    ("turns:[::1]:443?transport=tcp", .turns, "::1", 443, .tcp),
    ("TURN:turn.example.org?TRANSPORT=TCP", .turn, "turn.example.org", 3478, .tcp),
    ("turn:turn.example.org?ttl=5&transport=tcp", .turn, "turn.example.org", 3478, .tcp),
  ])
  func `an address is taken apart`(
    _ text: String, _ scheme: ICEServerURL.Scheme, _ host: String, _ port: UInt16, _ transport: ICEServerURL.Transport
  ) throws {
    let url = try ICEServerURL(text)
    #expect(url.scheme == scheme)
    #expect(url.host == host)
    #expect(url.port == port)
    #expect(url.transport == transport)
    #expect(try ICEServerURL(url.description) == url)
  }

  @Test(arguments: [
    "", ":", "http://example.org", "stun:", "turn::3478", "stun:host:0", "stun:host:65536", "stun:host:",
    "stun:host:+5",
    "turn:user@host", "turn://host", "turn:[2001:db8::1", "turn:[host]:5", "turn:[::1]x", "turn:host?transport=sctp",
    "turn:host?transport", "turn:ho st", "turn:2001:db8::1", "turn:host:٣",
  ])
  func `what is no address is refused with its reason`(_ text: String) {
    #expect(throws: ICEServerURLError.self) { try ICEServerURL(text) }
  }
}

@Suite struct ServerPlanTests {
  @Test func `servers we cannot use are named and the others kept in order`() {
    let plan = ServerPlan(
      [
        ICEServer(urls: ["stun:a", "stuns:b", "stun:c", "stun:a"]),
        ICEServer(urls: ["turn:d?transport=udp", "turns:e?transport=udp", "nonsense"], username: "u", credential: "p"),
        ICEServer(urls: ["turns:f?transport=tcp"], username: "u", credential: "p"),
      ], relayOnly: false)
    #expect(plan.stun.map(\.host) == ["a", "c"])
    #expect(plan.relays.map(\.url.host) == ["d", "f"])
    #expect(plan.problems.count == 3)
    #expect(plan.problems[0].contains("stuns:b"))
    #expect(plan.problems[1].contains("turns:e"))
    #expect(plan.problems[2].contains("nonsense"))
    #expect(!plan.problems.joined().contains("\"p\""))
  }

  @Test func `relay only asks no STUN server`() {
    #expect(ServerPlan([ICEServer(urls: ["stun:a"])], relayOnly: true).stun.isEmpty)
  }

  @Test func `no more TURN servers are used than libnice can take`() {
    let plan = ServerPlan([ICEServer(urls: (0..<12).map { "turn:host\($0)" })], relayOnly: false)
    #expect(plan.relays.count == 8)
    #expect(plan.problems.count == 4)
  }
}

@Suite struct ICECandidateTests {
  @Test func `a candidate line is read`() {
    let line =
      "candidate:842163049 1 udp 1677729535 203.0.113.5 51000 typ srflx raddr 10.0.0.2 rport 51000 generation 0"
    let expected = ICECandidate(kind: .srflx, address: "203.0.113.5", port: 51000)
    #expect(ICECandidate(sdp: line) == expected)
    #expect(ICECandidate(sdp: "a=" + line) == expected)
    #expect(expected.description == "srflx 203.0.113.5:51000/udp")
    #expect(ICECandidate(kind: .host, address: "2001:db8::1", port: 9).description == "host [2001:db8::1]:9/udp")
  }

  @Test func `relay only hides the address behind a relayed candidate`() {
    let line = "candidate:2 1 UDP 337642495 192.0.2.1 21231 typ relay raddr 10.0.0.2 rport 50614"
    #expect(
      ICEAgent.withoutRelatedAddress(line)
        == "candidate:2 1 UDP 337642495 192.0.2.1 21231 typ relay raddr 0.0.0.0 rport 9")
  }

  @Test(arguments: [
    "", "candidate:", "candidate:1 1 udp 1 10.0.0.1 5", "candidate:1 1 udp 1 10.0.0.1 70000 typ host",
    "candidate:1 x udp 1 10.0.0.1 5 typ host", "candidate:1 1 sctp 1 10.0.0.1 5 typ host",
    "candidate:1 1 udp 1 10.0.0.1 5 typ moon", "candidate:1 1 udp 99999999999 10.0.0.1 5 typ host",
    "candidate:1 1 udp 1 10.0.0.1 5 typ host raddr", "candidate:1 1 udp 1 10.0.0.1 5 typ host\r\na=x b",
  ])
  func `a malformed candidate line is none`(_ line: String) {
    #expect(ICECandidate(sdp: line) == nil)
  }
}
