internal import TalkProtocol

/// The Nextcloud side of Talk, as far as a call needs it: conversations, participants, calls, chat. Pure: requests come in
/// as values, replies and notifications for the signaling server come out.
///
/// Status codes, keys and order follow recorded transcripts of Talk 21.
struct Nextcloud {
  struct Request {
    var method: String
    /// Decoded, without query.
    var path: String
    var query: [String: String] = [:]
    var cookies: [String: String] = [:]
    var body: JSONValue = .null
    /// Of the `Authorization` header (Basic).
    var login: Login?
    /// Whether it proves to come from a recording server; nil where it does not claim to.
    var isRecorder: Bool?
  }

  struct Login: Hashable {
    var user: String
    var password: String
  }

  struct Reply: Equatable {
    var status: Int
    var body: JSONValue?
    var headers: [String: String] = [:]
    /// HTML for pages; JSONValue otherwise.
    var page: String?
    /// The PHP session that the client is to keep.
    var sessionCookie: String?
    /// The request is to be tried again when the chat has grown, at the latest after so long: the long poll.
    var waitsForChat: Duration?
  }

  struct Participant: Equatable {
    let phpSession: String
    let token: String
    let actorID: String
    let attendeeID: Int
    var displayName: String
    var talkSession: String
    var flags = 0
    /// Of a user of the installation; nil for a guest.
    var userID: String?
    /// Of the conversation; other users come by its link.
    var isMember = false
    /// Guests become moderators when one of them makes them so.
    var isModerator = false
    var givenPermissions: Permissions

    var permissions: Permissions { isModerator ? .moderator : givenPermissions }
    var isInCall: Bool { flags & 1 != 0 }
    var actorType: String { userID == nil ? "guests" : "users" }
    /// Talk's participant types: guest, guest moderator; moderator, user, user who came by the link.
    var type: JSONValue {
      if userID == nil { return isModerator ? 6 : 4 }
      return isModerator ? 2 : isMember ? 3 : 5
    }
    var signalingPermissions: [String] { permissions.signalingNames + (isModerator ? ["control"] : []) }
  }

  struct Call: Equatable {
    var startedAt: Int
  }

  /// A PHP session that gave a conversation's password in the form of its page.
  struct Unlocking: Hashable {
    let phpSession: String
    let token: String
    let password: String
  }

  static let sessionCookieName = "oc_talkroom"
  private static let api = "/ocs/v2.php/apps/spreed/api/"

  /// What signaling settings tell the client.
  struct Signaling {
    /// The installation's own address.
    var base = ""
    /// The server's address, `http://host:port`.
    var server = ""
    var stunServers: [JSONValue] = []
    var turnServers: [JSONValue] = []
    var isInternal = false
  }

  var signaling = Signaling()
  var conversations: [String: HostedConversation] = [:]
  /// App passwords and display names.
  var accounts = NextcloudAccounts()
  var participants: [Participant] = []
  var calls: [String: Call] = [:]
  /// The messages of each conversation, in the order of their ids.
  var chat: [String: [JSONValue]] = [:]
  /// Which message another one is about, and who reacted to it with which emoji.
  var parents: [Int: Int] = [:]
  var reactors: [Int: [String: Set<String>]] = [:]
  var isInMaintenance = false
  /// How long clients are told to wait then, in seconds.
  var maintenancePause = 120
  var installation = EmbeddedRoom.Installation()
  /// How often somebody named a conversation that he cannot see, or a wrong password: what Nextcloud holds against addresses.
  private(set) var failedAttempts = 0
  /// The public key by which signaling servers verify our tokens (PEM).
  var helloTokenKey = ""
  /// Signs a `hello` token for a user id (empty for guests).
  let signToken: @Sendable (String) -> String
  private var unlocked: Set<Unlocking> = []
  private var nextAttendee = 1
  var nextMessage = 1
  private var random: any RandomNumberGenerator & Sendable

  init(
    random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
    signToken: @escaping @Sendable (String) -> String
  ) {
    self.random = random
    self.signToken = signToken
  }

  /// Answers a request. `time` is in seconds since 1970.
  mutating func handle(_ request: Request, time: Int) -> (reply: Reply, notifications: [RoomNotification]) {
    if isInMaintenance {
      return (
        Reply(
          status: 503, body: nil, headers: ["X-Nextcloud-Maintenance-Mode": "1", "Retry-After": "\(maintenancePause)"]),
        []
      )
    }
    var phpSession = request.cookies[Self.sessionCookieName] ?? ""
    let isNew = phpSession.count != 26
    if isNew { phpSession = draw(26, from: "abcdefghijklmnopqrstuvwxyz0123456789") }
    var (reply, notifications) = route(request, phpSession: phpSession, time: time)
    reply.sessionCookie = phpSession
    return (reply, notifications)
  }

  private mutating func route(
    _ request: Request, phpSession: String, time: Int
  ) -> (reply: Reply, notifications: [RoomNotification]) {
    let path = request.path.replacing("/index.php", with: "")
    if let reply = accounts.answer(request, path: path, signaling: signaling) { return (reply, []) }
    let user = request.login?.user
    if path == "/ocs/v2.php/cloud/capabilities" { return (ok(capabilities), []) }
    if path.hasPrefix("/call/") { return (page(String(path.dropFirst("/call/".count)), request, phpSession), []) }
    guard path.hasPrefix(Self.api) else { return (Reply(status: 404, body: nil), []) }
    let parts = path.dropFirst(Self.api.count).split(separator: "/").map(String.init)
    switch (request.method, parts.count, parts.first, parts.dropFirst().first) {
    case ("GET", 3, "v3", "signaling") where parts[2] == "settings":
      return (settings(request.query["token"] ?? "", user, isRecorder: request.isRecorder), [])
    case ("GET", 3, "v3", "signaling"): return (failure(400), [])
    case ("GET", 2, "v4", "room"):
      guard let user else { return (failure(401), []) }
      return (ok(rooms(of: user, time: time)), [])
    case ("GET", 3, "v4", "room"):
      guard let conversation = conversation(parts[2], for: user) else { return (failure(404, data: .null), []) }
      return (ok(room(conversation, participant(phpSession, parts[2]), time: time)), [])
    case ("GET", 4, "v4", "room") where parts[3] == "participants": return (failure(403), [])
    case ("POST", 5, "v4", "room") where parts[3...] == ["participants", "active"]:
      return join(parts[2], request, phpSession, time: time)
    case ("DELETE", 5, "v4", "room") where parts[3...] == ["participants", "active"]:
      guard let participant = participant(phpSession, parts[2]) else { return (ok(.null), []) }
      return (ok(.null), remove(participant, time: time))
    case ("POST", 4, "v1", "guest") where parts[3] == "name":
      return rename(parts[2], to: request.body["displayName"].string ?? "", phpSession)
    case (_, 3, "v4", "call"): return call(parts[2], request, phpSession, time: time)
    case (_, 3, "v1", "chat"): return chat(parts[2], request, phpSession, time: time)
    case (_, 4, "v1", "chat"), (_, 4, "v1", "reaction"):
      guard let message = Int(parts[3]) else { return (failure(404, data: .null), []) }
      return chat(
        parts[2], request, phpSession, time: time, message: message, isReaction: parts[1] == "reaction")
    default: return (failure(404, data: .null), [])
    }
  }

  // MARK: Pages, capabilities, settings

  private mutating func page(_ token: String, _ request: Request, _ phpSession: String) -> Reply {
    guard let conversation = publicConversation(token) else {
      return Reply(status: 303, body: nil, headers: ["Location": "/login?redirect_url=/call/\(token)"])
    }
    if let password = conversation.password, request.body["password"].string == password {
      unlocked.insert(Unlocking(phpSession: phpSession, token: token, password: password))
    }
    let wantsPassword = !isUnlocked(conversation, phpSession)
    return Reply(
      status: 200, body: nil,
      page: """
        <!DOCTYPE html><html><head data-requesttoken="none"><title>\(wantsPassword ? "Password" : "Talk")</title></head>
        <body>This is the embedded room of talkbridge. Join it with: talkbridge join, and this page's address.</body></html>
        """)
  }

  private mutating func settings(_ token: String, _ user: String?, isRecorder: Bool?) -> Reply {
    if isRecorder == false {
      failedAttempts += 1
      return failure(401, data: .null)
    }
    let isVisible = isRecorder == true ? conversations[token] != nil : conversation(token, for: user) != nil
    guard isVisible || token.isEmpty else {
      failedAttempts += 1
      return failure(404, data: .null)
    }
    let ticket = JSONValue.string(draw(16) + "::" + draw(64))
    return ok([
      "signalingMode": signaling.isInternal ? "internal" : "external", "userId": user.map { .string($0) } ?? nil,
      "hideWarning": true,
      "server": signaling.isInternal ? "" : .string(signaling.server), "ticket": ticket,
      "helloAuthParams": ["1.0": ["userid": nil, "ticket": ticket], "2.0": ["token": .string(signToken(user ?? ""))]],
      "federation": conversations[token]?.remoteServer.map {
        ["server": "https://hpb.elsewhere.example", "nextcloudServer": .string($0), "roomId": "elsewhere1"]
      } ?? nil,
      "stunservers": .array(signaling.stunServers), "turnservers": .array(signaling.turnServers),
      "sipDialinInfo": "",
    ])
  }

  private func isUnlocked(_ conversation: HostedConversation, _ phpSession: String) -> Bool {
    guard let password = conversation.password else { return true }
    return unlocked.contains(Unlocking(phpSession: phpSession, token: conversation.token, password: password))
  }

  // MARK: Participants

  /// What guests can see.
  private func publicConversation(_ token: String) -> HostedConversation? {
    conversations[token].flatMap { $0.isPublic ? $0 : nil }
  }

  /// What a user can see, or a guest.
  private func conversation(_ token: String, for user: String?) -> HostedConversation? {
    conversations[token].flatMap { conversation in
      conversation.isPublic || user.map { conversation.has($0) } ?? false ? conversation : nil
    }
  }

  func participant(_ phpSession: String, _ token: String) -> Participant? {
    participants.first { $0.phpSession == phpSession && $0.token == token }
  }

  func participant(talkSession: String, in token: String) -> Participant? {
    participants.first { $0.talkSession == talkSession && $0.token == token }
  }

  private mutating func join(
    _ token: String, _ request: Request, _ phpSession: String, time: Int
  ) -> (reply: Reply, notifications: [RoomNotification]) {
    let user = request.login?.user
    let isMember = user.map { conversations[token]?.has($0) ?? false } ?? false
    guard let conversation = conversation(token, for: user) else {
      failedAttempts += 1
      return (failure(404, data: .null), [])
    }
    if conversation.bansGuests, user == nil { return (failure(403, data: ["error": "ban"]), []) }
    guard isMember || conversation.password == request.body["password"].string || isUnlocked(conversation, phpSession)
    else {
      failedAttempts += 1
      return (failure(403, data: ["error": "password"]), [])
    }
    // Talk's session ids are base64 with all its characters: clients must not take them for path segments.
    let talkSession = draw(255, from: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var notifications: [RoomNotification] = []
    var new = Participant(
      phpSession: phpSession, token: token, actorID: draw(40, from: "0123456789abcdef"), attendeeID: nextAttendee,
      displayName: "", talkSession: talkSession, givenPermissions: conversation.guestPermissions)
    if let user {
      new = Participant(
        phpSession: phpSession, token: token, actorID: user, attendeeID: nextAttendee,
        displayName: accounts.displayNames[user] ?? user, talkSession: talkSession, userID: user,
        isMember: isMember,
        isModerator: conversation.moderators.contains(user),
        givenPermissions: conversation.guestPermissions)
    }
    if let old = participant(phpSession, token) {
      if request.body["force"].bool == false, old.isInCall {
        return (
          failure(
            409, data: ["sessionId": .string(old.talkSession), "inCall": .int(old.flags), "lastPing": .int(time)]), []
        )
      }
      notifications = remove(old, time: time)
      new = Participant(
        phpSession: phpSession, token: token, actorID: old.actorID, attendeeID: old.attendeeID,
        displayName: old.displayName, talkSession: talkSession, userID: old.userID, isMember: old.isMember,
        isModerator: old.isModerator, givenPermissions: old.givenPermissions)
    } else {
      nextAttendee += 1
    }
    participants.append(new)
    return (ok(room(conversation, new, time: time)), notifications)
  }

  private mutating func rename(
    _ token: String, to name: String, _ phpSession: String
  ) -> (reply: Reply, notifications: [RoomNotification]) {
    guard let index = participants.firstIndex(where: { $0.phpSession == phpSession && $0.token == token }) else {
      return (failure(404, data: .null), [])
    }
    participants[index].displayName = String(name.prefix(64))
    return (ok(.null), [participantsNotification(token, changed: [participants[index]])])
  }

  /// Takes a participant out of the room, and out of the call before.
  mutating func remove(_ participant: Participant, time: Int) -> [RoomNotification] {
    var notifications = participant.isInCall ? setFlags(0, of: participant, time: time) : []
    participants.removeAll { $0.talkSession == participant.talkSession }
    notifications.append(.disinvited(room: participant.token, talkSessions: [participant.talkSession]))
    return notifications
  }

  /// The signaling server says that a session left its room: Talk forgets it.
  mutating func sessionLeft(_ talkSession: String, room token: String, time: Int) -> [RoomNotification] {
    guard let participant = participant(talkSession: talkSession, in: token) else { return [] }
    return remove(participant, time: time).filter { notification in
      if case .disinvited = notification { false } else { true }
    }
  }

  // MARK: Replies

  func ok(_ data: JSONValue, status: Int = 200, headers: [String: String] = [:]) -> Reply {
    Reply(
      status: status,
      body: ["ocs": ["meta": ["status": "ok", "statuscode": .int(status), "message": "OK"], "data": data]],
      headers: headers)
  }

  func failure(_ status: Int, data: JSONValue = []) -> Reply {
    Reply(
      status: status,
      body: ["ocs": ["meta": ["status": "failure", "statuscode": .int(status), "message": ""], "data": data]])
  }

  private mutating func draw(
    _ length: Int, from alphabet: String = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  ) -> String {
    let characters = Array(alphabet)
    return String((0..<length).map { _ in characters.randomElement(using: &random)! })
  }
}
