/// Something that happened in or around a room.
public enum SignalingEvent: Hashable, Sendable {
  /// room/join
  case joined([JoinedSession])
  /// room/leave: session ids. Leaving the room is leaving the call.
  case left([String])
  /// room/change
  case changed([JoinedSession])
  /// room/message: `chat`, `recording`, …
  case roomMessage(roomid: String?, data: JSONValue)
  /// room/switchto: go on in another conversation.
  case switchTo(roomid: String)
  /// roomlist/disinvite: our session in the room is over. `reason` is `disinvited` or `deleted`.
  case disinvited(roomid: String?, reason: String?)
  /// roomlist/invite
  case invited(RoomState)
  /// roomlist/update
  case roomUpdated(RoomState)
  /// participants/update
  case participants(ParticipantsUpdate)
  /// participants/flags, of telephones
  case phoneFlags(PhoneFlags)
  case unknown(target: String, type: String, JSONValue)
}

/// A session that came into the room. Names of guests are not in it.
public struct JoinedSession: Codable, Hashable, Sendable {
  public struct User: Codable, Hashable, Sendable {
    @Tolerant public var displayname: String?

    public init(displayname: String) { self.displayname = displayname }
  }

  public var sessionid: String
  /// Empty for guests.
  @Tolerant public var userid: String?
  @Tolerant public var user: User?
  /// Its session in Nextcloud.
  @Tolerant public var roomsessionid: String?
  @Tolerant public var features: [String]?
  @Tolerant public var federated: Bool?

  public init(sessionid: String, userid: String = "", displayName: String? = nil, roomsessionid: String? = nil) {
    self.sessionid = sessionid
    self.userid = userid
    user = displayName.map(User.init)
    self.roomsessionid = roomsessionid
    (features, federated) = (nil, nil)
  }
}

/// Changes of participants. Not the full list: merge by `sessionId`.
public struct ParticipantsUpdate: Codable, Hashable, Sendable {
  public struct User: Codable, Hashable, Sendable {
    /// The session in signaling.
    public var sessionId: String
    @Tolerant public var inCall: CallFlags?
    /// Seconds since 1970.
    @Tolerant public var lastPing: Int?
    /// Only when the call state changed.
    @Tolerant public var nextcloudSessionId: String?
    @Tolerant public var userId: String?
    @Tolerant public var actorType: String?
    @Tolerant public var actorId: String?
    @Tolerant public var participantType: Int?
    @Tolerant public var participantPermissions: Permissions?
    /// Only when the participant itself changed.
    @Tolerant public var displayName: String?
    @Tolerant public var `internal`: Bool?
    @Tolerant public var virtual: Bool?

    public init(sessionId: String, inCall: CallFlags?) {
      self.sessionId = sessionId
      self.inCall = inCall
      (lastPing, nextcloudSessionId, userId, actorType, actorId) = (nil, nil, nil, nil, nil)
      (participantType, participantPermissions, displayName, self.internal, virtual) = (nil, nil, nil, nil, nil)
    }
  }

  @Tolerant public var roomid: String?
  @Tolerant public var users: [User]?
  /// With `incall` 0: the call ended for everybody.
  @Tolerant public var all: Bool?
  @Tolerant public var incall: CallFlags?

  public init(roomid: String, users: [User]) {
    self.roomid = roomid
    self.users = users
    (all, incall) = (nil, nil)
  }

  /// The call ended for everybody.
  public static func endedForAll(roomid: String) -> ParticipantsUpdate {
    var update = ParticipantsUpdate(roomid: roomid, users: [])
    (update.users, update.all, update.incall) = (nil, true, [])
    return update
  }
}

/// State of a telephone: 1 microphone muted, 2 speaker muted, 4 speaking, 8 hand raised.
public struct PhoneFlags: Codable, Hashable, Sendable {
  @Tolerant public var roomid: String?
  @Tolerant public var sessionid: String?
  @Tolerant public var flags: Int?
}

extension SignalingEvent: Codable {
  private struct RoomMessage: Codable, Hashable, Sendable {
    @Tolerant var roomid: String?
    @Tolerant var data: JSONValue?
  }

  private struct Disinvitation: Codable, Hashable, Sendable {
    @Tolerant var roomid: String?
    @Tolerant var reason: String?
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    let target = container.tolerant(String.self, forKey: "target") ?? ""
    let type = container.tolerant(String.self, forKey: "type") ?? ""
    let known: SignalingEvent? =
      switch (target, type) {
      case ("room", "join"): container.tolerant([JoinedSession].self, forKey: "join").map(Self.joined)
      case ("room", "leave"): container.tolerant([String].self, forKey: "leave").map(Self.left)
      case ("room", "change"): container.tolerant([JoinedSession].self, forKey: "change").map(Self.changed)
      case ("room", "message"):
        container.tolerant(RoomMessage.self, forKey: "message").map {
          .roomMessage(roomid: $0.roomid, data: $0.data ?? .null)
        }
      case ("room", "switchto"):
        container.tolerant(JSONValue.self, forKey: "switchto")?["roomid"].string.map(Self.switchTo)
      case ("roomlist", "disinvite"):
        container.tolerant(Disinvitation.self, forKey: "disinvite").map {
          .disinvited(roomid: $0.roomid, reason: $0.reason)
        }
      case ("roomlist", "invite"): container.tolerant(RoomState.self, forKey: "invite").map(Self.invited)
      case ("roomlist", "update"): container.tolerant(RoomState.self, forKey: "update").map(Self.roomUpdated)
      case ("participants", "update"):
        container.tolerant(ParticipantsUpdate.self, forKey: "update").map(Self.participants)
      case ("participants", "flags"): container.tolerant(PhoneFlags.self, forKey: "flags").map(Self.phoneFlags)
      default: nil
      }
    let payload = container.tolerant(JSONValue.self, forKey: AnyKey(stringValue: type)) ?? .null
    self = known ?? .unknown(target: target, type: type, payload)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: AnyKey.self)
    func put(_ target: String, _ type: String, _ payload: some Encodable) throws {
      try container.encode(target, forKey: "target")
      try container.encode(type, forKey: "type")
      try container.encode(payload, forKey: AnyKey(stringValue: type))
    }
    switch self {
    case .joined(let sessions): try put("room", "join", sessions)
    case .left(let sessions): try put("room", "leave", sessions)
    case .changed(let sessions): try put("room", "change", sessions)
    case .roomMessage(let roomid, let data): try put("room", "message", RoomMessage(roomid: roomid, data: data))
    case .switchTo(let roomid): try put("room", "switchto", ["roomid": roomid])
    case .disinvited(let roomid, let reason):
      try put("roomlist", "disinvite", Disinvitation(roomid: roomid, reason: reason))
    case .invited(let room): try put("roomlist", "invite", room)
    case .roomUpdated(let room): try put("roomlist", "update", room)
    case .participants(let update): try put("participants", "update", update)
    case .phoneFlags(let flags): try put("participants", "flags", flags)
    case .unknown(let target, let type, let payload): try put(target, type, payload)
    }
  }
}
