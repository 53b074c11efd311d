internal import Foundation

/// A self-signed TLS certificate (P-256), which is also the CA file that vouches for it; made by the `openssl` program.
public struct Certificate: Sendable {
  /// The PEM file of the certificate: a server's chain, a client's CA file.
  public let certificatePath: String
  /// The PEM file of its private key.
  public let keyPath: String

  /// Makes one as `PATH.crt` and `PATH.key`, valid for the given IP addresses and DNS names.
  public static func make(
    at path: String, addresses: [String], names: [String] = []
  ) async throws -> Certificate {
    let certificate = Certificate(certificatePath: path + ".crt", keyPath: path + ".key")
    let alternatives = addresses.map { "IP:\($0)" } + names.map { "DNS:\($0)" }
    let openssl = try ChildProcess(
      "openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
        "-subj", "/CN=rig", "-addext", "subjectAltName=\(alternatives.joined(separator: ","))",
        "-keyout", certificate.keyPath, "-out", certificate.certificatePath,
      ])
    guard try await openssl.exit() == .code(0) else { throw RigError("no certificate: \(openssl.transcript)") }
    return certificate
  }
}
