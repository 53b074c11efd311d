internal import Foundation
internal import GLibLoop
internal import Glibc

/// A program that a test has started, with what it prints caught in files.
///
/// It runs in a process group of its own, with default signal dispositions and none of our descriptors. The group is
/// killed when this object goes away and, at the latest, when the test process exits; what the program leaves behind of it
/// is killed when its end is seen.
///
///     let child = try ChildProcess("talkbridge", ["devices"])
///     #expect(try await child.exit() == .code(0))
///     #expect(child.output.contains("sink"))
public final class ChildProcess: Sendable {
  /// How a program ended.
  public enum Exit: Equatable, Sendable {
    /// It returned this status.
    case code(Int32)
    /// This signal killed it.
    case signal(Int32)
  }

  /// What a standard stream of the child is connected to.
  public enum Stream: Sendable {
    /// For input: nothing to read. For output: caught in a file, to be read at any time as `output` or `errorOutput`.
    case standard
    /// A pipe whose other end is `inputDescriptor` or `outputDescriptor`.
    case pipe
    /// A descriptor of the test's own (a terminal, a socket); the child gets a copy.
    case descriptor(Int32)
    /// The file at this path: read from its start, or written at its end. Both outputs may share one.
    case file(String)
  }

  /// The program could not be started.
  public struct SpawnError: Error, CustomStringConvertible {
    public let description: String
  }

  /// The program and its arguments, as in a shell's trace; for messages.
  public let commandLine: String
  /// Its process id, which is also the id of its process group.
  public let processIdentifier: Int32
  /// Our end of the pipe to its standard input; -1 unless `.pipe` was asked for.
  public let inputDescriptor: Int32
  /// Our end of the pipe from its standard output; -1 unless `.pipe` was asked for.
  public let outputDescriptor: Int32

  private struct State {
    var exit: Exit?
    var openDescriptors: Set<Int32>
  }

  private let state: Locked<State>
  private let capturedOutput: CapturedFile
  private let capturedErrors: CapturedFile

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: a path, a name that is looked up in PATH, or the name of an executable of this package.
  ///   - environment: what to set beside the test's own environment; an empty value removes the variable.
  ///   - directory: the working directory; the test's own unless given.
  ///   - errorOutput: `.standard` catches standard error apart from standard output.
  public init(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
    input: Stream = .standard, output: Stream = .standard, errorOutput: Stream = .standard
  ) throws {
    let path = directory == nil ? Self.executable(program) : "env"
    let words = directory.map { ["env", "-C", $0, Self.executable(program)] } ?? [program]
    commandLine = ([program] + arguments).joined(separator: " ")
    capturedOutput = try CapturedFile()
    capturedErrors = try CapturedFile()
    // One start at a time: a child started meanwhile would inherit this one's pipes and hold them open.
    startLock.lock()
    defer { startLock.unlock() }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var childEnds: [Int32] = []
    defer { for descriptor in childEnds { Glibc.close(descriptor) } }

    /// Connects one of the child's descriptors and returns our end of a pipe, or -1.
    func connect(_ stream: Stream, to target: Int32, captured: CapturedFile?) throws -> Int32 {
      let reads = target == STDIN_FILENO
      switch stream {
      case .standard:
        if let captured {
          posix_spawn_file_actions_adddup2(&actions, captured.descriptor, target)
        } else {
          posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDONLY, 0)
        }
      case .pipe:
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw SpawnError(description: "pipe: \(lastError())") }
        posix_spawn_file_actions_adddup2(&actions, reads ? ends[0] : ends[1], target)
        childEnds.append(reads ? ends[0] : ends[1])
        let own = reads ? ends[1] : ends[0]
        _ = fcntl(own, F_SETFD, FD_CLOEXEC)
        return own
      case .descriptor(let descriptor):
        posix_spawn_file_actions_adddup2(&actions, descriptor, target)
      case .file(let path):
        posix_spawn_file_actions_addopen(
          &actions, target, path, reads ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND, 0o644)
      }
      return -1
    }
    inputDescriptor = try connect(input, to: STDIN_FILENO, captured: nil)
    outputDescriptor = try connect(output, to: STDOUT_FILENO, captured: capturedOutput)
    _ = try connect(errorOutput, to: STDERR_FILENO, captured: capturedErrors)
    // glibc's `addclosefrom_np` is hidden from Swift; closing one that is gone by then does no harm.
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    for descriptor in open.compactMap({ Int32($0) }) where descriptor > 2 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    state = Locked(State(exit: nil, openDescriptors: Set([inputDescriptor, outputDescriptor].filter { $0 >= 0 })))

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

    let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    var argumentPointers = (words + arguments).map { strdup($0) } + [nil]
    var environmentPointers = variables.filter { !$1.isEmpty }.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
    var identifier: pid_t = 0
    let status = posix_spawnp(&identifier, path, &actions, &attributes, &argumentPointers, &environmentPointers)
    processIdentifier = identifier
    guard status == 0 else {
      state.withLock { $0.exit = .code(127) }  // There is nothing that deinit might kill.
      throw SpawnError(description: "cannot start \(path): \(String(cString: strerror(status)))")
    }
    RunningChildren.insert(identifier)
  }

  deinit {
    kill()
    for descriptor in state.withLock({ $0.openDescriptors }) { Glibc.close(descriptor) }
  }

  /// What the program has written to standard output so far, if that is caught.
  public var outputBytes: [UInt8] { capturedOutput.bytes() }
  /// `outputBytes` as text.
  public var output: String { String(decoding: capturedOutput.bytes(), as: UTF8.self) }
  /// What the program has written to standard error so far, if that is caught.
  public var errorOutput: String { String(decoding: capturedErrors.bytes(), as: UTF8.self) }

  /// How the program ended; nil while it runs.
  public var exitStatus: Exit? {
    state.withLock { state in
      if state.exit != nil { return state.exit }
      var status: Int32 = 0
      var ended = siginfo_t()
      waitid(P_PID, id_t(processIdentifier), &ended, WEXITED | WNOHANG | WNOWAIT)
      guard ended.si_signo == SIGCHLD else { return nil }
      // While the leader is unreaped its id, and so the group's, cannot belong to anybody else.
      killpg(processIdentifier, SIGKILL)
      RunningChildren.remove(processIdentifier)
      guard waitpid(processIdentifier, &status, WNOHANG) == processIdentifier else { return nil }
      let signal = status & 0x7f
      state.exit = signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal)
      return state.exit
    }
  }

  /// Waits until the program has ended, and throws with what it printed when it does not within `limit`.
  @discardableResult
  public func exit(within limit: Duration = .seconds(60)) async throws -> Exit {
    do {
      try await eventually(within: limit, "the end of \(commandLine)") { exitStatus != nil }
    } catch let error as DeadlineExceeded {
      throw DeadlineExceeded(description: "\(error.description)\n\(transcript)")
    }
    return exitStatus!
  }

  /// Sends a signal to the program (not to its children) unless it has ended.
  public func send(_ signal: Int32) {
    if exitStatus == nil { Glibc.kill(processIdentifier, signal) }
  }

  /// Asks the program to end with SIGTERM and kills it when it has not within `grace`; returns how it ended.
  @discardableResult
  public func terminate(grace: Duration = .seconds(5)) async throws -> Exit {
    send(SIGTERM)
    if let exit = try? await exit(within: grace) { return exit }
    kill()
    return try await exit(within: .seconds(10))
  }

  /// Kills the program and everything of its process group, and takes its exit status.
  public func kill() {
    state.withLock { if $0.exit == nil { killpg(processIdentifier, SIGKILL) } }
    while exitStatus == nil { usleep(1000) }
  }

  /// Writes to the program's standard input, which must be `.pipe`; blocks while the pipe is full.
  public func write(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(inputDescriptor, $0.baseAddress! + sent, bytes.count - sent) }
      guard count > 0 || errno == EINTR else { throw SpawnError(description: "write: \(lastError())") }
      sent += max(0, count)
    }
  }

  /// Ends the program's standard input.
  public func closeInput() { close(own: inputDescriptor) }

  /// Closes our end of the program's standard output: it has no reader any more.
  public func closeOutput() { close(own: outputDescriptor) }

  /// What the program has printed so far, for the message of a failing test.
  public var transcript: String {
    "--- \(commandLine)\n\(output.suffix(4000))--- standard error\n\(errorOutput.suffix(8000))---"
  }

  private func close(own descriptor: Int32) {
    if state.withLock({ $0.openDescriptors.remove(descriptor) != nil }) { Glibc.close(descriptor) }
  }

  /// The path of an executable of this package if there is one of this name, else the name itself, for PATH to resolve.
  public static func executable(_ program: String) -> String {
    guard !program.contains("/") else { return program }
    let beside = builtProducts + "/" + program
    return access(beside, X_OK) == 0 ? beside : program
  }

  /// The folder that holds this test program and the executables built with it.
  public static let builtProducts: String = {
    let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (path as NSString).deletingLastPathComponent
  }()
}

private let startLock = NSLock()

private func lastError() -> String { String(cString: strerror(errno)) }

/// A file without a name that a child writes and the test reads.
private final class CapturedFile: Sendable {
  let descriptor: Int32

  init() throws {
    let path = FileManager.default.temporaryDirectory.path + "/child-\(UUID().uuidString)"
    descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0o600)
    guard descriptor >= 0 else { throw ChildProcess.SpawnError(description: "\(path): \(lastError())") }
    unlink(path)
  }

  deinit { close(descriptor) }

  func bytes() -> [UInt8] {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    return [UInt8](unsafeUninitializedCapacity: max(0, size)) { buffer, count in
      while count < size {
        let read = pread(descriptor, buffer.baseAddress! + count, size - count, off_t(count))
        guard read > 0 else { break }
        count += read
      }
    }
  }
}

/// The process groups to kill when the test process exits.
private enum RunningChildren {
  private static let identifiers: Locked<Set<pid_t>> = {
    atexit { RunningChildren.killAll() }
    return Locked([])
  }()

  static func insert(_ identifier: pid_t) { identifiers.withLock { _ = $0.insert(identifier) } }
  static func remove(_ identifier: pid_t) { identifiers.withLock { _ = $0.remove(identifier) } }
  private static func killAll() {
    for identifier in identifiers.withLock({ $0 }) { killpg(identifier, SIGKILL) }
  }
}
