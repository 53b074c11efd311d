public import ICE
public import TalkProtocol
public import Transport

/// What was seen of an installation from here: plain values, of which the diagnosis makes sense. What was not looked at,
/// because something before it failed, is nil.
public struct Observations: Sendable {
  /// The installation; its token says nothing where there is no conversation to look at.
  public var address: ConversationAddress
  public var looksAtConversation: Bool
  /// The user, or nil for a guest.
  public var user: String?
  public var server: ServerSight?
  public var settings: Result<SignalingSettings, CallFailure>?
  public var signaling: SignalingSight?
  /// In the order of the settings.
  public var iceServers: [ICEServerSight] = []
  public var call: CallSight?

  public init(address: ConversationAddress, looksAtConversation: Bool, user: String? = nil) {
    self.address = address
    self.looksAtConversation = looksAtConversation
    self.user = user
  }
}

/// How far a clock is ahead of this machine's, as the header `Date` tells, which counts whole seconds.
public struct ClockOffset: Sendable, Equatable {
  public var seconds: Double

  public init(seconds: Double) { self.seconds = seconds }

  /// - Parameters:
  ///   - date: What the other clock said, in seconds since 1970.
  ///   - sent: When it was asked by our clock, in seconds since 1970.
  ///   - received: When its answer came.
  init(date: Double, sent: Double, received: Double) {
    // On average, the header is half a second behind.
    seconds = date + 0.5 - (sent + received) / 2
  }
}

/// The Nextcloud, over HTTP.
public struct ServerSight: Sendable {
  public var capabilities: Result<ServerCapabilities, CallFailure>
  /// From a request to the last byte of its answer, setting up the connection included.
  public var roundTripTime: Duration?
  public var clock: ClockOffset?

  public init(
    capabilities: Result<ServerCapabilities, CallFailure>, roundTripTime: Duration? = nil, clock: ClockOffset? = nil
  ) {
    self.capabilities = capabilities
    self.roundTripTime = roundTripTime
    self.clock = clock
  }
}

/// The signaling server (high-performance backend).
public struct SignalingSight: Sendable {
  /// What `GET …/api/v1/welcome` came to.
  public enum Welcome: Sendable, Equatable {
    case version(String)
    /// A web server answers, but none of this kind.
    case status(Int)
    case failed(TransportError)
  }

  /// What the socket came to.
  public enum Greeting: Sendable, Equatable {
    case failed(TransportError)
    /// It was open, and nobody answered.
    case silent
    case accepted(version: String)
    case refused(SignalingError)
    case closed(reason: String)
  }

  /// As the settings give it.
  public var url: String
  public var welcome: Welcome
  public var clock: ClockOffset?
  public var greeting: Greeting
  /// From the hello to its answer.
  public var roundTripTime: Duration?
  public var description: ServerDescription?

  public init(
    url: String, welcome: Welcome, clock: ClockOffset? = nil, greeting: Greeting, roundTripTime: Duration? = nil,
    description: ServerDescription? = nil
  ) {
    self.url = url
    self.welcome = welcome
    self.clock = clock
    self.greeting = greeting
    self.roundTripTime = roundTripTime
    self.description = description
  }
}

/// One STUN or TURN server over one transport.
public struct ICEServerSight: Sendable, Equatable {
  public enum Outcome: Sendable, Equatable {
    case answered(ICEServerProbe.Answer)
    case failed(ICEServerProbe.Failure)
    /// The address in the settings is none; why.
    case malformed(String)
  }

  /// As the settings give it.
  public var text: String
  /// nil when it is malformed.
  public var url: ICEServerURL?
  public var outcome: Outcome

  public init(text: String, outcome: Outcome) {
    self.text = text
    url = try? ICEServerURL(text)
    self.outcome = outcome
  }
}

/// The conversation and its call, as a participant sees them.
public struct CallSight: Sendable {
  public enum Publication: Sendable, Equatable {
    case forbidden
    case failed(String)
    /// What was sent, and what the media server says of it: the share that it missed, and the round trip.
    case connected(packets: Int, lost: Double?, roundTripTime: Duration?)
  }

  /// Somebody whose sound came.
  public struct Heard: Sendable, Equatable {
    public var name: String?
    public var packets: Int
    /// A second guest, who came with us to be heard.
    public var isOurs: Bool

    public init(name: String?, packets: Int, isOurs: Bool) {
      self.name = name
      self.packets = packets
      self.isOurs = isOurs
    }
  }

  public var conversation: Conversation?
  /// What ended it before its time.
  public var failure: CallFailure?
  /// Whether we were in the call.
  public var wasInCall = false
  /// There was no call, and we were not to start one, or may not.
  public var foundNoCall = false
  /// It was not over when time was up.
  public var ranOutOfTime = false
  /// nil: not known before time was up.
  public var publication: Publication?
  /// The pair of addresses that sound takes.
  public var path: ICESelectedPair?
  /// What was tried where there is none.
  public var pathFailure: ICEFailure?
  public var heard: [Heard] = []
  /// How many others with a microphone were there, without our own second guest.
  public var others = 0

  public init() {}
}
