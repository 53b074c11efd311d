/// A message of the chat (`api/v1/chat/{token}`).
public struct ChatMessage: Codable, Hashable, Sendable {
  @Tolerant public var id: Int?
  @Tolerant public var token: String?
  @Tolerant public var actorType: String?
  @Tolerant public var actorId: String?
  @Tolerant public var actorDisplayName: String?
  /// Seconds since 1970.
  @Tolerant public var timestamp: Int?
  /// With placeholders `{key}` for what is in `messageParameters`.
  @Tolerant public var message: String?
  @Tolerant public var messageParameters: [String: JSONValue]?
  /// Empty for what a person wrote.
  @Tolerant public var systemMessage: String?
  @Tolerant public var messageType: String?
  /// Chosen by the sender, so that it knows its own echo.
  @Tolerant public var referenceId: String?

  public init(id: Int, message: String) {
    self.id = id
    self.message = message
    (token, actorType, actorId, actorDisplayName, timestamp) = (nil, nil, nil, nil, nil)
    (messageParameters, systemMessage, messageType, referenceId) = (nil, nil, nil, nil)
  }
}
