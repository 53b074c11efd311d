internal import Foundation

/// The network that `deploy/rig/namespace.sh` makes, in which the tests run.
public enum Rig {
  /// Where servers listen: the tests' own side.
  public static let serverAddress = "10.77.0.1"
  /// Where programs started by `client` are.
  public static let clientAddress = "10.77.0.2"

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
