import FoundationEssentials
import Glibc
import SystemPackage

/// A program that is run for each message: the message on its standard input and in its environment, no shell in between.
///
/// It gets none of our secrets, and is ended when it takes too long.
struct MessageCommand {
  /// A path, or a name to be found in PATH.
  let program: String
  /// How long it may take.
  let limit: Duration

  /// From being asked to end to being killed.
  private static let grace: Duration = .seconds(2)
  private static let secrets = ["TALKBRIDGE_PASSWORD", "CREDENTIALS_DIRECTORY"]

  /// Whether there is such a program.
  static func exists(_ program: String) -> Bool {
    let folders =
      program.contains("/")
      ? [""] : (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { $0 + "/" }
    return folders.contains { access($0 + program, X_OK) == 0 }
  }

  /// Runs it to its end.
  /// - Returns: What to tell the user, where it failed.
  func run(_ line: MessageLine) async -> String? {
    guard let input = Self.unnamedFile(holding: line.json + "\n") else {
      return "the message cannot be written to a file"
    }
    defer { close(input) }
    var environment = ProcessInfo.processInfo.environment
    for name in Self.secrets { environment[name] = nil }
    environment.merge(line.environment) { _, new in new }
    switch Self.start(program, environment: environment, input: input) {
    case .failure(let error): return "\(program) cannot be run: \(String(cString: strerror(error.number)))"
    case .success(let process): return await end(of: process).map { "\(program) \($0)" }
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
    // A process group of its own, so that all that it has started ends with it; and Ctrl-C is for us.
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    let arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), nil]
    let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    var process: pid_t = 0
    let result = posix_spawnp(&process, program, &actions, &attributes, arguments, variables)
    return result == 0 ? .success(process) : .failure(SystemError(number: result))
  }

  /// Waits for the end; nil when it was a good one. Who is asked to stop meanwhile lets it finish.
  private func end(of process: pid_t) async -> String? {
    let start = ContinuousClock.now
    var status: Int32 = 0
    var pause: Duration = .milliseconds(1)
    var isEnding = false
    while waitpid(process, &status, WNOHANG) == 0 {
      // Not to be cut short: a process that nobody waits for would stay as a zombie.
      await Task.detached { [pause] in try? await Task.sleep(for: pause) }.value
      pause = min(pause * 2, .milliseconds(50))
      let time = ContinuousClock.now - start
      if time > limit, !isEnding {
        isEnding = true
        kill(-process, SIGTERM)
      }
      if time > limit + Self.grace { kill(-process, SIGKILL) }
    }
    if isEnding {
      kill(-process, SIGKILL)
      return "was ended after \(limit.components.seconds) seconds"
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
      try FileDescriptor(rawValue: file).writeAll(text.utf8)
    } catch {
      close(file)
      return nil
    }
    lseek(file, 0, SEEK_SET)
    return file
  }
}
