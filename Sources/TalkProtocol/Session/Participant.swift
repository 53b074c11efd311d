/// Somebody else in the room.
public struct Participant: Hashable, Sendable {
  public let id: ParticipantID
  /// `nil` until known; guests are named later than they come.
  public var name: String?
  public var flags: CallFlags = []
  public var actorType: String?
  public var actorId: String?
  /// The session in Nextcloud, to which names belong.
  public var nextcloudSession: String?
  /// A service, like a recorder or a telephone bridge, and no person.
  public var isInternal = false
  /// A telephone: somebody who is heard through an internal session.
  public var isPhone = false
  /// `nil` until told.
  public var isMuted: Bool?
  public var isSpeaking = false
  public var hasRaisedHand = false

  public init(id: ParticipantID) { self.id = id }

  public var isInCall: Bool { flags.contains(.inCall) }

  /// Whether there is or will be a stream to ask for.
  var mayPublish: Bool { isInCall && !isPhone && !flags.isDisjoint(with: [.audio, .video]) }
}
