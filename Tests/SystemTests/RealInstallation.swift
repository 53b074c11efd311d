import Audio
import Foundation
import TalkRoom
import TestSupport

/// What a real installation has: Janus, the signaling server, optionally a TURN server, with the embedded room's OCS side
/// as their Nextcloud. Clients are at the far end of the rig's cable.
final class RealInstallation {
  static let token = "systemtest"
  /// What a recording server would share with Nextcloud.
  static let recordingSecret = "rig-recording-secret"

  let run: RunDirectory
  /// Where clients are served.
  let address: String
  /// Where Nextcloud is below its host.
  private let path: String
  let room: EmbeddedRoom
  let coturn: CoturnServer?
  /// The installation's address.
  let base: String
  /// The conversation's address.
  let url: String
  private(set) var janus: RigServer
  private(set) var signaling: RigServer

  /// Starts all of it, and stops it when `body` is done.
  /// - Parameters:
  ///   - relay: With a TURN server, offered to clients over these transports only.
  ///   - conversations: Further ones.
  ///   - address: Where clients are served.
  ///   - path: Where Nextcloud is below its host, like `/nextcloud`.
  ///   - change: What is wrong with it.
  static func with(
    relay: [CoturnServer.Transport] = [], conversations: [HostedConversation] = [],
    at address: String = Rig.serverAddress, path: String = "", _ name: String = #function,
    _ change: (inout EmbeddedRoom.Options) -> Void = { _ in }, _ body: (RealInstallation) async throws -> Void
  ) async throws {
    let installation = try await RealInstallation(
      relay: relay, conversations: conversations, at: address, path: path, change, in: try RunDirectory(name))
    do { try await body(installation) } catch {
      await installation.stop()
      throw error
    }
    await installation.stop()
  }

  private init(
    relay: [CoturnServer.Transport], conversations: [HostedConversation], at address: String, path: String,
    _ change: (inout EmbeddedRoom.Options) -> Void, in run: RunDirectory
  ) async throws {
    self.run = run
    self.address = address
    self.path = path
    janus = try await JanusServer.start(in: run, serving: address)
    signaling = try await SignalingServer.start(in: run, serving: address, below: path)
    coturn = relay.isEmpty ? nil : try await CoturnServer.start(in: run)
    var options = EmbeddedRoom.Options()
    options.address = address
    options.port = 8080
    options.installation.path = path
    options.recordingSecret = Self.recordingSecret
    options.externalSignaling = .init(url: SignalingServer.url(at: address), secret: SignalingServer.backendSecret)
    if coturn != nil { options.turnServers = [.init(urls: relay.map(\.url), secret: CoturnServer.secret)] }
    change(&options)
    room = EmbeddedRoom(
      options, conversations: [HostedConversation(token: Self.token, name: "System test")] + conversations)
    base = try await room.start()
    url = "\(base)/call/\(Self.token)"
  }

  private func stop() async {
    await room.stop()
    for server in [signaling, janus, coturn?.server] { server?.stop() }
  }

  /// Kills Janus and starts it again: all media is gone, and nobody is told.
  func restartJanus() async throws {
    janus.stop()
    janus = try await JanusServer.start(in: run, serving: address)
  }

  /// Kills the signaling server and starts it again `pause` later: it remembers nobody.
  func restartSignaling(after pause: Duration = .zero) async throws {
    signaling.stop()
    try await Task.sleep(for: pause)
    signaling = try await SignalingServer.start(in: run, serving: address, below: path)
  }

  /// Stops the signaling server for good.
  func stopSignaling() { signaling.stop() }

  // MARK: Who takes part

  /// A talkbridge at the far end of the cable, with events on its standard output.
  func talkbridge(
    _ command: String, _ arguments: [String], environment: [String: String] = [:],
    input: ChildProcess.Stream = .standard
  ) throws -> ChildProcess {
    try Rig.client("talkbridge", [command, url, "--json"] + arguments, environment: environment, input: input)
  }

  /// One that speaks with this voice until it is stopped; it writes what it hears if `output` is a file.
  func speaker(
    _ voice: SyntheticVoice, name: String, output: String = "none", _ arguments: [String] = []
  ) throws -> ChildProcess {
    try talkbridge(
      "join", ["--name", name, "--input", try speech(of: voice), "--loop", "--output", output] + arguments)
  }

  /// One that records to `path` until it is stopped.
  func recorder(_ path: String, _ arguments: [String] = []) throws -> ChildProcess {
    try talkbridge("record", ["--name", "Recorder", "--output", path] + arguments)
  }

  /// Waits until exactly these are in the call.
  func awaitCall(of names: String...) async throws {
    try await eventually("\(names) in the call") { await room.namesInCall(Self.token) == names.sorted() }
  }

  // MARK: Voices

  /// A WAV file in which the voice speaks for ten seconds.
  func speech(of voice: SyntheticVoice) throws -> String {
    let path = run.file("\(voice.rawValue) speaks.wav")
    if !FileManager.default.fileExists(atPath: path) {
      var signal = SpeechLikeSignal(voice: voice)
      var samples = [Float](repeating: 0, count: 10 * PCM.sampleRate)
      var span = samples.mutableSpan
      signal.render(into: &span)
      try WaveFile.write(samples, to: path)
    }
    return path
  }

  /// The synthetic voices that can be heard in a WAV file.
  static func voices(in path: String) throws -> Set<SyntheticVoice> { voices(in: try WaveFile.read(path)) }

  static func voices(in samples: some Collection<Float>) -> Set<SyntheticVoice> {
    var detector = VoiceDetector()
    detector.process(Array(samples).span)
    return detector.voices()
  }

  /// Waits until a recording that is being made has these voices, and no other, in three seconds in a row, all of them
  /// spoken after now.
  static func awaitVoices(
    _ expected: Set<SyntheticVoice>, in path: String, within limit: Duration = .seconds(40)
  ) async throws {
    // Before it begins, everything is to come; afterwards, what was said before now is recorded up to 0.6 s later.
    let before = (try? WaveFile.read(path, isGrowing: true)).map { $0.count + PCM.sampleRate * 6 / 10 } ?? 0
    let window = 3 * PCM.sampleRate
    var heard: Set<SyntheticVoice>?
    do {
      try await eventually(within: limit, every: .milliseconds(400), "\(expected.map(\.rawValue)) in \(path)") {
        guard let samples = try? WaveFile.read(path, isGrowing: true), samples.count >= before + window else {
          return false
        }
        heard = voices(in: samples.suffix(window))
        return heard == expected
      }
    } catch {
      throw RigError("\(error); heard last: \(heard?.map(\.rawValue).description ?? "nothing new")")
    }
  }
}

/// A line of what `--json` prints, as far as tests look at it.
struct LoggedEvent: Decodable {
  let event: String
  let time: String
  let participant: String?
  let name: String?
  let message: String?
  let phase: String?
  let outcome: String?
  let reason: String?
  let error: String?
  let muted: Bool?
  let outputs: [Output]?
  let participants: [Statistics]?

  var date: Date? { try? Date(time, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }

  /// How much was recorded when there is one output.
  var recordedSamples: Int? {
    outputs?.first.map { Int(($0.renderedSeconds * Double(PCM.sampleRate)).rounded()) }
  }

  struct Output: Decodable {
    let renderedSeconds: Double
  }

  struct Statistics: Decodable {
    let name: String?
    let packetsReceived: Int?
    let concealedSamples: Int?
  }
}

extension ChildProcess {
  /// The events that a talkbridge has printed so far, those of once a second excepted.
  var events: [LoggedEvent] {
    output.split(separator: "\n").compactMap { line in
      guard !line.contains(#""event":"statistics""#) else { return nil }
      return try? JSONDecoder().decode(LoggedEvent.self, from: Data(line.utf8))
    }
  }

  /// Those of a name.
  func events(_ name: String) -> [LoggedEvent] { events.filter { $0.event == name } }

  /// The sessions of whom a packet has come.
  var heard: Set<String> { Set(events("heard").compactMap(\.participant)) }

  /// Waits until it has printed such an event.
  @discardableResult
  func event(
    _ name: String, within limit: Duration = .seconds(30), where matches: (LoggedEvent) -> Bool = { _ in true }
  ) async throws -> LoggedEvent {
    var found: LoggedEvent?
    do {
      try await eventually(within: limit, every: .milliseconds(20), "“\(name)”") {
        found = events.first { $0.event == name && matches($0) }
        if found == nil, let exitStatus { throw RigError("it ended: \(exitStatus)") }
        return found != nil
      }
    } catch { throw RigError("\(error)\n\(story)") }
    return found!
  }

  /// All that a talkbridge has told but its statistics, for the message of a failing test.
  var story: String {
    let events = output.split(separator: "\n").filter { !$0.contains(#""event":"statistics""#) }
    return "--- \(commandLine)\n\(events.joined(separator: "\n"))\n\(errorOutput)---"
  }

  /// Asks a talkbridge to leave and expects that it does so in order.
  func leave() async throws {
    guard try await terminate(grace: .seconds(15)) == .code(0) else { throw RigError(story) }
  }
}
