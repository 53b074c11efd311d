import Foundation
import GLibLoop
import Glibc
import TestSupport
import Testing

@testable import ICE

/// A UDP socket on loopback that answers as it is told, on a thread of its own, until it goes.
private final class DatagramServer: Sendable {
  let port: UInt16
  private let descriptor: Int32

  init(answer: @escaping @Sendable ([UInt8]) -> [UInt8]?) throws {
    let descriptor = try LoopbackSocket.make(SOCK_DGRAM, port: 0, bind)
    self.descriptor = descriptor
    var (name, length) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
    withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
    }
    port = withUnsafeBytes(of: name) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    let thread = Thread {
      while true {
        var (from, length) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = withUnsafeMutablePointer(to: &from) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(descriptor, &bytes, 2048, 0, $0, &length) }
        }
        guard count > 0 else { return }
        guard let reply = answer(Array(bytes.prefix(count))) else { continue }
        withUnsafePointer(to: &from) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            _ = sendto(descriptor, reply, reply.count, 0, $0, length)
          }
        }
      }
    }
    thread.start()
  }

  deinit {
    shutdown(descriptor, Int32(SHUT_RDWR))
    close(descriptor)
  }

  /// The answer to a binding request: seen from 192.0.2.1:5000.
  static func binding(_ request: [UInt8]) -> [UInt8] {
    let address: [UInt8] = [0x00, 0x01, 0x13 ^ 0x21, 0x88 ^ 0x12, 192 ^ 0x21, 0 ^ 0x12, 2 ^ 0xA4, 1 ^ 0x42]
    return [0x01, 0x01, 0, 12] + request[4..<20] + [0x00, 0x20, 0, 8] + address
  }

  /// An error in answer to any request.
  static func error(_ code: Int, _ request: [UInt8]) -> [UInt8] {
    let attribute: [UInt8] = [0x00, 0x09, 0, 4, 0, 0, UInt8(code / 100), UInt8(code % 100)]
    return [request[0] | 0x01, request[1] | 0x10, 0, 8] + request[4..<20] + attribute
  }
}

@Suite struct `Trying a STUN or TURN server` {
  private static func probe(
    _ url: String, username: String = "user", within limit: Duration = .seconds(20)
  ) async throws -> Result<ICEServerProbe.Answer, ICEServerProbe.Failure> {
    let probe = ICEServerProbe(try ICEServerURL(url), username: username, credential: "secret")
    do throws(ICEServerProbe.Failure) { return .success(try await probe.run(within: limit)) } catch {
      return .failure(error)
    }
  }

  @Test func `tells where the server sees us`() async throws {
    let server = try DatagramServer { DatagramServer.binding($0) }
    let answer = try await Self.probe("stun:127.0.0.1:\(server.port)").get()
    #expect(answer.mappedAddress == "192.0.2.1")
    #expect(answer.relayedAddress == nil)
    #expect(answer.roundTripTime > .zero)
  }

  @Test func `asks again when a datagram is lost, and passes over what is no answer`() async throws {
    let count = Locked(0)
    let server = try DatagramServer { request in
      let number = count.withLock { count in
        count += 1
        return count
      }
      return number == 1 ? nil : number == 2 ? Array("hello".utf8) : DatagramServer.binding(request)
    }
    #expect(try await Self.probe("stun:127.0.0.1:\(server.port)").get().mappedAddress == "192.0.2.1")
  }

  @Test func `a server that says nothing gives no answer`() async throws {
    let server = try DatagramServer { _ in nil }
    #expect(
      try await Self.probe("turn:127.0.0.1:\(server.port)", within: .milliseconds(700)) == .failure(.noAnswer))
  }

  @Test(arguments: ["udp", "tcp"])
  func `where nothing listens, the request is refused`(transport: String) async throws {
    #expect(try await Self.probe("turn:127.0.0.1:9?transport=\(transport)") == .failure(.refused))
  }

  @Test func `a name that nobody knows has no address`() async throws {
    #expect(try await Self.probe("stun:nobody.invalid:3478") == .failure(.nameNotFound))
  }

  @Test func `the server's error is told`() async throws {
    let server = try DatagramServer { DatagramServer.error(486, $0) }
    #expect(try await Self.probe("turn:127.0.0.1:\(server.port)") == .failure(.error(code: 486)))
  }

  @Test func `a web server is no TURN server`() async throws {
    let server = try ChildProcess(
      "python3",
      [
        "-u", "-c",
        """
        import socket
        s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])
        c, _ = s.accept(); c.recv(1000); c.sendall(b"HTTP/1.1 400 Bad Request\\r\\n\\r\\n"); c.recv(1000)
        """,
      ])
    try await eventually("the port") { server.output.contains("\n") }
    let port = server.output.dropLast()
    #expect(try await Self.probe("turn:127.0.0.1:\(port)?transport=tcp") == .failure(.protocolViolation))
  }

  @Test func `TURN over DTLS is not supported`() async throws {
    #expect(try await Self.probe("turns:127.0.0.1:5349?transport=udp") == .failure(.unsupported))
  }

  @Test func `the length of a message is told from its beginning`() {
    #expect(STUNClient.length(of: [0, 1, 0, 8]) == nil)
    #expect(STUNClient.length(of: [1, 1, 0, 12] + [UInt8](repeating: 0, count: 16)) == 32)
    #expect(STUNClient.length(of: [1, 1, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 16)) == 0)
    #expect(STUNClient.length(of: Array("HTTP/1.1 400 Bad Request".utf8)) == 0)
  }
}
