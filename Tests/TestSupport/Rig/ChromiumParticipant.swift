internal import Foundation
internal import GLibLoop

/// A headless Chromium at the far end of the rig's cable that takes part in a Talk call as a browser does: it runs the page
/// Tests/Fixtures/chromium, which speaks Nextcloud's and the signaling server's protocols by itself.
///
/// It needs about a second until its first message and a gigabyte of memory. It leaves without a word when this object goes
/// away, unless `leavesAfter` is given.
public final class ChromiumParticipant: Sendable {
  /// Something that happened in the page.
  public struct Event: Decodable, Sendable {
    /// What: entered, name, subscribing, listening, connection, path, status, message, left, ended, gone, refused, failed,
    /// muted, unmuted, closed.
    public let event: String
    /// Whom it concerns: a signaling session id. (`from` of status, message and listening, `to` of subscribing.)
    public var peer: String? { peerId ?? from ?? to ?? id }
    /// Of `name`: the participant's display name.
    public let name: String?
    /// Of `status` (over the data channel) and `message` (over signaling): audioOn, audioOff, nickChanged, mute, …
    public let type: String?
    /// Of `connection`: connecting, connected, disconnected, failed, closed.
    public let state: String?
    /// Of `path`: the type of the local candidate that the connection uses; host, srflx or relay.
    public let local: String?
    /// Of `path` with a relayed local candidate: udp, tcp or tls.
    public let relayProtocol: String?
    /// Of `refused`, `failed` and `closed`.
    public let reason: String?

    private let peerId: String?
    private let from: String?
    private let to: String?
    private let id: String?
    fileprivate let samples: String?

    private enum CodingKeys: String, CodingKey {
      case event, name, type, state, local, relayProtocol, reason, from, to, id, samples
      case peerId = "peer"
    }
  }

  private let pageServer: ChildProcess
  private let process: ChildProcess
  private let logPath: String
  private let journal = Locked(Journal())

  /// Starts a browser that joins at once.
  ///
  /// - Parameters:
  ///   - base: the Nextcloud's base URL, without a slash at the end.
  ///   - token: the conversation's.
  ///   - name: its display name.
  ///   - microphone: the WAV file (48 kHz mono) that it speaks, again and again; nil to only listen (call flags 1), unless
  ///     there are devices.
  ///   - devices: speak from and play on these instead, and tell nothing of what is heard.
  ///   - speaks: with devices, whether to use the microphone.
  ///   - video: publish a (fake) camera too.
  ///   - mutes: stop sending sound, and go on with it, so long after having entered the call.
  ///   - relayOnly: use TURN or nothing. A `turns:` server's certificate is not verified.
  ///   - leavesAfter: leave the call properly, this long after having entered it.
  public init(
    base: String = "http://\(Rig.serverAddress):8080", token: String, name: String, microphone: String? = nil,
    devices: PulseDaemon? = nil, speaks: Bool = true, video: Bool = false, mutes: (from: Duration, to: Duration)? = nil,
    relayOnly: Bool = false,
    leavesAfter: Duration? = nil, in run: RunDirectory
  ) async throws {
    try Rig.requireNamespace()
    // The page comes from the same host as Nextcloud, so that its cookies are sent; the port does not matter for that.
    pageServer = try ChildProcess(
      "python3",
      [
        "-u", "-m", "http.server", "--bind", Rig.serverAddress, "--directory", Repository.fixture("chromium"), "0",
      ])
    logPath = run.file("chromium \(name).log")
    let port = try await Self.port(of: pageServer)
    var page = URLComponents(string: "http://\(Rig.serverAddress):\(port)/")!
    page.queryItems = [
      URLQueryItem(name: "base", value: base), URLQueryItem(name: "token", value: token),
      URLQueryItem(name: "name", value: name), URLQueryItem(name: "relay", value: relayOnly ? "1" : "0"),
      URLQueryItem(name: "listen", value: microphone == nil && !(devices != nil && speaks) ? "1" : "0"),
      URLQueryItem(name: "play", value: devices == nil ? "0" : "1"),
    ]
    if video { page.queryItems?.append(URLQueryItem(name: "video", value: "1")) }
    if let mutes {
      let times = [mutes.from, mutes.to].map { "\($0 / .seconds(1))" }.joined(separator: ",")
      page.queryItems?.append(URLQueryItem(name: "mute", value: times))
    }
    if let leavesAfter { page.queryItems?.append(URLQueryItem(name: "leave", value: "\(leavesAfter / .seconds(1))")) }
    var arguments = [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-renderer-backgrounding",
      "--user-data-dir=\(run.file("chromium \(name)"))", "--autoplay-policy=no-user-gesture-required",
      "--use-fake-ui-for-media-stream",
      "--disable-features=WebRtcHideLocalIpsWithMdns", "--enable-logging=stderr",
      // For the microphone and Web Audio without TLS, for Nextcloud on another port, and for coturn's own certificate.
      "--unsafely-treat-insecure-origin-as-secure=http://\(Rig.serverAddress):\(port)", "--disable-web-security",
      "--ignore-certificate-errors",
    ]
    if devices == nil { arguments.append("--use-fake-device-for-media-stream") }
    if let microphone { arguments.append("--use-file-for-fake-audio-capture=\(microphone)") }
    process = try Rig.client(
      "chromium", arguments + [page.string!], environment: devices?.environment ?? [:], output: .file(logPath),
      errorOutput: .file(logPath))
  }

  /// Everything that happened so far, sound excepted, in order.
  public var events: [Event] { read { $0.events } }

  /// Its own signaling session id, once it is in the call.
  public var identifier: String? { events.first { $0.event == "entered" }?.peer }

  /// The signaling session id of the participant with this display name, once that is known.
  public func identifier(of name: String) -> String? {
    events.last { $0.event == "name" && $0.name == name }?.peer
  }

  /// What it has heard from a participant so far: mono, 48 kHz, in the order of arrival.
  public func sound(from identifier: String) -> [Float] { read { $0.sound[identifier] ?? [] } }

  /// Waits for an event, and throws at once with the browser's log if the page has failed.
  @discardableResult
  public func event(
    within limit: Duration = .seconds(30), _ what: String, where matches: (Event) -> Bool
  ) async throws -> Event {
    var found: Event?
    do {
      try await eventually(within: limit, "the browser's \(what)") {
        let events = events
        found = events.first(where: matches)
        if found == nil, let failure = events.first(where: { $0.event == "failed" }) {
          throw RigError("the browser failed: \(failure.reason ?? "")")
        }
        return found != nil
      }
    } catch {
      throw RigError(
        "\(error)\n\(events.map { "\($0.event) \($0.peer?.prefix(8) ?? "") \($0.reason ?? "")\n" }.joined())")
    }
    return found!
  }

  /// Waits until it has this much sound of a participant, and returns all of it.
  public func sound(from identifier: String, lasting length: Duration) async throws -> [Float] {
    let samples = Int(length / .seconds(1) * 48_000)
    try await eventually(within: length + .seconds(20), "\(length) of sound in the browser") {
      sound(from: identifier).count >= samples
    }
    return sound(from: identifier)
  }

  /// Kills it: it vanishes from the call.
  public func stop() {
    process.kill()
    pageServer.kill()
  }

  private func read<Result: Sendable>(_ body: (Journal) -> Result) -> Result {
    journal.withLock { journal in
      journal.advance(through: logPath)
      return body(journal)
    }
  }

  private static func port(of server: ChildProcess) async throws -> Int {
    var port: Int?
    try await eventually("the page's server") {
      if let exit = server.exitStatus { throw RigError("the page's server ended: \(exit)\n\(server.transcript)") }
      // "Serving HTTP on 10.77.0.1 port 40123 (http://10.77.0.1:40123/) ..."
      let words = server.output.split(separator: " ")
      port = words.firstIndex(of: "port").flatMap { words.dropFirst($0 + 1).first }.flatMap { Int($0) }
      return port != nil
    }
    return port!
  }
}

/// What the page has told so far.
private struct Journal {
  var consumed: UInt64 = 0
  var rest: [UInt8] = []
  var events: [ChromiumParticipant.Event] = []
  var sound: [String: [Float]] = [:]

  /// Takes in what the log has got since the last time. A line of the page:
  /// `[115:115:1122/154052.8:INFO:CONSOLE:19] "RIG {"event":…}", source: http://… (19)`.
  mutating func advance(through path: String) {
    guard let file = FileHandle(forReadingAtPath: path) else { return }
    defer { try? file.close() }
    guard (try? file.seek(toOffset: consumed)) != nil, let data = try? file.readToEnd() else { return }
    consumed += UInt64(data.count)
    rest += data
    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return }
    let lines = rest[..<end].split(separator: UInt8(ascii: "\n"))
    rest.removeSubrange(...end)
    for line in lines {
      let text = String(decoding: line, as: UTF8.self)
      guard let start = text.range(of: #""RIG {"#), let end = text.range(of: #"}", source: "#, options: .backwards)
      else {
        continue
      }
      let json = text[text.index(before: start.upperBound)...end.lowerBound]
      guard let event = try? JSONDecoder().decode(ChromiumParticipant.Event.self, from: Data(json.utf8)) else {
        continue
      }
      guard let samples = event.samples, let peer = event.peer else {
        events.append(event)
        continue
      }
      let bytes = [UInt8](Data(base64Encoded: samples) ?? Data())
      sound[peer, default: []] += stride(from: 0, to: bytes.count - 1, by: 2).map {
        Float(Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)) / 32768
      }
    }
  }
}
