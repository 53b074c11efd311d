import ArgumentParser
import FoundationEssentials
import TalkClient
import TalkProtocol

/// The options of an internal client of the signaling server, for its administrator.
struct InternalArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Take part unseen, as an internal client of the signaling server: read its internal secret from this file's first \
      line. Needs --recording-secret-file or --signaling.
      """, valueName: "file"))
  var internalSecretFile: String?

  @Option(
    help: ArgumentHelp(
      """
      Ask Nextcloud for the signaling settings as its recording server does: read the secret that both share from this \
      file's first line.
      """, valueName: "file"))
  var recordingSecretFile: String?

  @Option(
    help: ArgumentHelp(
      "The signaling server's address, instead of asking Nextcloud: https://host/standalone-signaling.",
      valueName: "url"))
  var signaling: String?

  @Option(
    help: ArgumentHelp(
      "With --signaling: a STUN server, stun:host:port; may be given several times.", valueName: "url"))
  var stun: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      With --signaling: a TURN server, turn:host:port?transport=udp (or tcp, or turns: with tcp); may be given several \
      times. Needs --turn-secret-file.
      """, valueName: "url"))
  var turn: [String] = []

  @Option(
    help: ArgumentHelp(
      "The secret of the TURN servers, as in Talk's settings (coturn: static-auth-secret), from this file's first line.",
      valueName: "file"))
  var turnSecretFile: String?

  func validate() throws {
    guard internalSecretFile != nil else {
      guard recordingSecretFile == nil, signaling == nil, stun.isEmpty, turn.isEmpty, turnSecretFile == nil else {
        throw ValidationError("The options of an internal client need --internal-secret-file.")
      }
      return
    }
    guard (recordingSecretFile == nil) != (signaling == nil) else {
      throw ValidationError("--internal-secret-file needs one of --recording-secret-file and --signaling.")
    }
    guard signaling != nil || (stun.isEmpty && turn.isEmpty && turnSecretFile == nil) else {
      throw ValidationError("--stun and --turn belong to --signaling; otherwise Nextcloud names the servers.")
    }
    guard turn.isEmpty == (turnSecretFile == nil) else {
      throw ValidationError("--turn and --turn-secret-file belong together.")
    }
    if let signaling, !["http", "https", "ws", "wss"].contains(URL(string: signaling)?.scheme ?? "") {
      throw ValidationError("--signaling takes an address like https://host/standalone-signaling.")
    }
    for address in stun where !["stun:", "stuns:"].contains(where: address.hasPrefix) {
      throw ValidationError("--stun takes an address like stun:host:3478.")
    }
    for address in turn where !["turn:", "turns:"].contains(where: address.hasPrefix) {
      throw ValidationError("--turn takes an address like turn:host:3478?transport=udp.")
    }
  }

  var values: Values { Values(self) }

  struct Values {
    private var internalSecretFile: String?
    private var recordingSecretFile: String?
    private var signaling: String?
    private var stun: [String] = []
    private var turn: [String] = []
    private var turnSecretFile: String?

    private var known: InternalAccess?

    /// Of nobody special.
    init() {}

    fileprivate init(_ arguments: InternalArguments) {
      internalSecretFile = arguments.internalSecretFile
      recordingSecretFile = arguments.recordingSecretFile
      signaling = arguments.signaling
      stun = arguments.stun
      turn = arguments.turn
      turnSecretFile = arguments.turnSecretFile
    }

    /// Whether we are an internal client.
    var isInternal: Bool { internalSecretFile != nil }

    /// Whether what proves our secret to the signaling server passes where others may read it, and use it.
    var isOverheard: Bool { signaling.map { $0.hasPrefix("http:") || $0.hasPrefix("ws:") } ?? false }

    /// nil for everybody else.
    func access() throws(Failure) -> InternalAccess? {
      if let known { return known }
      guard let internalSecret = try Self.secret(internalSecretFile) else { return nil }
      let settings: InternalAccess.Settings
      if let recordingSecret = try Self.secret(recordingSecretFile) {
        settings = .asked { recordingSecret.proof() }
      } else {
        let turnSecret = try Self.secret(turnSecretFile)
        settings = .given { [self] in given(turnSecret) }
      }
      return InternalAccess(settings: settings) { internalSecret.proof() }
    }

    /// Reads what a pipe gives only once.
    mutating func readSecrets() throws(Failure) { known = try access() }

    private func given(_ turnSecret: SharedSecret?) -> SignalingSettings {
      var settings = SignalingSettings(signalingMode: "external", server: signaling)
      settings.stunservers = stun.isEmpty ? nil : [ICEServer(urls: stun)]
      if let turnSecret {
        let (username, password) = turnSecret.relayCredentials(until: Int(Date.now.timeIntervalSince1970) + 86_400)
        settings.turnservers = [ICEServer(urls: turn, username: username, credential: password)]
      }
      return settings
    }

    private static func secret(_ file: String?) throws(Failure) -> SharedSecret? {
      guard let file else { return nil }
      do { return SharedSecret(try SecretFile.read(file)) } catch {
        throw Failure("A secret cannot be read: \(error).", .secretRefused, identifier: "secret-unreadable")
      }
    }
  }
}
