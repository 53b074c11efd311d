internal import TalkProtocol

extension EmbeddedRoom {
  /// How an installation as a whole differs from the usual one.
  public struct Installation: Sendable, Equatable {
    /// Where it is below its host: empty, or like `/nextcloud`.
    public var path = ""
    /// Capabilities that it does not have, as older ones.
    public var lackingFeatures: Set<String> = []
    /// Whether there are calls at all.
    public var allowsCalls = true
    /// Whether clients encrypt calls from end to end.
    public var encryptsCalls = false

    public init() {}
  }
}

extension Nextcloud {
  /// What `GET cloud/capabilities` answers.
  var capabilities: JSONValue {
    let features: [String] = [
      "audio", "video", "chat-v2", "conversation-v4", "guest-signaling", "guest-display-names", "no-ping",
      "system-messages", "in-call-flags", "conversation-call-flags", "chat-replies", "force-mute", "raise-hand",
      "signaling-v3", "publishing-permissions", "conversation-permissions", "chat-permission", "silent-send",
      "silent-call", "session-state", "recording-consent", "ban-v1", "chat-reference-id", "reactions",
      "markdown-messages", "edit-messages", "delete-messages",
    ]
    let offered = features.filter { !installation.lackingFeatures.contains($0) }
    return [
      "version": [
        "major": 32, "minor": 0, "micro": 1, "string": "32.0.1", "edition": "", "extendedSupport": false,
      ],
      "capabilities": [
        "spreed": [
          "features": .array(offered.map { .string($0) }), "features-local": [],
          "config": [
            "call": [
              "enabled": .bool(installation.allowsCalls), "recording": false, "recording-consent": 2,
              "end-to-end-encryption": .bool(installation.encryptsCalls), "max-duration": 0,
            ],
            "chat": ["max-length": 32000],
            "signaling": ["session-ping-limit": 200, "hello-v2-token-key": .string(helloTokenKey)],
          ], "version": "21.1.7",
        ]
      ],
    ]
  }
}
