internal import Foundation
internal import Glibc

/// A folder for what one test run writes; it goes away with this object.
///
/// Where the environment names a folder in `RIG_LOGS` (deploy/test.sh does, to show the servers' logs of a failed run), it
/// is made there and stays.
public final class RunDirectory: Sendable {
  /// Its path, without a slash at the end.
  public let path: String
  private let stays: Bool

  /// Makes the folder, with the name of the calling function in its name.
  public init(_ name: String = #function) throws {
    let logs = ProcessInfo.processInfo.environment["RIG_LOGS"]
    let base = logs ?? FileManager.default.temporaryDirectory.path
    // Short: the path of a socket in it must stay below 108 bytes.
    let words = name.split { !$0.isLetter && !$0.isNumber }.joined(separator: "-").prefix(40)
    path = "\(base)/\(words)-\(UUID().uuidString.prefix(8))"
    stays = logs != nil
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    if !stays { try? FileManager.default.removeItem(atPath: path) }
  }

  /// The path of a file in this folder.
  public func file(_ name: String) -> String { "\(path)/\(name)" }
}
