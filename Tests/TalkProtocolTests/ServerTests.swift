import Foundation
import Testing

@testable import TalkProtocol

/// Servers that have moved, sleep, are old, or count what we do wrong.
@Suite struct ServerTests {
  private static let endpoint = "/ocs/v2.php/cloud/capabilities"

  /// Answers what the server can do, from `url` or by a redirect.
  private static func answer(
    _ stage: inout Rehearsal, status: Int = 200, from url: String? = nil, location: String? = nil, page: String? = nil
  ) {
    guard let request = stage.lastRequest else { return }
    let body = JSONCoding.encode(
      JSONValue.object(["ocs": ["meta": ["status": "ok"], "data": Rehearsal.capabilities()]]))
    stage.handle(
      .reply(
        request.id,
        HTTPReply(status: status, body: page.map { Array($0.utf8) } ?? body, url: url, location: location)))
  }

  // MARK: Moved

  @Test(arguments: [301, 302, 307, 308])
  func `a server that sends us elsewhere is asked there, and all that follows goes there`(status: Int) throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    let base = "https://new.example.com:8443/nextcloud"
    Self.answer(&stage, status: status, location: base + Self.endpoint)
    #expect(stage.lastRequest?.url == base + Self.endpoint)
    #expect(stage.reports.contains(.serverMoved(to: base)))
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    #expect(stage.lastRequest?.url == base + "/ocs/v2.php/apps/spreed/api/v4/room/abcd1234/participants/active")
    stage.rejoin(to: .welcomed)
    guard case .hello(let hello) = try #require(stage.sent.last).content else { throw Unexpected() }
    #expect(hello.auth?.url == base + "/ocs/v2.php/apps/spreed/api/v3/signaling/backend")
  }

  @Test func `after a redirect to TLS that was followed, all goes over TLS`() throws {
    var stage = try Rehearsal { $0.address = try! ConversationAddress("http://cloud.example.com/call/abcd1234") }
    stage.handle(.start)
    Self.answer(&stage, from: "https://cloud.example.com" + Self.endpoint + "?format=json")
    #expect(stage.lastRequest?.purpose == .joinConversation)
    #expect(stage.lastRequest?.url.hasPrefix("https://cloud.example.com/ocs/") == true)
  }

  @Test func `an answer from where it was asked moves nothing`() throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    Self.answer(&stage, from: "https://cloud.example.com" + Self.endpoint)
    #expect(!stage.reports.contains { if case .serverMoved = $0 { true } else { false } })
  }

  @Test(arguments: [
    "http://cloud.example.com/ocs/v2.php/cloud/capabilities", "https://sso.example.com/login?secret=1",
    "https://user:x@new.example.com/ocs/v2.php/cloud/capabilities", "/login", "\u{1B}[31m", "",
  ])
  func `a redirect that is less secure, or leads to another page, ends it and says where it leads`(location: String)
    throws
  {
    var stage = try Rehearsal()
    stage.handle(.start)
    Self.answer(&stage, status: 302, location: location)
    guard case .failed(.movedElsewhere(_, let target)) = stage.outcome else { throw Unexpected() }
    #expect(!target.contains("secret") && !target.contains("\u{1B}"))
  }

  @Test func `an app password is not taken to another server`() throws {
    var stage = try Rehearsal { $0.usesAccount = true }
    stage.handle(.start)
    Self.answer(&stage, status: 301, location: "https://new.example.com" + Self.endpoint)
    guard case .failed(.movedElsewhere) = stage.outcome else { throw Unexpected() }
    #expect(stage.requests.count == 1)
  }

  @Test func `servers that send us to each other are not followed for ever`() throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    for hop in 1...20 where stage.outcome == nil {
      Self.answer(&stage, status: 302, location: "https://h\(hop % 2).example.com" + Self.endpoint)
    }
    guard case .failed(.movedElsewhere) = stage.outcome else { throw Unexpected() }
    #expect(stage.requests.count < 8)
  }

  @Test func `a server that moves while we are in a call is found again`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inCall)
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.reply(.joinConversation, 301)
    stage.advance(.seconds(3))
    #expect(stage.lastRequest?.purpose == .readCapabilities)
    Self.answer(&stage, status: 301, location: "https://new.example.com" + Self.endpoint)
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    stage.rejoin(to: .inCall, own: "OWN2")
    #expect(stage.session.phase == .inCall)
    #expect(stage.lastRequest?.url.hasPrefix("https://new.example.com/") == true)
  }

  @Test func `a name that the installation does not know is told from a wrong address`() throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    Self.answer(
      &stage, status: 400, page: "<p>Bearbeiten Sie die Einstellung „trusted_domains“ in config/config.php</p>")
    #expect(stage.outcome == .failed(.untrustedHost(host: "cloud.example.com")))
  }

  // MARK: Asleep

  @Test(arguments: [Rehearsal.Milestone.started, .checked, .named])
  func `maintenance is waited out at any time, slowly, and the server is asked anew`(milestone: Rehearsal.Milestone)
    throws
  {
    var stage = try Rehearsal()
    stage.proceed(to: milestone)
    let purpose = try #require(stage.lastRequest?.purpose)
    stage.reply(purpose, 503, isMaintenance: true)
    guard case .waitingForServer(let reason) = stage.session.phase else { throw Unexpected() }
    #expect(reason.contains("maintenance"))
    var requests = 0
    while stage.now - stage.start < .seconds(7200) {
      stage.forget()
      stage.advance(.seconds(10))
      for _ in Rehearsal.requested(stage.news()) {
        requests += 1
        stage.reply(.readCapabilities, 503, isMaintenance: true, retryAfter: .seconds(60))
      }
    }
    #expect((80...125).contains(requests), "about once a minute for two hours")
    #expect(stage.outcome == nil)
    stage.advance(.seconds(120))
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities())
    stage.rejoin(to: .inCall)
    #expect(stage.session.phase == .inCall)
  }

  @Test func `waiting for a server is left at once`() throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    stage.reply(.readCapabilities, 503, isMaintenance: true)
    stage.handle(.leave)
    #expect(stage.outcome == .left)
    #expect(stage.requests.count == 1)
  }

  // MARK: Old and new

  private static func fixture(_ name: String) throws -> JSONValue {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let data = try Data(contentsOf: folder.appendingPathComponent("Fixtures/capabilities/\(name).json"))
    return try JSONCoding.decode(JSONValue.self, from: Array(data))["ocs"]["data"]
  }

  @Test(arguments: [15, 16, 18, 20, 23])
  func `every Talk from 15 on is entered`(version: Int) throws {
    var stage = try Rehearsal { $0.consentsToRecording = true }
    stage.handle(.start)
    stage.reply(.readCapabilities, 200, try Self.fixture("talk-\(version)"))
    stage.rejoin(to: .inCall)
    #expect(stage.session.phase == .inCall)
  }

  @Test func `Talk 11 is too old, and says what it lacks`() throws {
    var stage = try Rehearsal()
    stage.handle(.start)
    stage.reply(.readCapabilities, 200, try Self.fixture("talk-11"))
    #expect(stage.outcome == .failed(.talkTooOld(missing: "conversation-v4")))
  }

  @Test func `a Talk that can encrypt from end to end and does not say that it is off is refused`() throws {
    var stage = try Rehearsal()
    let talk = try Self.fixture("talk-23")["capabilities"]["spreed"]
    #expect(talk["config"]["call"]["end-to-end-encryption"] == false)
    let features = try #require(talk["features"].array).compactMap(\.string)
    stage.handle(.start)
    stage.reply(.readCapabilities, 200, Rehearsal.capabilities(features: features, call: ["enabled": true]))
    #expect(stage.outcome == .failed(.endToEndEncrypted))
  }

  // MARK: Counting

  @Test(arguments: [
    (HTTPRequest.Purpose.joinConversation, 404, JSONValue.null),
    (.joinConversation, 403, JSONValue.object(["error": "password"])),
    (.joinConversation, 429, .null), (.joinConversation, 401, .null), (.readSignalingSettings, 404, .null),
    (.readSignalingSettings, 401, .null),
  ])
  func `what the server counts against us is tried once`(purpose: HTTPRequest.Purpose, status: Int, data: JSONValue)
    throws
  {
    var stage = try Rehearsal { $0.password = "guess" }
    stage.proceed(to: purpose == .joinConversation ? .checked : .named)
    stage.reply(purpose, status, data)
    stage.advance(.seconds(3600))
    #expect(stage.requests.count { $0.purpose == purpose } == 1)
    guard case .failed = stage.outcome else { throw Unexpected() }
  }

  @Test func `a server that slows us down after a lost session is left alone as long as it says`() throws {
    var stage = try Rehearsal()
    stage.proceed(to: .inCall)
    stage.say(.bye(reason: ""))
    stage.advance(.seconds(1))
    stage.reply(.joinConversation, 429, retryAfter: .seconds(600))
    stage.forget()
    stage.advance(.seconds(599))
    #expect(Rehearsal.requested(stage.news()).isEmpty)
    stage.advance(.seconds(2))
    #expect(Rehearsal.requested(stage.news()) == [.joinConversation])
  }
}
