internal import FoundationEssentials
internal import GLibLoop
internal import HTTPClient
internal import ICE
public import Logging
public import TalkClient
public import TalkProtocol
public import Transport

/// Looks into an installation from here: asks its servers, tries its STUN and TURN servers, and takes part in the call of a
/// conversation for a moment, all at the same time and within a few seconds, whatever fails.
public struct Inspection: Sendable {
  public var address: ConversationAddress
  /// Off: the server alone; the address's token means nothing.
  public var looksAtConversation = true
  /// nil: as a guest.
  public var account: Account?
  /// The conversation's.
  public var password: String?
  /// What others in the call see.
  public var name = "talkbridge (inspecting)"
  public var consentsToRecording = false
  /// Whether a call is started where none is running; nobody is notified.
  public var startsCall = false
  /// Gather on these local addresses only; empty: on all but loopback.
  public var iceAddresses: [String] = []
  public var transport: TransportSettings
  public var logger: Logger

  /// After that, only leaving takes time.
  private static let limit = Duration.milliseconds(11_500)
  private static let requestLimit = Duration.seconds(6)
  private static let iceServerLimit = Duration.seconds(5)
  private static let mostICEServers = 16

  public init(address: ConversationAddress, transport: TransportSettings, logger: Logger) {
    self.address = address
    self.transport = transport
    self.transport.connectTimeout = .seconds(5)
    self.logger = logger
  }

  /// Looks at everything. Returns within 15 seconds.
  public func observe() async -> Observations {
    let deadline = ContinuousClock.now + Self.limit
    var seen = Observations(
      address: address, looksAtConversation: looksAtConversation, user: account?.user)
    let server = await ServerProbe(self, within: Self.requestLimit).capabilities()
    seen.server = server
    // Wrong passwords are counted, and a server that asks to be left alone is left alone.
    guard case .success = server.capabilities else { return seen }
    async let call = looksAtConversation ? CallProbe(self, until: deadline).run() : nil
    let settings = await ServerProbe(self, within: Self.rest(of: Self.requestLimit, until: deadline)).settings()
    seen.settings = settings
    if case .success(let settings) = settings {
      let limit = Self.rest(of: Self.iceServerLimit, until: deadline)
      async let signaling = SignalingProbe(self, settings, within: limit)?.run()
      seen.iceServers = await iceServers(settings, within: limit)
      seen.signaling = await signaling
    }
    seen.call = await call
    return seen
  }

  private static func rest(of limit: Duration, until deadline: ContinuousClock.Instant) -> Duration {
    max(.seconds(1), min(limit, deadline - .now))
  }

  /// Every server by every transport once, all at the same time.
  private func iceServers(_ settings: SignalingSettings, within limit: Duration) async -> [ICEServerSight] {
    var entries: [(text: String, server: TalkProtocol.ICEServer)] = []
    for server in settings.iceServers {
      for text in server.urls ?? [] where !entries.contains(where: { $0.text == text }) {
        entries.append((text, server))
      }
    }
    return await withTaskGroup(of: (Int, ICEServerSight).self) { group in
      for (number, entry) in entries.prefix(Self.mostICEServers).enumerated() {
        group.addTask { (number, await sight(of: entry.text, entry.server, within: limit)) }
      }
      var sights: [(Int, ICEServerSight)] = []
      for await sight in group { sights.append(sight) }
      return sights.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private func sight(
    of text: String, _ server: TalkProtocol.ICEServer, within limit: Duration
  ) async -> ICEServerSight {
    let url: ICEServerURL
    do { url = try ICEServerURL(text) } catch { return ICEServerSight(text: text, outcome: .malformed(error.reason)) }
    let probe = ICEServerProbe(
      url, username: server.username ?? "", credential: server.credential ?? "",
      certificateAuthorityFile: transport.caFile)
    do throws(ICEServerProbe.Failure) {
      return ICEServerSight(text: text, outcome: .answered(try await probe.run(within: limit)))
    } catch { return ICEServerSight(text: text, outcome: .failed(error)) }
  }
}
