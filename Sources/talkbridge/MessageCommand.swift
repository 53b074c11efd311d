import Foundation
import Glibc

/// A program that is run for each message: the message on its standard input and in its environment, no shell in between.
struct MessageCommand {
  /// A path, or a name to be found in PATH.
  let program: String

  /// Runs it to its end.
  /// - Returns: What to tell the user, where it failed.
  func run(_ line: MessageLine) async -> String? {
    guard let input = Self.unnamedFile(holding: line.json + "\n") else {
      return "the message cannot be written to a file"
    }
    defer { close(input) }
    var environment = ProcessInfo.processInfo.environment
    // What opens accounts is not for others.
    environment["TALKBRIDGE_PASSWORD"] = nil
    environment.merge(line.environment) { _, new in new }
    switch Self.start(program, environment: environment, input: input) {
    case .failure(let error): return "\(program) cannot be run: \(String(cString: strerror(error.number)))"
    case .success(let process): return await Self.end(of: process).map { "\(program) \($0)" }
    }
  }

  private struct SystemError: Error { let number: Int32 }

  private static func start(
    _ program: String, environment: [String: String], input: Int32
  ) -> Result<pid_t, SystemError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    // We ignore SIGPIPE; a program expects that it does not.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    let arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), nil]
    let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    var process: pid_t = 0
    let result = posix_spawnp(&process, program, &actions, &attributes, arguments, variables)
    return result == 0 ? .success(process) : .failure(SystemError(number: result))
  }

  /// Waits for the end; nil when it was a good one.
  private static func end(of process: pid_t) async -> String? {
    var status: Int32 = 0
    var pause: Duration = .milliseconds(1)
    // Its end is looked for until it is seen, also when nobody waits for us any more.
    while waitpid(process, &status, WNOHANG) == 0 {
      try? await Task.sleep(for: pause)
      if Task.isCancelled { usleep(1000) }
      pause = min(pause * 2, .milliseconds(50))
    }
    let signal = status & 0x7f
    if signal != 0 { return "was ended by signal \(signal)" }
    let code = (status >> 8) & 0xff
    return code == 0 ? nil : "ended with status \(code)"
  }

  private static func unnamedFile(holding text: String) -> Int32? {
    let path = FileManager.default.temporaryDirectory.path + "/talkbridge-\(UUID().uuidString)"
    let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { return nil }
    unlink(path)
    do {
      try FileHandle(fileDescriptor: file, closeOnDealloc: false).write(contentsOf: Data(text.utf8))
    } catch {
      close(file)
      return nil
    }
    lseek(file, 0, SEEK_SET)
    return file
  }
}
