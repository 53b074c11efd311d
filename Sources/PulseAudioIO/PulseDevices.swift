public import GLibLoop

/// A sink (what plays) or a source (what captures) of a PulseAudio server.
public struct PulseDevice: Sendable, Equatable {
  /// Whether it does anything now.
  public enum State: String, Sendable {
    case running, idle, suspended, unknown
  }

  /// What to ask for it by.
  public let name: String
  /// What people know it as.
  public let description: String
  /// Whether it is used where none is named.
  public let isDefault: Bool
  /// Whether it is a source that gives what a sink plays.
  public let isMonitor: Bool
  public let state: State
}

/// The devices of a PulseAudio server.
public struct PulseDevices: Sendable, Equatable {
  public let sinks: [PulseDevice]
  public let sources: [PulseDevice]

  /// Asks the server.
  /// - Parameter server: In libpulse's notation (`unix:/path`, `tcp:host`); nil for the user's own.
  /// - Throws: `noServer` or `failed`.
  public static func list(
    server: String? = nil, on loop: GLibExecutor = .audio
  ) async throws(PulseError) -> PulseDevices {
    try await Inquiry(server: server, on: loop).devices()
  }
}

/// One connection, for one question.
private actor Inquiry {
  nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
  private let server: String?

  init(server: String?, on loop: GLibExecutor) {
    self.server = server
    self.loop = loop
  }

  func devices() async throws(PulseError) -> PulseDevices {
    let client = PulseClient(on: loop)
    defer { client.close() }
    try await client.connect(to: server)
    return try await client.devices()
  }
}
