/// A message of the chat (`api/v1/chat/{token}`).
public struct ChatMessage: Codable, Hashable, Sendable {
  @Tolerant public var id: Int?
  @Tolerant public var token: String?
  /// `users`, `guests`, `emails`, `bots`, `bridged`, `deleted_users`, `federated_users`.
  @Tolerant public var actorType: String?
  @Tolerant public var actorId: String?
  /// May be empty: a guest without a name.
  @Tolerant public var actorDisplayName: String?
  /// Seconds since 1970.
  @Tolerant public var timestamp: Int?
  /// With placeholders `{key}` for what is in `messageParameters`.
  @Tolerant public var message: String?
  @Tolerant public var messageParameters: [String: JSONValue]?
  /// Empty for what a person wrote.
  @Tolerant public var systemMessage: String?
  /// `comment`, `comment_deleted`, `system`, `command`, `voice-message`, and whatever comes to be.
  @Tolerant public var messageType: String?
  @Tolerant public var isReplyable: Bool?
  /// Chosen by the sender, so that it knows its own echo.
  @Tolerant public var referenceId: String?
  /// Seconds since 1970; 0 for never.
  @Tolerant public var expirationTimestamp: Int?
  @Tolerant public var markdown: Bool?
  /// How many reacted with which emoji.
  @Tolerant public var reactions: [String: Int]?
  /// The message that this one answers, or that it says something about.
  @Tolerant public var parent: ChatParent?
  @Tolerant public var silent: Bool?
  /// Seconds since 1970; nil for a message that was never edited.
  @Tolerant public var lastEditTimestamp: Int?
  @Tolerant public var lastEditActorDisplayName: String?

  public init(id: Int, message: String) {
    (token, actorType, actorId, actorDisplayName, timestamp) = (nil, nil, nil, nil, nil)
    (messageParameters, systemMessage, messageType, isReplyable, referenceId) = (nil, nil, nil, nil, nil)
    (expirationTimestamp, markdown, reactions, parent, silent) = (nil, nil, nil, nil, nil)
    (lastEditTimestamp, lastEditActorDisplayName) = (nil, nil)
    self.id = id
    self.message = message
  }

  /// Whether it only tells that another message was changed, which that message shows itself when it is read anew.
  public var isUpdate: Bool {
    ["message_deleted", "message_edited", "reaction", "reaction_deleted", "reaction_revoked"].contains(systemMessage)
  }

  public var isSystem: Bool { !(systemMessage ?? "").isEmpty }
  public var isDeleted: Bool { messageType == "comment_deleted" }
  public var isEdited: Bool { (lastEditTimestamp ?? 0) > 0 }
}

/// The message that another one refers to: never with a parent of its own; of a deleted one nothing but the id may be left.
public struct ChatParent: Codable, Hashable, Sendable {
  @Tolerant public var id: Int?
  @Tolerant public var deleted: Bool?
  @Tolerant public var actorType: String?
  @Tolerant public var actorId: String?
  @Tolerant public var actorDisplayName: String?
  @Tolerant public var message: String?
  @Tolerant public var messageParameters: [String: JSONValue]?
  @Tolerant public var messageType: String?

  public init(id: Int, actorDisplayName: String?, message: String?) {
    (deleted, actorType, actorId, messageParameters, messageType) = (nil, nil, nil, nil, nil)
    self.id = id
    self.actorDisplayName = actorDisplayName
    self.message = message
  }

  public var isDeleted: Bool { deleted == true || messageType == "comment_deleted" }
}
