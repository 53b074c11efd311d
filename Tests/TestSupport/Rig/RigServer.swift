internal import Foundation
internal import Glibc

/// A real server, started by `deploy/rig/server.sh`; it ends with this object, so write `defer { server.stop() }`.
public final class RigServer: Sendable {
  /// The folder with its configuration.
  public let directory: String
  /// The running program.
  public let process: ChildProcess
  private let logPath: String

  /// Starts a server and waits until it is ready.
  ///
  /// - Parameter isReady: looks whether it is; called every few milliseconds. A server that ends meanwhile is an error.
  init(
    _ name: String, in run: RunDirectory, environment: [String: String] = [:], isReady: (RigServer) -> Bool
  ) async throws {
    directory = run.file(name)
    logPath = run.file("\(name).log")
    process = try ChildProcess(
      "\(Repository.root)/deploy/rig/server.sh", [name, directory], environment: environment,
      output: .file(logPath), errorOutput: .file(logPath))
    do {
      try await eventually("\(name) to be ready") {
        if let exit = process.exitStatus { throw RigError("\(name) ended at once: \(exit)") }
        return isReady(self)
      }
    } catch {
      throw RigError("\(error)\n--- log of \(name)\n\(log.suffix(6000))---")
    }
  }

  /// What it has logged so far.
  public var log: String {
    String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: logPath))) ?? Data(), as: UTF8.self)
  }

  /// Kills it. (None of them has anything to lose, and Janus may take seconds to end by itself.)
  public func stop() { process.kill() }
}

/// Janus with its VideoRoom plugin: the SFU, for the signaling server.
public enum JanusServer {
  /// Starts it at the rig's address, port 8188.
  /// - Parameter address: Where clients send their media.
  public static func start(in run: RunDirectory, serving address: String = Rig.serverAddress) async throws -> RigServer
  {
    try Rig.requireNamespace()
    return try await RigServer("janus", in: run, environment: ["RIG_PUBLIC_ADDRESS": address]) { _ in
      canConnect(to: 8188)
    }
  }
}

/// The standalone signaling server ("high-performance backend").
public enum SignalingServer {
  /// What clients get as `server` of the signaling settings.
  public static let url = url(at: Rig.serverAddress)
  /// The same where clients are served at another address.
  public static func url(at address: String) -> String { "http://\(Rig.host(address)):8081/" }
  /// The secret that it shares with Nextcloud.
  public static let backendSecret = "rig-backend-secret"
  /// The secret with which internal clients say hello.
  public static let internalSecret = "rig-internal-secret"

  /// Starts it; Janus must be up. Once the first client says hello it asks the Nextcloud at port 8080 of `address`, where
  /// clients find it too, below `path`.
  public static func start(
    in run: RunDirectory, serving address: String = Rig.serverAddress, below path: String = ""
  ) async throws -> RigServer {
    try Rig.requireNamespace()
    let environment = ["RIG_PUBLIC_ADDRESS": address, "RIG_BACKEND": "http://\(Rig.host(address)):8080\(path)"]
    return try await RigServer("signaling", in: run, environment: environment) { _ in
      answer(from: 8081, to: "GET /api/v1/welcome HTTP/1.0\r\n\r\n").contains("mcu")
    }
  }
}

/// A TURN and STUN server: UDP and TCP on port 3478, and TLS on 5349.
public struct CoturnServer: Sendable {
  /// The running server; its log tells which sessions and peers it had.
  public let server: RigServer
  /// Who vouches for the certificate that it shows on the TLS port.
  public let authority: TestAuthority

  /// The shared secret from which time-limited credentials are made.
  public static let secret = "rig-turn-secret"

  /// How a client speaks to it.
  public enum Transport: String, CaseIterable, Sendable {
    case udp, tcp, tls
    /// The URL that makes a client use this transport, as signaling settings carry it.
    public var url: String {
      switch self {
      case .udp, .tcp: "turn:\(Rig.serverAddress):3478?transport=\(rawValue)"
      case .tls: "turns:\(Rig.serverAddress):5349?transport=tcp"
      }
    }
  }

  /// Makes a certificate and starts the server.
  public static func start(in run: RunDirectory) async throws -> CoturnServer {
    try Rig.requireNamespace()
    let authority = try TestAuthority()
    let (certificate, key) = try await authority.issue(["IP:\(Rig.serverAddress)", "DNS:turn.rig"])
    let server = try await RigServer(
      "coturn", in: run, environment: ["RIG_CERTIFICATE": certificate, "RIG_KEY": key]
    ) { _ in answersSTUN(port: 3478) && canConnect(to: 5349) }
    return CoturnServer(server: server, authority: authority)
  }

  /// A user name and password that the server accepts until `expiry` (seconds since 1970).
  public static func credentials(expiry: Int) async throws -> (username: String, password: String) {
    let username = "\(expiry):rig"
    let openssl = try ChildProcess("openssl", ["dgst", "-sha1", "-hmac", secret, "-binary"], input: .pipe)
    try openssl.write(Array(username.utf8))
    openssl.closeInput()
    guard try await openssl.exit() == .code(0) else { throw RigError("no credentials: \(openssl.transcript)") }
    return (username, Data(openssl.outputBytes).base64EncodedString())
  }
}
