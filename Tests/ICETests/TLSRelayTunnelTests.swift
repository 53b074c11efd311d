import GLibLoop
import Glibc
import TestSupport
import Testing

@testable import ICE

/// `openssl s_server`, which answers each line with its reverse.
private final class TLSLineServer {
  private let process: ChildProcess
  let port: UInt16

  init(_ certificate: (certificateFile: String, keyFile: String)) async throws {
    let process = try ChildProcess(
      "openssl",
      ["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert", certificate.certificateFile, "-key", certificate.keyFile])
    self.process = process
    func announcedPort() -> UInt16? {
      guard let line = process.output.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT ") }),
        let port = line.split(separator: ":").last
      else { return nil }
      return UInt16(port)
    }
    try await eventually("the server's port") { announcedPort() != nil }
    port = announcedPort()!
  }
}

/// Connects to a local port, sends a line and returns what comes back until its line ends or the other side closes.
private func ask(_ port: UInt16, _ line: String) async throws -> String {
  guard let descriptor = try? LoopbackSocket.make(SOCK_STREAM, port: port, connect) else { return "" }
  defer { close(descriptor) }
  let text = Array((line + "\n").utf8)
  send(descriptor, text, text.count, Int32(MSG_NOSIGNAL))
  var answer: [UInt8] = []
  try await eventually("an answer or the end") {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    guard count > 0 else { return count == 0 || errno != EAGAIN }
    answer += bytes.prefix(count)
    return answer.last == UInt8(ascii: "\n")
  }
  return String(decoding: answer.dropLast(), as: UTF8.self)
}

private func expectAnswer(
  _ tunnel: TLSRelayTunnel, to line: String, _ expected: String, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  let answer = try await ask(tunnel.port, line)
  #expect(answer == expected, sourceLocation: sourceLocation)
}

private func withTunnel(
  host: String = "127.0.0.1", names: [String] = ["IP:127.0.0.1"], trusts: TestAuthority? = nil,
  _ body: (TLSRelayTunnel) async throws -> Void
) async throws {
  let authority = try TestAuthority()
  let server = try await TLSLineServer(authority.issue(names))
  let loop = GLibExecutor(name: "test-tunnel")
  do {
    let tunnel = try TLSRelayTunnel(
      to: ICEServerURL("turns:\(host):\(server.port)"), certificateAuthorityFile: (trusts ?? authority).caFile,
      overIPv4: true, on: loop)
    await tunnel.serve()
    do { try await body(tunnel) } catch {
      await tunnel.close()
      throw error
    }
    await tunnel.close()
  }
  loop.shutdown()
}

@Suite struct TLSRelayTunnelTests {
  @Test func `bytes go through TLS and back, on several connections`() async throws {
    try await withTunnel { tunnel in
      #expect(tunnel.address == "127.0.0.1")
      try await expectAnswer(tunnel, to: "abc", "cba")
      try await expectAnswer(tunnel, to: "xyz", "zyx")
      #expect(await tunnel.problem == nil)
    }
  }

  @Test func `a server of an authority we do not trust is refused and the reason kept`() async throws {
    let other = try TestAuthority()
    _ = try await other.issue(["DNS:localhost"])
    try await withTunnel(trusts: other) { tunnel in
      try await expectAnswer(tunnel, to: "abc", "")
      try await eventually("the reason") { await tunnel.problem?.contains("not signed by an authority") == true }
    }
  }

  @Test func `a certificate for another host is refused`() async throws {
    try await withTunnel(host: "localhost", names: ["DNS:elsewhere.example"]) { tunnel in
      try await expectAnswer(tunnel, to: "abc", "")
      try await eventually("the reason") { await tunnel.problem?.contains("is not for localhost") == true }
    }
  }

  @Test func `other programs of this machine are not let through`() async throws {
    try await withTunnel { tunnel in
      let stranger = try ChildProcess(
        "bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(tunnel.port); echo abc >&3; cat <&3"])
      try await stranger.exit()
      #expect(stranger.output.isEmpty)
      try await expectAnswer(tunnel, to: "abc", "cba")
    }
  }
}
