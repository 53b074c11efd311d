public import TalkProtocol

/// A public conversation of the embedded room and its rules, as an admin or moderator would set them.
public struct HostedConversation: Sendable, Equatable {
  public var token: String
  public var name: String
  /// What a guest must know to come in; nil for a conversation without.
  public var password: String?
  /// Off: guests find no such conversation.
  public var isPublic = true
  /// Guests wait: call and chat answer 412.
  public var hasLobby = false
  /// When the lobby is to open, in seconds since 1970; nil: when a moderator opens it.
  public var lobbyOpensAt: Int?
  public var isReadOnly = false
  /// Calls answer 403 altogether.
  public var allowsCalls = true
  public var requiresRecordingConsent = false
  public var guestPermissions: Permissions = .guestDefault
  /// Users of the installation that belong to the conversation; others come as guests do.
  public var members: Set<String> = []
  /// Those of the members who may do everything.
  public var moderators: Set<String> = []
  /// The Nextcloud where it really lives, if it is not this one: a federated conversation.
  public var remoteServer: String?
  /// Guests are turned away with 403 `ban`.
  public var bansGuests = false

  public init(token: String, name: String) {
    self.token = token
    self.name = name
  }

  /// Whether this user belongs to it.
  func has(_ user: String) -> Bool { members.contains(user) || moderators.contains(user) }
}

extension Permissions {
  /// What guests have where nothing else is said.
  public static let guestDefault: Permissions = [
    .startCall, .joinCall, .publishAudio, .publishVideo, .publishScreen, .chat,
  ]
  /// What moderators have, always.
  static let moderator: Permissions = [guestDefault, .ignoreLobby]

  /// The names that the signaling server knows them by.
  var signalingNames: [String] {
    [
      (Permissions.publishAudio, "publish-audio"), (.publishVideo, "publish-video"),
      (.publishScreen, "publish-screen"),
    ]
    .filter { contains($0.0) }.map(\.1)
  }
}
