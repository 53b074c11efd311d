import Glibc

/// A certificate authority of a test's own, in a folder that goes with it.
public final class TestAuthority: Sendable {
  private let folder: String
  /// The authority's certificate, as `--ca-file` takes it.
  public let caFile: String

  public init() throws {
    var template = Array("/tmp/talkbridge-authority-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestAuthorityError(description: "no temporary folder can be made") }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    caFile = "\(folder)/ca.pem"
  }

  deinit {
    for file in ["ca.key", "ca.pem", "leaf.key", "leaf.csr", "leaf.pem"] { unlink("\(folder)/\(file)") }
    rmdir(folder)
  }

  /// Makes the authority's certificate and one for a server.
  /// - Parameters:
  ///   - names: As X.509 writes them: `DNS:localhost`, `IP:127.0.0.1`.
  ///   - days: How long it is valid from now on; negative for an expired one.
  /// - Returns: The files of the server's certificate and key.
  public func issue(_ names: [String], days: Int = 2) async throws -> (certificateFile: String, keyFile: String) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    try await openssl(
      ["req", "-x509"] + key + ["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority"])
    try await openssl(
      ["req", "-new"] + key
        + ["-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=Test server"]
        + ["-addext", "subjectAltName=\(names.joined(separator: ","))"])
    try await openssl(
      ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        + ["-copy_extensions", "copyall", "-days", "\(days)", "-out", "leaf.pem"])
    unlink("\(folder)/ca.srl")
    return ("\(folder)/leaf.pem", "\(folder)/leaf.key")
  }

  private func openssl(_ arguments: [String]) async throws {
    let process = try ChildProcess("openssl", arguments, directory: folder)
    guard try await process.exit() == .code(0) else { throw TestAuthorityError(description: process.transcript) }
  }
}

public struct TestAuthorityError: Error, CustomStringConvertible {
  public let description: String
}
