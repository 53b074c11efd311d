import Glibc
import SystemPackage

/// Passwords in files.
enum SecretFile {
  /// Why there is no password. It never says what is in the file.
  struct Unreadable: Error, CustomStringConvertible {
    var description: String
  }

  private static let longest = 4096

  /// The first line of a file, of a pipe or of `/dev/stdin`, without its end.
  static func read(_ path: String) throws(Unreadable) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Unreadable(description: "\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    guard let content = try? FileDescriptor(rawValue: descriptor).readAll(atMost: longest + 1) else {
      throw Unreadable(description: "\(path) cannot be read")
    }
    let line = content.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard line.count <= longest, let text = String(validating: line, as: UTF8.self) else {
      throw Unreadable(description: "\(path) holds no password")
    }
    guard !text.isEmpty else { throw Unreadable(description: "the first line of \(path) is empty") }
    return text
  }
}
