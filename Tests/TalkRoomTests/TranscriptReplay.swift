import Foundation
import GLibLoop
import RecordedCalls
import TalkProtocol

@testable import TalkRoom

/// Sends what recorded clients sent to a server of ours and compares what they get with what was recorded.
///
/// Identifiers that the real server drew are translated to ours, as both become known. The media behind the signaling is
/// played by the replay: everything that is published connects at once.
struct TranscriptReplay {
  /// What ours answered otherwise than the recorded server.
  private(set) var differences: [String] = []
  /// How many answers and events were compared.
  private(set) var comparisons = 0
  /// Whether a deadline stayed in the past.
  private(set) var hasStalled = false
  /// Spoils what the clients say; then the answers mean nothing.
  var mutator: Mutator?

  private var server: TalkServer
  private let start = ContinuousClock.now
  private let clock: Locked<ContinuousClock.Instant>
  private var now: ContinuousClock.Instant
  private var identifiers: [JSONValue: JSONValue] = [:]
  private var cookies: [String: String] = [:]
  private var replies: [String: [Nextcloud.Reply]] = [:]
  private var requests: [String: Nextcloud.Request] = [:]
  /// The sockets that a client opened and that are not reported closed, in order.
  private var sockets: [String: [Int]] = [:]
  private var owners: [Int: String] = [:]
  private var closed: Set<Int> = []
  private var inbox: [String: [JSONValue]] = [:]
  private var nextSocket = 1
  private let tokens: HelloTokens

  init(_ transcript: Transcript) {
    let clock = Locked(start)
    self.clock = clock
    now = start
    let tokens = HelloTokens { clock.withLock { $0 } }
    self.tokens = tokens
    tokens.serve("http://localhost:8080")
    var nextcloud = Nextcloud { tokens.issue(for: $0) }
    for conversation in Self.conversations(in: transcript) {
      nextcloud.conversations[conversation.token] = conversation
    }
    server = TalkServer(nextcloud: nextcloud, hub: SignalingHub { tokens.authenticate(version: $0, $1) })
  }

  /// The conversations with the rules that the recording shows when they are first seen.
  private static func conversations(in transcript: Transcript) -> [HostedConversation] {
    var conversations: [HostedConversation] = []
    for row in transcript.rows
    where row.channel == "http" && row.direction == "recv" && row.value["url"].string?.hasSuffix("/active") == true {
      let room = row.value["body"]["ocs"]["data"]
      guard let token = room["token"].string, let name = room["name"].string, room["participantType"] == 4,
        !conversations.contains(where: { $0.token == token })
      else { continue }
      var conversation = HostedConversation(token: token, name: name)
      conversation.hasLobby = room["lobbyState"] == 1
      conversation.isReadOnly = room["readOnly"] == 1
      conversation.requiresRecordingConsent = room["recordingConsent"] == 1
      if room["hasPassword"] == true { conversation.password = "Sesam-öppna 1" }
      conversation.guestPermissions = .init(rawValue: room["permissions"].int ?? 0)
      conversations.append(conversation)
    }
    return conversations
  }

  private var time: Int { Int((now - start) / .seconds(1)) }

  mutating func run(_ transcript: Transcript) {
    for row in transcript.rows {
      pass(until: start + row.time)
      switch (row.channel, row.direction) {
      case ("http", "send"): send(row)
      case ("http", "recv"): compareReply(row)
      case ("ws", "open"): open(row.who)
      case ("ws", "send"): sendMessage(row)
      case ("ws", "recv"): compareMessage(row)
      case ("ws", "abort"):
        if let socket = sockets[row.who]?.last { close(socket) }
      case ("ws", "close"):
        if sockets[row.who]?.isEmpty == false { close(sockets[row.who]!.removeFirst()) }
      case ("note", _): note(row.value["text"].string ?? "")
      default: break
      }
    }
  }

  /// Ends all connections, and lets every deadline pass.
  /// - Returns: The signaling server's state.
  mutating func end() -> SignalingHub {
    for socket in owners.keys.sorted() { close(socket) }
    pass(until: now + .seconds(120))
    return server.hub
  }

  private mutating func pass(until instant: ContinuousClock.Instant) {
    var count = 0
    while let deadline = server.deadline, deadline <= instant {
      count += 1
      guard count < 10_000 else {
        hasStalled = true
        break
      }
      setNow(max(deadline, now))
      perform(server.handleTimeout(time: time, at: now))
    }
    setNow(max(instant, now))
  }

  private mutating func setNow(_ instant: ContinuousClock.Instant) {
    now = instant
    clock.withLock { $0 = instant }
  }

  /// What the one who recorded did to the servers.
  private mutating func note(_ text: String) {
    guard text == "signaling server SIGTERM" else { return }
    let tokens = tokens
    server.hub = SignalingHub { tokens.authenticate(version: $0, $1) }
    closed.formUnion(owners.keys)
  }

  private mutating func fail(_ row: Transcript.Row, _ what: String) {
    differences.append("\(row.time) \(row.who): \(what)")
  }

  // MARK: HTTP

  private mutating func send(_ row: Transcript.Row) {
    if row.who == "alice(api)" { return moderate(row) }
    guard let url = URLComponents(string: row.value["url"].string ?? "") else { return }
    var query: [String: String] = [:]
    for item in url.queryItems ?? [] { query[item.name] = item.value }
    if let last = query["lastKnownMessageId"].flatMap(Int.init), case .number(let ours)? = identifiers[.int(last)] {
      query["lastKnownMessageId"] = String(Int(ours))
    }
    var body = translated(row.value["body"])
    if let mutator {
      body = mutator.spoiled(body.text).first.flatMap { JSONValue(parsing: $0.utf8) } ?? .null
      query = query.mapValues { mutator.spoiled($0, share: 10).first ?? "" }
    }
    let request = Nextcloud.Request(
      method: row.value["method"].string ?? "", path: url.path, query: query,
      cookies: cookies[row.who].map { [Nextcloud.sessionCookieName: $0] } ?? [:], body: body)
    let (reply, effects) = server.handle(request, time: time, at: now)
    cookies[row.who] = reply.sessionCookie
    let key = row.who + (row.value["url"].string ?? "")
    replies[key, default: []].append(reply)
    requests[key] = request
    perform(effects)
    // A logged-in moderator of the recording is a guest here whom the room makes a moderator.
    if row.who == "Alice", url.path.hasSuffix("/participants/active"), request.method == "POST", reply.status == 200 {
      let session = reply.body?["ocs"]["data"]["sessionId"].string
      let token = reply.body?["ocs"]["data"]["token"].string ?? ""
      _ = server.moderate(time: time, at: now) { $0.promote(token) { $0.talkSession == session } }
    }
  }

  private mutating func compareReply(_ row: Transcript.Row) {
    guard row.who != "alice(api)" else { return }
    let url = row.value["url"].string ?? ""
    let key = row.who + url
    guard var reply = replies[key]?.first else { return fail(row, "no reply to \(url)") }
    replies[key]!.removeFirst()
    if reply.waitsForChat != nil, var request = requests[key] {
      // The long poll is over.
      request.query["timeout"] = "0"
      reply = server.handle(request, time: time, at: now).reply
    }
    if url.hasSuffix("/login") { return }
    comparisons += 1
    guard .int(reply.status) == row.value["status"] else {
      return fail(row, "\(url) was answered \(row.value["status"].int ?? 0), here \(reply.status)")
    }
    let recorded = row.value["body"]
    guard recorded.object != nil else { return }
    let ours = reply.body ?? .null
    learn(recorded, ours)
    if let last = row.value["headers"]["X-Chat-Last-Given"].string.flatMap(Int.init) {
      guard let our = reply.headers["X-Chat-Last-Given"].flatMap(Int.init) else {
        return fail(row, "\(url) has no X-Chat-Last-Given here")
      }
      identifiers[.int(last)] = .int(our)
    }
    if recorded["ocs"]["data"]["error"] != ours["ocs"]["data"]["error"] {
      fail(row, "\(url) has the error \(recorded["ocs"]["data"]["error"]), here \(ours["ocs"]["data"]["error"])")
    }
    // Of the capabilities only those that concern a call are there.
    if url.hasSuffix("/capabilities") { return }
    let missing = Self.missingKeys(of: recorded, in: ours)
    if !missing.isEmpty { fail(row, "\(url) lacks \(missing) here") }
  }

  /// What a moderator did over HTTP.
  private mutating func moderate(_ row: Transcript.Row) {
    guard let url = URLComponents(string: row.value["url"].string ?? "") else { return }
    let parts = url.path.split(separator: "/").map(String.init)
    let token = parts.count > 5 ? parts[5] : ""
    let body = row.value["body"]
    let time = time
    switch (row.value["method"].string, parts.dropFirst(6).joined(separator: "/")) {
    case ("PUT", "webinar/lobby"):
      change(token) { $0.hasLobby = body["state"] == 1 }
    case ("PUT", "attendees/permissions"):
      change(token) { $0.guestPermissions = .init(rawValue: body["permissions"].int ?? 0) }
    case ("PUT", ""): change(token) { $0.name = body["roomName"].string ?? "" }
    case ("DELETE", "attendees"):
      let attendee = url.queryItems?.first { $0.name == "attendeeId" }?.value.flatMap(Int.init)
      let ours = attendee.flatMap { identifiers[.string("attendee \($0)")]?.int }
      perform(server.moderate(time: time, at: now) { $0.evict(token) { $0.attendeeID == ours } })
    case ("DELETE", ""): perform(server.moderate(time: time, at: now) { $0.delete(token) })
    case (let method, "public"): change(token) { $0.isPublic = method == "POST" }
    case (let method, let what): fail(row, "\(method ?? "") \(what) is not understood")
    }
  }

  private mutating func change(_ token: String, _ change: (inout HostedConversation) -> Void) {
    perform(server.moderate(time: time, at: now) { $0.change(token, time: 0, change) })
  }

  // MARK: Sockets

  private mutating func open(_ who: String) {
    sockets[who, default: []].append(nextSocket)
    owners[nextSocket] = who
    perform(server.handle(.opened(nextSocket), time: time, at: now))
    nextSocket += 1
  }

  private mutating func close(_ socket: Int) {
    guard closed.insert(socket).inserted else { return }
    perform(server.handle(.closed(socket), time: time, at: now))
  }

  private mutating func sendMessage(_ row: Transcript.Row) {
    if sockets[row.who] == nil { open(row.who) }
    guard let socket = sockets[row.who]?.last else { return fail(row, "a message without a socket") }
    let text: String
    if let raw = row.value["msg"].string { text = raw } else { text = translated(row.value["msg"]).text }
    for text in mutator?.spoiled(text) ?? [text] {
      perform(server.handle(.received(socket, text), time: time, at: now))
    }
  }

  private mutating func compareMessage(_ row: Transcript.Row) {
    if sockets[row.who] == nil { open(row.who) }
    let recorded = row.value["msg"]
    let data = recorded["message"]["data"]
    // Candidates are the media's business; a list of conversations is what logged-in users have.
    if data["type"] == "candidate" { return }
    if recorded["event"]["target"] == "roomlist", recorded["event"]["type"] == "update" { return }
    comparisons += 1
    let kind = Self.kind(recorded)
    guard let index = inbox[row.who]?.firstIndex(where: { Self.kind($0) == kind }) else {
      return fail(row, "got \(kind), not here; here is \(inbox[row.who]?.map(Self.kind) ?? [])")
    }
    let ours = inbox[row.who]!.remove(at: index)
    learn(recorded, ours)
    let missing = Self.missingKeys(of: recorded, in: ours)
    if !missing.isEmpty { fail(row, "\(kind) lacks \(missing) here") }
    let users = ours["event"]["update"]["users"].array ?? []
    for user in recorded["event"]["update"]["users"].array ?? [] {
      let our = users.first { $0["sessionId"] == translated(user["sessionId"]) }
      if our?["inCall"] != user["inCall"] {
        fail(row, "\(kind) has call flags \(user["inCall"]), here \(our?["inCall"] ?? "none") of \(users.count)")
      }
    }
  }

  /// What a message is, apart from its values.
  private static func kind(_ message: JSONValue) -> String {
    let event = message["event"]
    let parts: [JSONValue] = [
      message["id"], message["type"], message["error"]["code"], event["target"], event["type"],
      message["message"]["data"]["type"], message["bye"]["reason"], event["update"]["all"],
      message["room"]["roomid"] == "" ? "none" : .null,
    ]
    return parts.compactMap { $0.string ?? $0.bool.map { "\($0)" } }.joined(separator: " ")
  }

  private mutating func perform(_ effects: [TalkServer.Effect]) {
    for effect in effects {
      switch effect {
      case .send(let socket, let message): inbox[owners[socket]!, default: []].append(message)
      case .close(let socket, _): close(socket)
      case .media(.publish(let session, _)):
        report(.published(session: session, sdp: "v=0"))
        report(.publisherConnected(session: session))
      case .media(.subscribe(let handle, _)), .media(.updateSubscription(let handle)):
        report(.subscriptionOffer(handle: handle, sdp: "v=0"))
      case .media, .notify: break
      }
    }
  }

  private mutating func report(_ event: MediaEvent) { perform(server.handle(.media(event), time: time, at: now)) }

  // MARK: Identifiers and keys

  private static let identifying: Set<String> = [
    "sessionId", "sessionid", "resumeid", "token", "ticket", "roomsessionid", "nextcloudSessionId", "sid", "actorId",
    "id", "from", "to", "leave",
  ]

  /// Takes down which of our identifiers stands where the recorded server had one of its own.
  private mutating func learn(_ recorded: JSONValue, _ ours: JSONValue, under key: String = "") {
    switch (recorded, ours) {
    case (.object(let recorded), .object(let ours)):
      for (key, value) in recorded { learn(value, ours[key] ?? .null, under: key) }
    case (.array(let recorded), .array(let ours)):
      // Participants are in any order; their ids have been learned before.
      if recorded.count == 1 && ours.count == 1 || key == "data", let first = ours.first, !recorded.isEmpty {
        learn(recorded[0], first, under: key)
      }
    case (.string, .string), (.number, .number):
      guard Self.identifying.contains(key), identifiers[recorded] == nil else { break }
      identifiers[recorded] = ours
    default: break
    }
    if let attendee = recorded["attendeeId"].int, key == "data" {
      identifiers[.string("attendee \(attendee)")] = ours["attendeeId"]
    }
  }

  private func translated(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(let members): .object(members.mapValues(translated))
    case .array(let elements): .array(elements.map(translated))
    case .string: identifiers[value] ?? value
    default: value
    }
  }

  /// What only logged-in users have.
  private static let ofUsers: Set<String> = ["user", "userid", "userId"]

  /// The keys, with their path, that are missing in ours.
  private static func missingKeys(of recorded: JSONValue, in ours: JSONValue) -> [String] {
    switch (recorded, ours) {
    case (.object(let recorded), .object(let ours)):
      return recorded.filter { !ofUsers.contains($0.key) }.flatMap { key, value in
        guard let our = ours[key] else { return [key] }
        return missingKeys(of: value, in: our).map { "\(key).\($0)" }
      }
    case (.array(let recorded), .array(let ours)):
      guard let our = ours.first else { return [] }
      return Set(recorded.flatMap { missingKeys(of: $0, in: our) }).sorted()
    default: return []
    }
  }
}
