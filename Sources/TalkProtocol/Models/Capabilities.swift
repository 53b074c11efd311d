/// The data of `GET /ocs/v2.php/cloud/capabilities`.
public struct ServerCapabilities: Codable, Hashable, Sendable {
  public struct Version: Codable, Hashable, Sendable {
    @Tolerant public var string: String?
    @Tolerant public var major: Int?

    public init(string: String? = nil, major: Int? = nil) {
      self.string = string
      self.major = major
    }
  }

  @Tolerant public var version: Version?
  @Tolerant public var capabilities: Apps?

  /// The part per app.
  public struct Apps: Codable, Hashable, Sendable {
    @Tolerant public var spreed: TalkCapabilities?

    public init(spreed: TalkCapabilities? = nil) { self.spreed = spreed }
  }

  public init(version: Version? = nil, talk: TalkCapabilities? = nil) {
    self.version = version
    capabilities = Apps(spreed: talk)
  }

  /// What Talk says of itself; `nil` when it is not there for us.
  public var talk: TalkCapabilities? { capabilities?.spreed }
}

/// The capability `spreed`.
public struct TalkCapabilities: Codable, Hashable, Sendable {
  public struct Configuration: Codable, Hashable, Sendable {
    @Tolerant public var call: Call?
    @Tolerant public var chat: Chat?
    @Tolerant public var signaling: [String: JSONValue]?

    public init(call: Call? = nil, chat: Chat? = nil, signaling: [String: JSONValue]? = nil) {
      self.call = call
      self.chat = chat
      self.signaling = signaling
    }
  }

  public struct Call: Codable, Hashable, Sendable {
    @Tolerant public var enabled: Bool?
    /// Whether media is encrypted from end to end: a server-wide switch.
    @Tolerant public var endToEndEncryption: Bool?
    @Tolerant public var recording: Bool?
    /// 0 not needed, 1 always, 2 as the conversation says.
    @Tolerant public var recordingConsent: Int?
    /// Seconds; 0 is no limit.
    @Tolerant public var maxDuration: Int?

    enum CodingKeys: String, CodingKey {
      case enabled, recording
      case endToEndEncryption = "end-to-end-encryption"
      case recordingConsent = "recording-consent"
      case maxDuration = "max-duration"
    }

    public init(enabled: Bool? = nil, endToEndEncryption: Bool? = nil, recordingConsent: Int? = nil) {
      self.enabled = enabled
      self.endToEndEncryption = endToEndEncryption
      self.recordingConsent = recordingConsent
      recording = nil
      maxDuration = nil
    }
  }

  public struct Chat: Codable, Hashable, Sendable {
    @Tolerant public var maxLength: Int?

    enum CodingKeys: String, CodingKey { case maxLength = "max-length" }

    public init(maxLength: Int? = nil) { self.maxLength = maxLength }
  }

  @Tolerant public var features: [String]?
  @Tolerant public var config: Configuration?
  @Tolerant public var version: String?

  public init(features: [String], config: Configuration = Configuration(), version: String? = nil) {
    self.features = features
    self.config = config
    self.version = version
  }

  public func has(_ feature: String) -> Bool { features?.contains(feature) ?? false }

  /// Whether clients encrypt media themselves: the switch says so, or the feature is there and no switch.
  public var encryptsEndToEnd: Bool {
    config?.call?.endToEndEncryption ?? has("call-end-to-end-encryption")
  }
}
