import FoundationEssentials
import Glibc
import SystemPackage
import TalkClient

/// A file that keeps a guest's cookies and name between commands; one command at a time has it.
///
/// Readable by its owner alone (0600), locked (flock) while in use, replaced in one step: it is whole whenever the power
/// fails, and the lock goes over to the new file before that gets the name.
final class SessionFile {
  private let path: String
  private var descriptor: Int32
  /// What was in the file; empty where it is new.
  let session: GuestSession

  /// How long to wait for another command to be done with it.
  private static let patience: Duration = .seconds(10)

  init(path: String) async throws(Failure) {
    self.path = path
    let deadline = ContinuousClock.now + Self.patience
    while true {
      let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o600)
      guard opened >= 0 else { throw Self.unusable(path, "cannot be opened: \(String(cString: strerror(errno)))") }
      if flock(opened, LOCK_EX | LOCK_NB) == 0, Self.isSameFile(opened, path) {
        descriptor = opened
        break
      }
      close(opened)
      guard ContinuousClock.now < deadline else {
        throw Self.unusable(
          path, "is in use by another command. Wait for its end, or use another file: each guest is one at a time")
      }
      try? await Task.sleep(for: .milliseconds(20))
    }
    do throws(Failure) {
      session = try Self.read(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// Replaces what is in the file.
  func write(_ session: GuestSession) throws(Failure) {
    let temporary = path + ".new"
    unlink(temporary)
    let file = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0, flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let reason = String(cString: strerror(errno))
      if file >= 0 { close(file) }
      throw Self.unusable(path, "cannot be written: \(reason)")
    }
    do {
      try FileDescriptor(rawValue: file).writeAll(JSONEncoder().encode(session))
      guard fsync(file) == 0, rename(temporary, path) == 0 else {
        throw Self.unusable(path, "cannot be written: \(String(cString: strerror(errno)))")
      }
    } catch {
      close(file)
      unlink(temporary)
      throw Self.unusable(path, "cannot be written: the disk may be full")
    }
    close(descriptor)
    descriptor = file
  }

  private static func read(_ descriptor: Int32, _ path: String) throws(Failure) -> GuestSession {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw unusable(path, "is no ordinary file")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw unusable(path, "can be read by others, and holds what lets them speak as this guest. Do: chmod 600 FILE")
    }
    guard status.st_size > 0 else { return GuestSession() }
    guard status.st_size < 1 << 20,
      let bytes = try? FileDescriptor(rawValue: descriptor).readAll(atMost: 1 << 20),
      let session = try? JSONDecoder().decode(GuestSession.self, from: Data(bytes))
    else { throw unusable(path, "is not one that this program wrote") }
    return session
  }

  private static func isSameFile(_ descriptor: Int32, _ path: String) -> Bool {
    var (opened, named) = (stat(), stat())
    guard fstat(descriptor, &opened) == 0, stat(path, &named) == 0 else { return false }
    return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
  }

  private static func unusable(_ path: String, _ reason: String) -> Failure {
    Failure("the session file \(path) \(reason).", .sessionFileUnusable, identifier: "session-file-unusable")
  }
}
