internal import Foundation

/// Where things are in the source tree that the tests were built from.
public enum Repository {
  /// The root folder.
  public static let root: String = {
    let file: NSString = #filePath
    return [1, 2, 3].reduce(file) { path, _ in path.deletingLastPathComponent as NSString } as String
  }()

  /// A file of the test data, for example `fixture("speech.wav")`.
  public static func fixture(_ name: String) -> String { "\(root)/Tests/Fixtures/\(name)" }
}
