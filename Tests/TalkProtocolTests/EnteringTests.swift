import Testing

@testable import TalkProtocol

@Suite struct EnteringTests {
  @Test func `everything is done in the protocol's order, one after the other`() throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    #expect(Rehearsal.requested(stage.news()) == [.readCapabilities])
    #expect(stage.lastRequest?.url == "https://cloud.example.com/ocs/v2.php/cloud/capabilities")
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    #expect(Rehearsal.requested(stage.news()) == [.joinConversation])
    stage.reply(.joinConversation, 200, Rehearsal.room())
    #expect(Rehearsal.requested(stage.news()) == [.setGuestName])
    stage.reply(.setGuestName)
    #expect(Rehearsal.requested(stage.news()) == [.readSignalingSettings])
    #expect(stage.sockets.isEmpty)
    stage.reply(.readSignalingSettings, 200, Rehearsal.settings)
    let socket = try #require(stage.sockets.last)
    #expect(stage.effects.contains(.openSocket(socket, url: "wss://hpb.example.com/spreed")))
    stage.handle(.socketOpened(socket))
    #expect(stage.sent.isEmpty, "the welcome comes first")
    stage.say(.welcome(ServerDescription(version: "2", features: Rehearsal.features)))
    guard case .hello(let hello) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(hello.version == "2.0" && hello.auth?.params?.token == "JWT")
    #expect(hello.auth?.url == "https://cloud.example.com/ocs/v2.php/apps/spreed/api/v3/signaling/backend")
    stage.greet()
    guard case .room(let room) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(room.roomid == Rehearsal.token && room.sessionid == "NC")
    stage.advance(.seconds(2))
    #expect(stage.lastRequest?.purpose == .readSignalingSettings, "never the call before the room's answer")
    stage.say(.room(RoomState(roomid: Rehearsal.token)), id: stage.lastID(.room))
    let call = try #require(stage.lastRequest)
    #expect(call.purpose == .joinCall && call.method == .post)
    #expect(call.url == "https://cloud.example.com/ocs/v2.php/apps/spreed/api/v4/call/abcd1234")
    #expect(call.json["flags"] == 3 && call.json["silent"] == true)
    stage.reply(.joinCall)
    stage.update(["P": .speaking])
    #expect(Rehearsal.offerRequests(stage.effects).isEmpty, "not before we are confirmed")
    #expect(stage.publisher == nil)
    stage.update(["P": .speaking, Rehearsal.own: .speaking])
    #expect(Rehearsal.offerRequests(stage.effects) == ["P"])
    #expect(stage.publisher != nil)
    #expect(stage.session.phase == .inCall)
  }

  @Test func `our own entry counts as soon as it comes, even before the answer to joining the call`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom)
    stage.update(["P": .speaking, Rehearsal.own: .speaking])
    #expect(stage.session.phase == .inCall)
    #expect(Rehearsal.offerRequests(stage.effects) == ["P"])
    stage.reply(.joinCall)
    #expect(stage.session.phase == .inCall)
  }

  // MARK: Each failure by its name

  struct Case: Sendable, CustomTestStringConvertible {
    var purpose: HTTPRequest.Purpose
    var status: Int
    var data: JSONValue = .null
    var password: String?
    var expected: CallFailure
    var testDescription: String { "\(purpose) \(status) gives \(expected.identifier)" }
  }

  static let refusals: [Case] = [
    .init(
      purpose: .readCapabilities, status: 404,
      expected: .notATalkServer(host: "cloud.example.com", detail: "it answered with HTTP status 404")),
    .init(
      purpose: .readCapabilities, status: 200, data: 5, expected: .talkUnavailable),
    .init(purpose: .readCapabilities, status: 200, data: ["capabilities": []], expected: .talkUnavailable),
    .init(
      purpose: .readCapabilities, status: 200, data: Rehearsal.capabilities(features: ["conversation-v4"]),
      expected: .talkTooOld(missing: "signaling-v3")),
    .init(
      purpose: .readCapabilities, status: 200, data: Rehearsal.capabilities(call: ["enabled": false]),
      expected: .callsDisabled),
    .init(
      purpose: .readCapabilities, status: 200, data: Rehearsal.capabilities(call: ["end-to-end-encryption": true]),
      expected: .endToEndEncrypted),
    .init(
      purpose: .readCapabilities, status: 200,
      data: Rehearsal.capabilities(
        features: ["conversation-v4", "signaling-v3", "call-end-to-end-encryption"], call: [:]),
      expected: .endToEndEncrypted),
    .init(purpose: .readCapabilities, status: 429, expected: .rateLimited),
    .init(
      purpose: .readCapabilities, status: 500,
      expected: .serverError(doing: "telling what it can do", status: 500)),
    .init(purpose: .joinConversation, status: 403, data: ["error": "password"], expected: .passwordNeeded),
    .init(
      purpose: .joinConversation, status: 403, data: ["error": "password"], password: "x", expected: .passwordWrong),
    .init(purpose: .joinConversation, status: 403, data: ["error": "ban"], expected: .banned),
    .init(purpose: .joinConversation, status: 403, data: [], expected: .conversationForbidden),
    .init(purpose: .joinConversation, status: 404, expected: .unknownConversation),
    .init(purpose: .joinConversation, status: 401, expected: .loginNeeded),
    .init(purpose: .joinConversation, status: 422, expected: .federated),
    .init(
      purpose: .joinConversation, status: 200, data: Rehearsal.room(["remoteServer": "https://other.example.com"]),
      expected: .federated),
    .init(purpose: .joinConversation, status: 429, expected: .rateLimited),
    .init(
      purpose: .joinConversation, status: 200, data: Rehearsal.room(["sessionId": "0"]),
      expected: .serverError(doing: "letting us into the conversation", status: 200)),
    .init(purpose: .joinConversation, status: 200, data: Rehearsal.room(["lobbyState": 1]), expected: .lobby),
    .init(purpose: .readSignalingSettings, status: 404, expected: .unknownConversation),
    .init(
      purpose: .readSignalingSettings, status: 200, data: ["signalingMode": "internal", "server": ""],
      expected: .noSignalingServer),
    .init(
      purpose: .readSignalingSettings, status: 200,
      data: ["signalingMode": "external", "server": "https://h", "federation": ["server": "x"]], expected: .federated),
    .init(purpose: .joinCall, status: 400, data: ["error": "consent"], expected: .consentNeeded),
    .init(purpose: .joinCall, status: 400, data: ["error": "type"], expected: .callRefused(reason: "type")),
    .init(purpose: .joinCall, status: 403, expected: .callForbidden),
    .init(purpose: .joinCall, status: 412, expected: .lobby),
  ]

  @Test(arguments: refusals)
  func `a refusal ends the session under its own name`(refusal: Case) throws {
    var stage = try Rehearsal { $0.password = refusal.password }
    let before: [HTTPRequest.Purpose: Rehearsal.Milestone] = [
      .readCapabilities: .started, .joinConversation: .checked, .readSignalingSettings: .named, .joinCall: .inRoom,
    ]
    stage.proceed(to: try #require(before[refusal.purpose]))
    stage.reply(refusal.purpose, refusal.status, refusal.data)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(refusal.expected))
    #expect(refusal.expected.description.count > 30)
  }

  @Test(arguments: [
    (TransportFailure.unreachable(detail: "x"), CallFailure.hostUnreachable(host: "cloud.example.com", detail: "x")),
    (.tls(detail: "y"), .tlsFailure(host: "cloud.example.com", detail: "y")),
    (.timedOut, .noAnswer(host: "cloud.example.com")),
  ])
  func `a host that is not reached ends the session at once`(failure: TransportFailure, expected: CallFailure) throws {
    var stage = try Rehearsal()
    stage.proceed(to: .started)
    stage.fail(failure)
    #expect(stage.outcome == .failed(expected))
  }

  @Test func `what is no Nextcloud at all is named so`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .started)
    let request = try #require(stage.lastRequest)
    stage.handle(.reply(request.id, HTTPReply(status: 200, body: Array("<html>".utf8))))
    guard case .failed(.notATalkServer) = try #require(stage.outcome) else { throw Unexpected() }
  }

  @Test func `a locked conversation is named so`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom, room: ["readOnly": 1])
    stage.reply(.joinCall, 403)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.readOnly))
  }

  @Test func `a guest name that is refused is tolerated`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .joined)
    stage.reply(.setGuestName, 404)
    #expect(stage.lastRequest?.purpose == .readSignalingSettings)
  }

  @Test func `a user with an account, or without a name, sets no guest name`() throws {
    var user = try Rehearsal()
    user.proceed(to: .joined, room: ["actorType": "users"])
    #expect(user.lastRequest?.purpose == .readSignalingSettings)
    var nameless = try Rehearsal { $0.displayName = "" }
    nameless.proceed(to: .joined)
    #expect(nameless.lastRequest?.purpose == .readSignalingSettings)
  }

  @Test func `password, consent and ringing are passed on as asked`() throws {
    var stage = try Rehearsal {
      $0.password = "secret"
      $0.consentsToRecording = true
      $0.ringsOthers = true
    }
    stage.proceed(to: .checked)
    #expect(stage.lastRequest?.json["password"] == "secret")
    stage.rejoin(to: .inRoom)
    #expect(stage.lastRequest?.json["recordingConsent"] == true)
    #expect(stage.lastRequest?.json["silent"] == false)
  }

  @Test func `no secret is in what may be logged`() throws {
    var stage = try Rehearsal { $0.password = "hunter2" }
    stage.proceed(to: .inCall)
    for secret in ["hunter2", "JWT", "TICKET", "RESUME"] {
      #expect(!stage.effects.contains { "\($0)".contains(secret) })
    }
  }

  // MARK: Hello

  @Test(arguments: [
    (["hello-v2", "mcu"], true, true, "2.0"), (["mcu"], true, true, "1.0"), (["hello-v2"], false, true, "1.0"),
    (["mcu"], true, false, "2.0"),
  ])
  func `hello is of version 2 if both sides can, else 1`(features: [String], jwt: Bool, ticket: Bool, expected: String)
    throws
  {
    var stage = try Rehearsal()
    stage.proceed(to: .named)
    var parameters: [String: JSONValue] = [:]
    if jwt { parameters["2.0"] = ["token": "JWT"] }
    if ticket { parameters["1.0"] = ["userid": nil, "ticket": "TICKET"] }
    stage.reply(
      .readSignalingSettings, 200,
      ["signalingMode": "external", "server": "https://h", "helloAuthParams": .object(parameters)])
    stage.handle(.socketOpened(try #require(stage.sockets.last)))
    stage.say(.welcome(ServerDescription(features: features)))
    guard case .hello(let hello) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(hello.version == expected)
    #expect(hello.auth?.params?.ticket == (expected == "1.0" ? "TICKET" : nil))
  }

  @Test func `without a welcome we greet after a second, within the server's two`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .opened)
    stage.advance(.milliseconds(900))
    #expect(stage.sent.isEmpty)
    stage.advance(.milliseconds(200))
    #expect(stage.lastID(.hello) != nil)
  }

  @Test func `a server that knows only version 1 is greeted again`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .welcomed)
    stage.error("invalid_hello_version", id: stage.lastID(.hello))
    guard case .hello(let hello) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(hello.version == "1.0" && hello.auth?.params?.ticket == "TICKET")
  }

  @Test(arguments: ["token_expired", "token_not_valid_yet", "invalid_token", "invalid_ticket", "auth_failed"])
  func `a token that is not accepted is fetched again, once`(code: String) throws {
    var stage = try Rehearsal()
    stage.proceed(to: .welcomed)
    stage.error(code, id: stage.lastID(.hello))
    #expect(stage.outcome == nil)
    #expect(stage.effects.contains(.closeSocket(stage.sockets[0])))
    stage.reply(.readSignalingSettings, 200, Rehearsal.settings)
    stage.handle(.socketOpened(stage.sockets[1]))
    stage.say(.welcome(ServerDescription(features: Rehearsal.features)))
    stage.error(code, id: stage.lastID(.hello))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.signalingRefused(code: code, message: "No.")))
  }

  @Test(arguments: [
    ("invalid_backend", CallFailure.backendUnknownToSignaling(url: "https://cloud.example.com")),
    ("session_limit_exceeded", .sessionLimit),
    ("too_many_requests", .signalingRefused(code: "too_many_requests", message: "No.")),
    ("something_new", .signalingRefused(code: "something_new", message: "No.")),
  ])
  func `a refused hello ends the session under its own name`(code: String, expected: CallFailure) throws {
    var stage = try Rehearsal()
    stage.proceed(to: .welcomed)
    stage.error(code, id: stage.lastID(.hello))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(expected))
    #expect(Rehearsal.requested(stage.effects).last == .leaveConversation)
  }

  @Test func `a signaling server without a media server is refused`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .opened)
    stage.say(.welcome(ServerDescription(features: ["hello-v2"])))
    stage.say(
      .hello(
        HelloReply(version: "2.0", sessionid: "x", resumeid: "y", server: ServerDescription(features: ["hello-v2"]))),
      id: stage.lastID(.hello))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.noMediaServer))
  }

  @Test func `a signaling server that cannot be reached, hangs, or hangs up is named so`() throws {
    var refused = try Rehearsal()
    refused.proceed(to: .settled)
    refused.handle(.socketClosed(refused.sockets[0], .unreachable(detail: "refused")))
    refused.advance(.seconds(1))
    #expect(refused.outcome == .failed(.signalingUnreachable(detail: "refused")))
    var untrusted = try Rehearsal()
    untrusted.proceed(to: .settled)
    untrusted.handle(.socketClosed(untrusted.sockets[0], .tls(detail: "expired")))
    untrusted.advance(.seconds(1))
    #expect(untrusted.outcome == .failed(.tlsFailure(host: "https://hpb.example.com/", detail: "expired")))
    for milestone in [Rehearsal.Milestone.settled, .welcomed] {
      var silent = try Rehearsal()
      silent.proceed(to: milestone)
      silent.advance(.seconds(9))
      guard case .failed(.signalingUnreachable) = try #require(silent.outcome) else { throw Unexpected() }
    }
    var closed = try Rehearsal()
    closed.proceed(to: .welcomed)
    closed.handle(.socketClosed(closed.sockets[0], nil))
    closed.advance(.seconds(1))
    guard case .failed(.signalingUnreachable) = try #require(closed.outcome) else { throw Unexpected() }
  }

  // MARK: Room

  @Test func `having joined already is success`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .greeted)
    stage.error("already_joined", id: stage.lastID(.room))
    #expect(stage.lastRequest?.purpose == .joinCall)
  }

  @Test(arguments: ["no_such_room", "duplicate_session"])
  func `a room that does not know our session is joined anew, once, with a new socket`(code: String) throws {
    var stage = try Rehearsal()
    stage.proceed(to: .greeted)
    stage.error(code, id: stage.lastID(.room))
    #expect(stage.lastRequest?.purpose == .joinConversation)
    #expect(stage.effects.contains(.closeSocket(stage.sockets[0])))
    stage.rejoin(to: .greeted)
    stage.error(code, id: stage.lastID(.room))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.roomRefused(code: code, message: "No.")))
  }

  @Test func `a room that is refused for another reason is asked again after 1, 2 and 5 seconds`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .greeted)
    for pause in [1, 2, 5] {
      stage.forget()
      stage.error("internal_error", id: stage.lastID(.room))
      stage.advance(.seconds(pause) - .milliseconds(1))
      #expect(Rehearsal.sent(stage.news()).isEmpty)
      stage.advance(.milliseconds(1))
      #expect(Rehearsal.sent(stage.news()).count == 1)
    }
    stage.error("internal_error", id: stage.lastID(.room))
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.roomRefused(code: "internal_error", message: "No.")))
  }

  // MARK: Call

  @Test func `a call that nobody confirms is joined again until it is, with the same flags`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .posted)
    let first = try #require(stage.lastRequest)
    stage.advance(.seconds(1))
    let second = try #require(stage.lastRequest)
    #expect(second.id != first.id && second.purpose == .joinCall && second.body == first.body)
    stage.reply(.joinCall)
    stage.update([Rehearsal.own: .speaking])
    stage.forget()
    stage.advance(.seconds(60))
    #expect(!Rehearsal.requested(stage.news()).contains(.joinCall), "once confirmed, never again")
  }

  @Test func `a call that is never confirmed is given up`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .posted)
    for pause in [1, 1, 2] {
      stage.advance(.seconds(pause))
      stage.reply(.joinCall)
    }
    stage.advance(.seconds(4))
    #expect(stage.session.phase == .leaving)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.callNotConfirmed))
  }

  @Test func `a session that Nextcloud has lost is joined anew, once`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom)
    stage.reply(.joinCall, 404)
    #expect(stage.lastRequest?.purpose == .joinConversation)
    stage.rejoin(to: .inRoom)
    stage.reply(.joinCall, 404)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.conversationGone))
  }

  @Test func `a server that fails over the call is asked again after 1, 2 and 5 seconds`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inRoom)
    for pause in [1, 2, 5] {
      stage.reply(.joinCall, 500)
      stage.forget()
      stage.advance(.seconds(pause))
      #expect(Rehearsal.requested(stage.news()) == [.joinCall])
    }
    stage.reply(.joinCall, 500)
    stage.advance(.seconds(1))
    #expect(stage.outcome == .failed(.serverError(doing: "letting us into the call", status: 500)))
  }
}

struct Unexpected: Error {}

extension HTTPRequest {
  var json: JSONValue { body.flatMap { try? JSONCoding.decode(JSONValue.self, from: $0) } ?? .null }
}
