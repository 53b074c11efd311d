/// One participation in a call, from the address of the conversation until everything is left in order: the brain, which
/// does nothing itself.
///
/// Give it each `Event` and perform the effects that come back, in their order; call `handleTimeout` when `deadline` has
/// come. It is a value: events must come from one place, one after the other.
///
/// The order of entering is the protocol's: capabilities, joining the conversation, guest name, signaling settings, hello,
/// room, its answer, and only then the call; whoever tells Nextcloud of the call earlier is never given a stream. Then our
/// own entry in the participants is awaited, and streams are published and asked for.
public struct CallSession: Sendable {
  public enum Role: Hashable, Sendable {
    /// Publishes, starts the call if there is none, else waits for one.
    case participant
    /// Publishes nothing, never starts a call: waits in the room until somebody is in it.
    case listener
  }

  public struct Configuration: Sendable {
    public var address: ConversationAddress
    public var role: Role
    /// Whether the requests carry the name and app password of a user, who is no guest then.
    public var usesAccount = false
    /// For an internal client of the signaling server; then neither name nor password is needed.
    public var internalAccess: InternalAccess?
    /// Shown to others; guests only.
    public var displayName: String
    public var password: String?
    /// Whether a participant starts the call if there is none; otherwise it waits for one as a listener does.
    public var startsCall = true
    /// Whether starting a call notifies the others.
    public var ringsOthers = false
    public var consentsToRecording = false
    public var startsMuted = false
    /// Whether a closed lobby is waited out in the conversation, at any time; otherwise it ends the session.
    public var waitsInLobby = false
    public var timing = CallTiming()

    public init(address: ConversationAddress, role: Role, displayName: String) {
      self.address = address
      self.role = role
      self.displayName = displayName
    }
  }

  public enum Event: Hashable, Sendable {
    /// The first of all.
    case start
    /// Leave in order; `finish` comes when that is done, within a few seconds.
    case leave
    case setMuted(Bool)
    /// Whether there is speech on our microphone, for the display of others.
    case setSpeaking(Bool)
    /// Raises or lowers our hand. `timestamp` is in milliseconds since 1970; others sort raised hands by it.
    case setHand(raised: Bool, timestamp: Int)
    case reply(RequestID, HTTPReply)
    case requestFailed(RequestID, TransportFailure)
    case socketOpened(SocketID)
    case socketMessage(SocketID, String)
    /// Closed or could not be opened. `failure` is `nil` when the server closed it.
    case socketClosed(SocketID, TransportFailure?)
    case peer(PeerID, PeerEvent)
  }

  enum Stage {
    case idle
    case checkingServer(RequestID)
    case joiningConversation(RequestID)
    case naming(RequestID)
    case fetchingSettings(RequestID)
    case connecting
    case enteringRoom(MessageTag, until: Instant)
    /// An answer other than success; again at this time.
    case retryingRoom(at: Instant)
    /// In the conversation, and not let into its call: to be looked at again at this time.
    case waitingInLobby(checkAt: Instant)
    case lookingAtLobby(RequestID)
    /// Is there a call?
    case lookingForCall(RequestID, CallPhase.Wait, until: Instant?)
    case waitingForCall(CallPhase.Wait, checkAt: Instant?, until: Instant?)
    /// The call that we come back to is gone: was it ended?
    case lookingForEnd(RequestID, until: Instant)
    case enteringCall(RequestID)
    case retryingCall(at: Instant)
    /// The server has let us in; the signaling server has not said so yet.
    case awaitingConfirmation(until: Instant)
    case inCall
    /// Out and in again, so that we can publish anew.
    case renewingMembership(RequestID, until: Instant)
    case recovering(until: Instant)
    case leaving(Departure)
    case finished
  }

  typealias Instant = ContinuousClock.Instant

  var configuration: Configuration
  var timing: CallTiming { configuration.timing }
  var random: any RandomNumberGenerator & Sendable

  var stage = Stage.idle
  var outbox = Outbox()
  var link: SignalingLink
  var roster = Roster()
  var subscriptions: Subscriptions
  var publication: Publication
  var announcer: StateAnnouncer

  // What the server told.
  /// The conversation as it was when we joined it.
  public internal(set) var conversation: Conversation?
  var settings: SignalingSettings?
  var permissions: Permissions = []
  var ownFlags: CallFlags = []
  var lobbyIsClosed = false
  /// An internal client was not yet told who is in the room.
  var awaitsFirstList = false
  /// Those who are said to be in the call, by a list that may be old.
  var hearsay: Set<ParticipantID> = []

  // What has happened.
  /// The server was asked what it can do, and can do what we need.
  var isServerKnown = false
  var moves = 0
  /// A request to join the call is out, or answered, since the last answer to entering the room.
  var hasPosted = false
  /// We saw ourselves in the call since then. From now on, not being in it is final.
  var isConfirmed = false
  var hasEnteredRoom = false
  /// We were in the call, or waited for one: from now on a failure that may pass is waited out.
  var isSettled = false
  /// Whether we were in a call before the connection was lost.
  var isReturning = false
  /// Whether others were in that call.
  var hadCompany = false
  /// What we were called in sessions before this one. Their ghosts stay in the lists for a while.
  var formerIDs: Set<String> = []
  var anyPeerConnected = false
  var enteredAt: Instant?
  var interruptedSince: Instant?
  var recoveries = 0
  /// In a row, of the step at hand.
  var failures = 0
  var rejoins = 0
  var unconfirmed = 0
  var tokenRejections = 0
  var isPublishingForbidden = false
  var isPublishingRefused = false
  var nextRenewal: Instant?

  // Aside from the main line.
  var isMuted: Bool
  var isSpeaking = false
  /// Since when our hand is raised, in milliseconds since 1970.
  var handRaisedAt: Int?
  var nameLookup: RequestID?
  var nextNameLookup: Instant?
  var nameLookups = 0

  /// Where the session is.
  public internal(set) var phase = CallPhase.idle
  /// Messages of the signaling server that could not be understood at all.
  public internal(set) var undecodableMessages = 0

  /// `random` names connections and spreads reconnects; give a seeded one to tests.
  public init(configuration: Configuration, random: any RandomNumberGenerator & Sendable) {
    self.configuration = configuration
    self.random = random
    link = SignalingLink(configuration)
    subscriptions = Subscriptions(timing: configuration.timing)
    publication = Publication(timing: configuration.timing)
    announcer = StateAnnouncer(delays: configuration.timing.announcements)
    isMuted = configuration.startsMuted || configuration.role == .listener
  }

  /// The others in the call.
  public var participants: [Participant] {
    roster.inCall.filter { $0.id.session != link.session?.id && !hearsay.contains($0.id) }.sorted {
      $0.id.session < $1.id.session
    }
  }

  /// How many other people are in the call; services do not count. While reconnecting, those that were there before.
  public var participantCount: Int {
    roster.inCall.count { !$0.isInternal && !hearsay.contains($0.id) }
  }

  /// Our own address in signaling, once there is one.
  public var ownID: ParticipantID? { link.session.map { ParticipantID(session: $0.id) } }

  /// When to call `handleTimeout`; changes with each event.
  public var deadline: ContinuousClock.Instant? {
    [
      stageDeadline, link.deadline, isListening ? subscriptions.deadline : nil, isInCall ? publication.deadline : nil,
      isInCall ? announcer.deadline : nil, isInCall && nameLookup == nil ? nextNameLookup : nil,
    ].compactMap(\.self).min()
  }

  private var stageDeadline: Instant? {
    switch stage {
    case .enteringRoom(_, let until), .awaitingConfirmation(let until), .renewingMembership(_, let until),
      .recovering(let until):
      until
    case .retryingRoom(let at), .retryingCall(let at), .waitingInLobby(let at): at
    case .waitingForCall(_, let checkAt, let until): [checkAt, until].compactMap(\.self).min()
    case .leaving(let departure): departure.deadline
    default: nil
    }
  }

  /// Whether our hand is raised.
  public var hasRaisedHand: Bool { handRaisedAt != nil }

  var isInCall: Bool { if case .inCall = stage { true } else { false } }

  var isFinished: Bool { if case .finished = stage { true } else { false } }

  var isLeaving: Bool { if case .leaving = stage { true } else { false } }

  /// What is to be done about `event`.
  public mutating func handle(_ event: Event, at now: ContinuousClock.Instant) -> [CallEffect] {
    guard !isFinished else { return [] }
    switch event {
    case .start: if case .idle = stage { checkServer() }
    case .leave: if !isLeaving { depart(.left, at: now) }
    case .setMuted(let muted): setMuted(muted)
    case .setSpeaking(let speaking): setSpeaking(speaking)
    case .setHand(let raised, let timestamp): setHand(raised: raised, timestamp: timestamp)
    case .reply(let id, let reply): received(.success(reply), for: id, at: now)
    case .requestFailed(let id, let failure): received(.failure(failure), for: id, at: now)
    case .socketOpened(let id): link.socketOpened(id, at: now)
    case .socketClosed(let id, let failure):
      guard id == link.socket else { break }
      if case .leaving(let departure) = stage, case .signaling = departure.step {
        departureContinues(departure, at: now)
      } else {
        linkChanged(link.socketClosed(id, failure, at: now, &outbox), at: now)
      }
    case .socketMessage(let id, let text):
      if id == link.socket { received(text, at: now) }
    case .peer(let id, let event): received(event, from: id, at: now)
    }
    return outbox.take()
  }

  /// What is to be done because time has passed.
  public mutating func handleTimeout(_ now: ContinuousClock.Instant) -> [CallEffect] {
    guard !isFinished else { return [] }
    linkChanged(link.handleTimeout(at: now, &outbox), at: now)
    stageTimedOut(at: now)
    if isListening { subscriptions.handleTimeout(at: now, &outbox) }
    if isInCall {
      if let own = link.session?.id {
        publicationChanged(publication.handleTimeout(own: own, nick: nick, at: now, &outbox), at: now)
      }
      announce(announcer.due(at: now))
      lookUpNames(at: now)
    }
    return outbox.take()
  }

  mutating func enter(_ phase: CallPhase) {
    guard phase != self.phase else { return }
    self.phase = phase
    outbox.report(.phase(phase))
  }

  /// What we tell others we are called. Users have their name from the server.
  var nick: String? {
    configuration.displayName.isEmpty || conversation?.actorType == "users" ? nil : configuration.displayName
  }

  mutating func randomName() -> String { String(random.next(), radix: 16) }
}
