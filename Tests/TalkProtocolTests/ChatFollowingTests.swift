import TestSupport
import Testing

@testable import TalkProtocol

/// Every message is shown once and in order, whatever the server and the network do.
@Suite struct ChatFollowingTests {
  typealias Effect = ChatFollowing.Effect

  private static func page(_ ids: [Int], lastGiven: Int? = nil) -> HTTPReply {
    let messages = ids.map { ChatMessage(id: $0, message: "text") }
    return HTTPReply(
      status: 200, body: JSONCoding.encode(OCSEnvelope(meta: OCSMeta(), data: messages)),
      lastGiven: lastGiven ?? ids.last)
  }

  private static let nothing = HTTPReply(status: 304, body: [])
  private static func status(_ status: Int) -> HTTPReply { HTTPReply(status: status, body: []) }
  private static func shown(_ effects: [Effect]) -> [Int] {
    effects.reduce(into: []) { ids, effect in
      if case .show(let messages) = effect { ids += messages.compactMap(\.id) }
    }
  }
  private static func poll(_ after: Int, limit: Int = 200) -> Effect {
    .request(.messages(after: after, wait: .seconds(30), limit: limit))
  }

  /// Following, at message 10.
  private static func following() -> (ChatFollowing, ContinuousClock.Instant) {
    var following = ChatFollowing(since: 10, host: "h")
    let now = ContinuousClock.now
    #expect(following.handle(.started, at: now) == [.report(.following(after: 10)), poll(10)])
    return (following, now + .seconds(5))
  }

  @Test func `without a beginning it begins with what comes`() {
    var following = ChatFollowing(since: nil, host: "h")
    let now = ContinuousClock.now
    #expect(following.handle(.started, at: now) == [.request(.history(before: 0, limit: 1))])
    #expect(
      following.handle(.reply(Self.page([40], lastGiven: 41)), at: now) == [
        .report(.following(after: 41)), Self.poll(41),
      ])
  }

  @Test func `an empty chat is followed from its first message`() {
    var following = ChatFollowing(since: nil, host: "h")
    let now = ContinuousClock.now
    _ = following.handle(.started, at: now)
    #expect(following.handle(.reply(Self.nothing), at: now) == [.report(.following(after: 0)), Self.poll(0)])
  }

  @Test func `the next page begins where the server says`() {
    var (following, now) = Self.following()
    let effects = following.handle(.reply(Self.page([11, 12], lastGiven: 15)), at: now)
    #expect(Self.shown(effects) == [11, 12])
    #expect(effects.last == Self.poll(15))
    now += .seconds(5)
    #expect(following.handle(.reply(Self.page([], lastGiven: 17)), at: now) == [Self.poll(17)])
  }

  @Test func `what comes twice, late or in disorder is shown once and in order`() {
    var (following, now) = Self.following()
    #expect(Self.shown(following.handle(.reply(Self.page([12, 11, 12, 9, 10])), at: now)) == [11, 12])
    now += .seconds(5)
    #expect(Self.shown(following.handle(.reply(Self.page([11, 12, 13])), at: now)) == [13])
  }

  @Test func `a server that does not wait is not flooded`() {
    var (following, now) = Self.following()
    #expect(following.handle(.reply(Self.nothing), at: now) == [Self.poll(10)])
    #expect(following.handle(.reply(Self.nothing), at: now) == [.wait(.seconds(1))])
    #expect(following.handle(.waited, at: now) == [Self.poll(10)])
  }

  @Test func `a broken connection is taken up again, soon at first, and told when it lasts`() {
    var (following, now) = Self.following()
    let failure = ChatFollowing.Event.failed(.unreachable(detail: "x"))
    #expect(following.handle(failure, at: now) == [.wait(.milliseconds(100))])
    // A shorter answer may come through where a long one does not.
    #expect(following.handle(.waited, at: now) == [Self.poll(10, limit: 50)])
    let second = following.handle(failure, at: now)
    #expect(
      second == [
        .report(.interrupted(.room(.hostUnreachable(host: "h", detail: "x")))), .wait(.milliseconds(500)),
      ])
    for _ in 0..<20 {
      _ = following.handle(.waited, at: now)
      #expect(following.handle(failure, at: now).count == 1)
    }
    _ = following.handle(.waited, at: now)
    #expect(following.handle(failure, at: now) == [.wait(.seconds(30))])
    _ = following.handle(.waited, at: now)
    now += .seconds(5)
    let back = following.handle(.reply(Self.page([11])), at: now)
    #expect(back.first == .report(.restored))
    #expect(Self.shown(back) == [11])
    #expect(back.last == Self.poll(11, limit: 20))
  }

  @Test(arguments: [401, 403, 404])
  func `a forgotten session is renewed`(status: Int) {
    var (following, now) = Self.following()
    for _ in 0..<3 {
      #expect(following.handle(.reply(Self.status(status)), at: now) == [.request(.join)])
      #expect(following.handle(.reply(Self.status(200)), at: now) == [Self.poll(10)])
      now += .seconds(5)
      #expect(following.handle(.reply(Self.nothing), at: now) == [Self.poll(10)])
    }
  }

  @Test func `a new session that is of no use is the end`() {
    var (following, now) = Self.following()
    #expect(following.handle(.reply(Self.status(404)), at: now) == [.request(.join)])
    #expect(following.handle(.reply(Self.status(200)), at: now) == [Self.poll(10)])
    #expect(following.handle(.reply(Self.status(404)), at: now) == [.fail(.room(.conversationGone))])
    now += .seconds(5)
    #expect(following.handle(.waited, at: now) == [])
  }

  @Test func `a conversation that does not let us in again is the end`() {
    var (following, now) = Self.following()
    #expect(following.handle(.reply(Self.status(404)), at: now) == [.request(.join)])
    #expect(following.handle(.reply(Self.status(404)), at: now) == [.fail(.room(.unknownConversation))])
    now += .seconds(5)
  }

  @Test func `an outage while renewing the session is waited out`() {
    var (following, now) = Self.following()
    _ = following.handle(.reply(Self.status(404)), at: now)
    #expect(following.handle(.reply(Self.status(502)), at: now) == [.wait(.milliseconds(100))])
    #expect(following.handle(.waited, at: now) == [.request(.join)])
    now += .seconds(5)
    #expect(following.handle(.reply(Self.status(200)), at: now) == [Self.poll(10, limit: 50)])
  }

  @Test func `the lobby, maintenance and too many requests are waited out`() {
    let maintenance = HTTPReply(status: 503, body: [], retryAfter: .seconds(120), isMaintenance: true)
    for (reply, pause) in [
      (Self.status(412), Duration.seconds(10)), (maintenance, .seconds(120)), (Self.status(429), .seconds(60)),
    ] {
      var (following, now) = Self.following()
      #expect(following.handle(.reply(reply), at: now).last == .wait(pause))
      let limit = reply.status == 503 ? 50 : 200
      #expect(following.handle(.waited, at: now) == [Self.poll(10, limit: limit)])
      now += .seconds(5)
      #expect(following.handle(.reply(Self.nothing), at: now).last == Self.poll(10, limit: min(2 * limit, 200)))
    }
  }

  @Test func `nonsense is taken for an outage`() {
    var (following, now) = Self.following()
    let page = HTTPReply(status: 200, body: Array("<html>".utf8))
    #expect(following.handle(.reply(page), at: now) == [.wait(.milliseconds(100))])
    now += .seconds(5)
  }

  // MARK: With a bell

  private static func ask(_ after: Int) -> Effect { .request(.messages(after: after, wait: .zero, limit: 200)) }

  @Test func `where a bell rings nothing is held back, and asked for when it rings`() {
    var (following, now) = Self.following()
    #expect(following.handle(.hasBell(true), at: now) == [])
    #expect(following.handle(.reply(Self.page([11])), at: now).last == Self.ask(11))
    #expect(following.handle(.reply(Self.nothing), at: now) == [.wait(.seconds(10))])
    now += .seconds(5)
    #expect(following.handle(.rang, at: now) == [Self.ask(11)])
    let news = following.handle(.reply(Self.page([12])), at: now)
    #expect(Self.shown(news) == [12])
    #expect(news.last == Self.ask(12))
    #expect(following.handle(.reply(Self.nothing), at: now) == [.wait(.seconds(10))])
    // Not everything rings.
    #expect(following.handle(.waited, at: now) == [Self.ask(12)])
  }

  @Test func `a ring while we ask is not forgotten, and a bell that never stops does no harm`() {
    var (following, now) = Self.following()
    _ = following.handle(.hasBell(true), at: now)
    #expect(following.handle(.rang, at: now) == [])
    for _ in 0..<3 {
      #expect(following.handle(.reply(Self.nothing), at: now) == [.wait(.milliseconds(100))])
      #expect(following.handle(.rang, at: now) == [])
      #expect(following.handle(.waited, at: now) == [Self.ask(10)])
      #expect(following.handle(.rang, at: now) == [])
    }
    now += .seconds(1)
  }

  @Test func `when the bell is gone the server holds back its answer again`() {
    var (following, now) = Self.following()
    _ = following.handle(.hasBell(true), at: now)
    #expect(following.handle(.reply(Self.nothing), at: now) == [.wait(.seconds(10))])
    now += .seconds(1)
    #expect(following.handle(.hasBell(false), at: now) == [Self.poll(10)])
  }

  @Test(arguments: [403, 404])
  func `a session that is somebody else's business is waited for`(status: Int) {
    var following = ChatFollowing(since: 10, host: "h", renewsMembership: false)
    var now = ContinuousClock.now
    _ = following.handle(.started, at: now)
    #expect(following.handle(.reply(Self.status(status)), at: now) == [.wait(.milliseconds(100))])
    _ = following.handle(.waited, at: now)
    now += .seconds(5)
    #expect(Self.shown(following.handle(.reply(Self.page([11])), at: now)) == [11])
  }

  @Test(arguments: 1...20)
  func `against a server that fails at random, each message is shown once`(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    var following = ChatFollowing(since: 0, host: "h")
    var now = ContinuousClock.now
    var shown: [Int] = []
    var asked: ChatRequest?
    var event = ChatFollowing.Event.started
    for _ in 0..<10_000 where shown.last != 1000 {
      asked = nil
      for effect in following.handle(event, at: now) {
        switch effect {
        case .show(let messages): shown += messages.compactMap(\.id)
        case .request(let request): asked = request
        case .wait(let pause): now += pause
        case .report: break
        case .fail(let failure): Issue.record("\(failure)")
        }
      }
      now += .milliseconds(10)
      switch (asked, Int.random(in: 0..<4, using: &random)) {
      case (nil, _): event = .waited
      case (_, 0): event = .failed(.timedOut)
      case (.messages, 1): event = .reply(Self.status([500, 503, 429].randomElement(using: &random)!))
      case (.messages(let after, _, let limit), _):
        let ids = Array((after + 1)...(after + Int.random(in: 1...min(50, limit), using: &random))).filter {
          $0 <= 1000
        }
        event = .reply(ids.isEmpty ? Self.nothing : Self.page(ids))
      default: event = .reply(Self.status(200))
      }
    }
    #expect(shown == Array(1...1000))
  }
}
