import Audio
import Foundation
import TalkRoom
import TestSupport

/// What a real installation has: Janus, the signaling server, optionally a TURN server, with the embedded room's OCS side
/// as their Nextcloud. Clients are at the far end of the rig's cable.
struct RealInstallation {
  static let token = "systemtest"

  let run: RunDirectory
  let room: EmbeddedRoom
  let coturn: CoturnServer?
  /// The conversation's address.
  let url: String
  private let servers: [RigServer]

  /// Starts all of it, and stops it when `body` is done.
  /// - Parameter relay: With a TURN server, offered to clients over these transports only.
  static func with(
    relay: [CoturnServer.Transport] = [], _ name: String = #function,
    _ body: (RealInstallation) async throws -> Void
  ) async throws {
    let installation = try await start(relay: relay, in: try RunDirectory(name))
    do { try await body(installation) } catch {
      await installation.stop()
      throw error
    }
    await installation.stop()
  }

  private static func start(
    relay: [CoturnServer.Transport], in run: RunDirectory
  ) async throws -> RealInstallation {
    let janus = try await JanusServer.start(in: run)
    let signaling = try await SignalingServer.start(in: run)
    let coturn = relay.isEmpty ? nil : try await CoturnServer.start(in: run)
    var options = EmbeddedRoom.Options()
    options.address = Rig.serverAddress
    options.port = 8080
    options.externalSignaling = .init(url: SignalingServer.url, secret: SignalingServer.backendSecret)
    if coturn != nil { options.turnServers = [.init(urls: relay.map(\.url), secret: CoturnServer.secret)] }
    let room = EmbeddedRoom(options, conversations: [HostedConversation(token: token, name: "System test")])
    let base = try await room.start()
    return RealInstallation(
      run: run, room: room, coturn: coturn, url: "\(base)/call/\(token)", servers: [janus, signaling])
  }

  private func stop() async {
    await room.stop()
    coturn?.server.stop()
    for server in servers { server.stop() }
  }

  /// A talkbridge at the far end of the cable.
  func talkbridge(
    _ command: String, _ arguments: [String], environment: [String: String] = [:],
    input: ChildProcess.Stream = .standard, output: ChildProcess.Stream = .standard
  ) throws -> ChildProcess {
    try Rig.client("talkbridge", [command, url] + arguments, environment: environment, input: input, output: output)
  }

  /// One that speaks with this voice until it is stopped.
  func speaker(_ voice: SyntheticVoice, name: String, _ arguments: [String] = []) throws -> ChildProcess {
    let path = run.file("\(voice.rawValue).wav")
    if !FileManager.default.fileExists(atPath: path) {
      try WaveFile.write(Self.speech(of: voice, seconds: 10), to: path)
    }
    return try talkbridge(
      "join", ["--name", name, "--input", path, "--loop", "--output", "none"] + arguments)
  }

  /// Waits until exactly these are in the call.
  func awaitCall(of names: String...) async throws {
    try await eventually("\(names) in the call") { await room.namesInCall(Self.token) == names.sorted() }
  }

  static func speech(of voice: SyntheticVoice, seconds: Int) -> [Float] {
    var signal = SpeechLikeSignal(voice: voice)
    var samples = [Float](repeating: 0, count: seconds * PCM.sampleRate)
    var span = samples.mutableSpan
    signal.render(into: &span)
    return samples
  }

  /// The synthetic voices that can be heard in a WAV file.
  static func voices(in path: String) throws -> Set<SyntheticVoice> {
    voices(in: try WaveFile.read(path))
  }

  static func voices(in samples: [Float]) -> Set<SyntheticVoice> {
    var detector = VoiceDetector()
    detector.process(samples.span)
    return detector.voices()
  }
}
