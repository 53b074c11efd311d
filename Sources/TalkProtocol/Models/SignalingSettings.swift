/// The data of `GET api/v3/signaling/settings?token=…`. Its token for hello lives for 60 seconds.
public struct SignalingSettings: Codable, Hashable, Sendable {
  /// What a hello of a version carries.
  public struct HelloParameters: Codable, Hashable, Sendable {
    /// Version 2.0: a JWT. Of an internal client: the checksum that proves its secret.
    @Tolerant public var token: String?
    /// Version 1.0; `nil` for guests.
    @Tolerant public var userid: String?
    /// Version 1.0.
    @Tolerant public var ticket: String?
    /// Of an internal client: what the checksum is of, and the installation.
    @Tolerant public var random: String?
    @Tolerant public var backend: String?

    public init(token: String? = nil, userid: String? = nil, ticket: String? = nil) {
      self.token = token
      self.userid = userid
      self.ticket = ticket
      (random, backend) = (nil, nil)
    }
  }

  /// `internal` (no signaling server), `external` or `conversation_cluster`.
  @Tolerant public var signalingMode: String?
  @Tolerant public var userId: String?
  @Tolerant public var server: String?
  @Tolerant public var ticket: String?
  @Tolerant public var helloAuthParams: [String: HelloParameters]?
  /// Present when the conversation lives on another server.
  @Tolerant public var federation: [String: JSONValue]?
  @Tolerant public var stunservers: [ICEServer]?
  @Tolerant public var turnservers: [ICEServer]?

  public init(signalingMode: String, server: String? = nil) {
    self.signalingMode = signalingMode
    self.server = server
    (userId, ticket, helloAuthParams, federation, stunservers, turnservers) = (nil, nil, nil, nil, nil, nil)
  }

  /// Whether there is a signaling server to talk to.
  public var usesSignalingServer: Bool { signalingMode != "internal" && !(server ?? "").isEmpty }

  /// Where its socket is: `wss://host[/path]/spreed`.
  public var socketURL: String? {
    guard var url = server?.trimmed, !url.isEmpty else { return nil }
    while url.hasSuffix("/") { url.removeLast() }
    if url.lowercased().hasPrefix("http") { url = "ws" + url.dropFirst("http".count) }
    guard url.lowercased().hasPrefix("ws://") || url.lowercased().hasPrefix("wss://") else { return nil }
    return url + "/spreed"
  }

  /// Which version of hello to try first with a server.
  public func helloVersion(for server: ServerDescription) -> String {
    let hasTicket = helloAuthParams?["1.0"]?.ticket != nil || ticket != nil
    let hasToken = helloAuthParams?["2.0"]?.token != nil
    return hasToken && (server.has("hello-v2") || !hasTicket) ? "2.0" : "1.0"
  }

  /// A hello of this version; nil when there are no credentials for it.
  /// - Parameter backend: `ConversationAddress.signalingBackendURL`.
  public func hello(version: String, to backend: String) -> HelloRequest? {
    var parameters = helloAuthParams?[version]
    if version == "1.0", parameters?.ticket == nil { parameters = .init(userid: userId, ticket: ticket) }
    guard let parameters, parameters.ticket != nil || parameters.token != nil else { return nil }
    return HelloRequest(version: version, auth: .init(url: backend, params: parameters))
  }

  /// STUN and TURN servers together.
  public var iceServers: [ICEServer] { (stunservers ?? []) + (turnservers ?? []) }
}

/// A STUN or TURN server with its credentials.
public struct ICEServer: Codable, Hashable, Sendable {
  /// `stun:`, `stuns:`, `turn:` and `turns:` URLs (RFC 7064, RFC 7065).
  @Tolerant public var urls: [String]?
  @Tolerant public var username: String?
  @Tolerant public var credential: String?

  public init(urls: [String], username: String? = nil, credential: String? = nil) {
    self.urls = urls
    self.username = username
    self.credential = credential
  }
}
