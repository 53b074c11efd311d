import FoundationEssentials
import Glibc
import SystemPackage

/// The app passwords that `talkbridge login` has got, in a file that only its owner can read.
struct AccountStore {
  struct Entry: Codable, Equatable {
    /// The installation's address, without a trailing slash.
    var server: String
    var user: String
    var appPassword: String
  }

  let path: String

  /// - Parameter environment: `XDG_CONFIG_HOME` or else `HOME` says where.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    let configured = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    path = (configured ?? (environment["HOME"] ?? "") + "/.config") + "/talkbridge/accounts.json"
  }

  /// What is stored; nothing where there is no file.
  func accounts() throws(Failure) -> [Entry] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return [] }
      throw failure(String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & 0o077 == 0 else {
      throw failure("others can read it. Run: chmod 600 '\(path)', and make new app passwords, for these may be known")
    }
    guard let content = try? FileDescriptor(rawValue: descriptor).readAll(atMost: 1 << 20),
      let entries = try? JSONDecoder().decode([Entry].self, from: Data(content))
    else {
      throw failure("it is damaged. Remove it and run talkbridge login again")
    }
    return entries
  }

  /// Stores an account, in place of that of the same user at the same server.
  func add(_ entry: Entry) throws(Failure) {
    try write(accounts().filter { $0.server != entry.server || $0.user != entry.user } + [entry])
  }

  func remove(_ entry: Entry) throws(Failure) { try write(accounts().filter { $0 != entry }) }

  /// All or nothing: a new file takes the place of the old one.
  private func write(_ entries: [Entry]) throws(Failure) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let new = path + ".new-\(getpid())"
    let directory = FilePath(path).removingLastComponent().string
    do {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let content = try encoder.encode(entries) + Data("\n".utf8)
      let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
      defer { close(descriptor) }
      try FileDescriptor(rawValue: descriptor).writeAll(content)
      guard fsync(descriptor) == 0, rename(new, path) == 0 else { throw failure(String(cString: strerror(errno))) }
    } catch {
      unlink(new)
      throw error as? Failure ?? failure((error as? Errno)?.description ?? "the folder \(directory) cannot be made")
    }
  }

  private func failure(_ reason: String) -> Failure {
    Failure("The stored accounts in \(path) cannot be used: \(reason).", .loginRefused, identifier: "accounts-unusable")
  }
}
