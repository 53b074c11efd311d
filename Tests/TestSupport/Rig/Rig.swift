internal import Foundation

/// The network that `deploy/rig/namespace.sh` makes, in which the tests run.
public enum Rig {
  /// Where servers listen: the tests' own side.
  public static let serverAddress = "10.77.0.1"
  /// Where programs started by `client` are.
  public static let clientAddress = "10.77.0.2"

  /// The same over IPv6, inside `withIPv6`.
  public static let serverAddressV6 = "fd00:77::1"
  private static let clientAddressV6 = "fd00:77::2"

  /// An address as URLs have it.
  static func host(_ address: String) -> String { address.contains(":") ? "[\(address)]" : address }

  /// Runs `body` while the cable carries IPv6 and nothing else.
  public static func withIPv6Alone(_ body: () async throws -> Void) async throws {
    try requireNamespace()
    let addresses = [
      (["-6", "addr"], serverAddressV6, "v0"), (["-n", "cli", "-6", "addr"], clientAddressV6, "v1"),
    ]
    func change(_ verb: String) async throws {
      for (words, address, device) in addresses {
        let flags = verb == "add" ? ["nodad"] : []
        let ip = try ChildProcess("ip", words + [verb, "\(address)/64", "dev", device] + flags)
        guard try await ip.exit() == .code(0) else { throw RigError(ip.transcript) }
      }
    }
    try await change("add")
    var failure: (any Error)?
    do {
      for direction in [Direction.input, .output] { try await drop(direction, "meta nfproto ipv4") }
      try await body()
    } catch { failure = error }
    try await heal()
    try await change("del")
    if let failure { throw failure }
  }

  /// Starts a program at the far end of the cable, as a client of the servers.
  public static func client(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
    input: ChildProcess.Stream = .standard, output: ChildProcess.Stream = .standard,
    errorOutput: ChildProcess.Stream = .standard
  ) throws -> ChildProcess {
    try requireNamespace()
    return try ChildProcess(
      "ip", ["netns", "exec", "cli", ChildProcess.executable(program)] + arguments, environment: environment,
      input: input, output: output, errorOutput: errorOutput)
  }

  /// Drops packets on one side of the cable until `heal`, on top of what is dropped already.
  ///
  /// A sender is told of what is dropped on its own way out. To lose packets unnoticed drop them on the other side's way in.
  ///
  /// - Parameters:
  ///   - direction: seen from that side.
  ///   - packets: which ones, as an nftables match: `meta l4proto udp`, `udp sport 20000-20499` (Janus's media),
  ///     `udp sport 20000-20499 numgen random mod 100 < 10` (a tenth of it).
  public static func drop(_ direction: Direction, _ packets: String, at side: Side = .clients) async throws {
    try await nft("add table inet rig", at: side)
    try await nft("add chain inet rig \(direction) { type filter hook \(direction) priority 0; }", at: side)
    try await nft("add rule inet rig \(direction) \(packets) counter drop", at: side)
  }

  /// An end of the cable.
  public enum Side: Sendable { case clients, servers }

  /// A direction of packets.
  public enum Direction: String, Sendable { case input, output }

  /// Lets all packets pass again.
  public static func heal() async throws {
    for side in [Side.clients, .servers] { try await nft("flush ruleset", at: side) }
  }

  /// Pulls the cable out of the servers' side; addresses and routes survive on both.
  public static func pullCable() async throws { try await setCable("down") }

  /// Plugs it in again.
  public static func plugCable() async throws { try await setCable("up") }

  private static func setCable(_ state: String) async throws {
    try requireNamespace()
    let ip = try ChildProcess("ip", ["link", "set", "v0", state])
    guard try await ip.exit() == .code(0) else { throw RigError(ip.transcript) }
  }

  private static func nft(_ command: String, at side: Side) async throws {
    try requireNamespace()
    let nft = side == .clients ? try client("nft", [command]) : try ChildProcess("nft", [command])
    guard try await nft.exit() == .code(0) else { throw RigError(nft.transcript) }
  }

  /// Throws unless this process is inside the network.
  public static func requireNamespace() throws {
    guard FileManager.default.fileExists(atPath: "/run/netns/cli") else {
      throw RigError("the tests of the real servers run in deploy/rig/namespace.sh; use deploy/test.sh")
    }
  }
}

/// A part of the rig does not do what it should.
public struct RigError: Error, CustomStringConvertible {
  public let description: String

  /// An error with this sentence.
  public init(_ description: String) { self.description = description }
}
