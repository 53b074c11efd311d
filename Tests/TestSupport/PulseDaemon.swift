internal import Foundation
internal import GLibLoop
internal import Glibc

/// A PulseAudio daemon of a test's own, with null sinks, on a socket of its own; it ends with this object.
///
/// Works for root too and needs nothing of the rig but the program: `pulseaudio` from PATH or from what
/// `deploy/packages.sh test` has unpacked.
public final class PulseDaemon: Sendable {
  private let directory: RunDirectory
  private let modules: [String]
  private let process: Locked<ChildProcess?>

  /// Starts the daemon and waits until it answers.
  /// - Parameters:
  ///   - sinks: Null sinks, 48 kHz mono; the first is the default. Each has a monitor, the source `NAME.monitor`.
  ///   - modules: Further modules with their arguments.
  public init(sinks: [String] = ["speaker", "microphone"], modules: [String] = []) async throws {
    directory = try RunDirectory("pulse")
    self.modules =
      sinks.map { "module-null-sink sink_name=\($0) rate=48000 channels=1 format=s16le norewinds=1" } + modules
    process = Locked(nil)
    try await start()
  }

  /// A daemon like a machine with a headset: the sinks `speaker` and `microphone`, and a source `capture` that carries what
  /// is played on `microphone` (browsers do not see monitors).
  public static func headset() async throws -> PulseDaemon {
    try await PulseDaemon(modules: ["module-remap-source master=microphone.monitor source_name=capture"])
  }

  deinit { process.withLock { $0 }?.kill() }

  /// What clients of `headset` need in their environment: this daemon, and its devices as their defaults.
  public var environment: [String: String] {
    ["PULSE_SERVER": server, "PULSE_SINK": "speaker", "PULSE_SOURCE": "capture"]
  }

  /// Its address, as clients and `PULSE_SERVER` name it.
  public var server: String { "unix:\(directory.path)/pulse.socket" }

  /// Starts it again after `stop`, on the same socket.
  public func start() async throws {
    let unpacked = Repository.root + "/.build-rig/bin/pulseaudio"
    let program = access(unpacked, X_OK) == 0 ? unpacked : "pulseaudio"
    let options = [
      "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no", "--realtime=no",
      "--high-priority=no", "--log-target=stderr",
      "-L", "module-native-protocol-unix socket=\(directory.path)/pulse.socket auth-anonymous=1",
    ]
    let child = try ChildProcess(
      program, options + modules.flatMap { ["-L", $0] },
      environment: ["HOME": directory.path, "XDG_RUNTIME_DIR": directory.path, "DBUS_SESSION_BUS_ADDRESS": "none:"])
    process.withLock { $0 = child }
    try await eventually("PulseAudio to answer") {
      if let exit = child.exitStatus { throw ChildProcess.SpawnError(description: "\(exit): \(child.transcript)") }
      return try await control("info").contains("Default Sink")
    }
  }

  /// Kills it: its clients are cut off.
  public func stop() async throws {
    guard let child = process.withLock({ $0 }) else { return }
    child.kill()
    _ = try await child.exit()
    unlink("\(directory.path)/pulse.socket")
  }

  /// Asks something of the daemon, or orders it, in the words of `pactl`.
  /// - Returns: What `pactl` prints; nothing if it fails.
  @discardableResult
  public func control(_ words: String...) async throws -> String {
    let child = try ChildProcess("pactl", ["-s", server] + words, environment: ["HOME": directory.path])
    return try await child.exit() == .code(0) ? child.output : ""
  }
}
