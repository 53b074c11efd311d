import Foundation
import Glibc

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
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var content = Data()
    do {
      while content.count <= longest, let more = try file.read(upToCount: longest), !more.isEmpty { content += more }
    } catch { throw Unreadable(description: "\(path) cannot be read") }
    let line = content.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard line.count <= longest, let text = String(validating: line, as: UTF8.self) else {
      throw Unreadable(description: "\(path) holds no password")
    }
    guard !text.isEmpty else { throw Unreadable(description: "the first line of \(path) is empty") }
    return text
  }
}
