/// A conversation as Talk describes it to us (`GET room/{token}`, the answer of `POST …/participants/active`).
public struct Conversation: Codable, Hashable, Sendable {
  @Tolerant public var token: String?
  /// 1 one to one, 2 group, 3 public, 4 changelog, 5 former one to one, 6 note to self.
  @Tolerant public var type: Int?
  @Tolerant public var name: String?
  @Tolerant public var displayName: String?
  /// 1 owner, 2 moderator, 3 user, 4 guest, 5 self-joined user, 6 guest moderator.
  @Tolerant public var participantType: Int?
  @Tolerant public var actorType: String?
  @Tolerant public var actorId: String?
  @Tolerant public var attendeeId: Int?
  @Tolerant public var permissions: Permissions?
  @Tolerant public var callFlag: CallFlags?
  @Tolerant public var hasCall: Bool?
  @Tolerant public var callStartTime: Int?
  @Tolerant public var canStartCall: Bool?
  @Tolerant public var readOnly: Bool?
  /// 0 open, 1 everybody but moderators waits.
  @Tolerant public var lobbyState: Int?
  /// When the lobby opens by itself, in seconds since 1970; 0 for never.
  @Tolerant public var lobbyTimer: Int?
  @Tolerant public var hasPassword: Bool?
  @Tolerant public var recordingConsent: Int?
  /// 0 none, 1 video, 2 audio, 3 and 4 starting, 5 failed.
  @Tolerant public var callRecording: Int?
  /// Our session in Nextcloud; it binds the signaling session to the participant. "0" when there is none.
  @Tolerant public var sessionId: String?
  /// The server where it lives, of a federated conversation.
  @Tolerant public var remoteServer: String?

  public init(token: String) {
    self.token = token
    (type, name, displayName, participantType, actorType, actorId) = (nil, nil, nil, nil, nil, nil)
    (attendeeId, permissions, callFlag, hasCall, callStartTime, canStartCall) = (nil, nil, nil, nil, nil, nil)
    lobbyTimer = nil
    remoteServer = nil
    (readOnly, lobbyState, hasPassword, recordingConsent, callRecording, sessionId) = (nil, nil, nil, nil, nil, nil)
  }

  /// Owners, moderators and guest moderators may do everything.
  public var isModerator: Bool { [1, 2, 6].contains(participantType ?? 0) }

  /// Whether the lobby keeps us out.
  public var isClosedByLobby: Bool {
    lobbyState == 1 && !isModerator && !(permissions ?? []).contains(.ignoreLobby)
  }
}

/// Somebody in the call (`GET call/{token}`): the one place where a guest can read names.
public struct CallPeer: Codable, Hashable, Sendable {
  @Tolerant public var actorType: String?
  @Tolerant public var actorId: String?
  @Tolerant public var displayName: String?
  @Tolerant public var token: String?
  /// Seconds since 1970.
  @Tolerant public var lastPing: Int?
  /// The session in Nextcloud, not the one in signaling.
  @Tolerant public var sessionId: String?

  public init(
    sessionId: String, displayName: String? = nil, actorType: String? = nil, actorId: String? = nil,
    token: String? = nil, lastPing: Int? = nil
  ) {
    self.sessionId = sessionId
    self.displayName = displayName
    self.actorType = actorType
    self.actorId = actorId
    self.token = token
    self.lastPing = lastPing
  }
}
