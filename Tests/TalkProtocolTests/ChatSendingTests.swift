import Testing

@testable import TalkProtocol

/// A message is sent once, whatever becomes of the answer.
@Suite struct ChatSendingTests {
  private static let draft = ChatDraft(text: "hej", referenceID: "f00d")
  private static let end = ChatRequest.history(before: 0, limit: 1)

  /// A conversation with the machine: what it does next, with a clock that goes on as it waits.
  private struct Talk {
    var sending = ChatSending(ChatSendingTests.draft, host: "h")
    var now = ContinuousClock.now
    var waited: Duration = .zero

    /// The next effect that is no wait.
    mutating func handle(_ event: ChatSending.Event, after delay: Duration = .zero) -> ChatSending.Effect? {
      now += delay
      var effect = sending.handle(event, at: now)
      while case .wait(let pause) = effect {
        now += pause
        waited += pause
        effect = sending.handle(.waited, at: now)
      }
      return effect
    }

    mutating func posted() {
      #expect(handle(.started) == .request(ChatSendingTests.end))
      #expect(handle(.reply(ChatSendingTests.page([12]))) == .request(.send(ChatSendingTests.draft)))
    }

    /// Answers the search with empty pages until something else is asked.
    mutating func findNothing() -> ChatSending.Effect? {
      var effect: ChatSending.Effect?
      for _ in 0..<100 {
        effect = handle(.reply(HTTPReply(status: 304, body: [])))
        if effect != .request(.messages(after: 12, wait: .zero)) { break }
      }
      return effect
    }
  }

  private static func page(_ ids: [Int], reference: String = "other") -> HTTPReply {
    let messages = ids.map { id in
      var message = ChatMessage(id: id, message: "text")
      message.referenceId = reference
      return message
    }
    return HTTPReply(
      status: 200, body: JSONCoding.encode(OCSEnvelope(meta: OCSMeta(), data: messages)), lastGiven: ids.last)
  }

  private static func stored(_ id: Int) -> HTTPReply {
    HTTPReply(
      status: 201, body: JSONCoding.encode(OCSEnvelope(meta: OCSMeta(), data: ChatMessage(id: id, message: "hej"))))
  }

  private static let search = ChatSending.Effect.request(.messages(after: 12, wait: .zero))

  @Test func `an answer in time is all there is to it`() {
    var talk = Talk()
    talk.posted()
    #expect(talk.handle(.reply(Self.stored(13))) == .finish(.success(13)))
    #expect(talk.handle(.waited) == nil)
  }

  @Test(arguments: [408, 500, 502, 504])
  func `a lost answer is looked for in the chat`(status: Int) {
    var talk = Talk()
    talk.posted()
    #expect(talk.handle(.reply(HTTPReply(status: status, body: []))) == Self.search)
    #expect(talk.handle(.reply(Self.page([13, 14]))) == .request(.messages(after: 14, wait: .zero)))
    #expect(talk.handle(.reply(Self.page([15], reference: "f00d"))) == .finish(.success(15)))
  }

  @Test func `what is absent for ten seconds is sent again`() {
    var talk = Talk()
    talk.posted()
    #expect(talk.handle(.failed(.timedOut)) == Self.search)
    #expect(talk.findNothing() == .request(.send(Self.draft)))
    #expect(talk.waited >= .seconds(10) && talk.waited < .seconds(13))
    #expect(talk.handle(.reply(Self.stored(20))) == .finish(.success(20)))
  }

  @Test func `what turns up late is not sent again`() {
    var talk = Talk()
    talk.posted()
    #expect(talk.handle(.failed(.timedOut)) == Self.search)
    for _ in 0..<7 { #expect(talk.handle(.reply(HTTPReply(status: 304, body: []))) == Self.search) }
    #expect(talk.handle(.reply(Self.page([13], reference: "f00d"))) == .finish(.success(13)))
  }

  @Test func `a message that is always lost was not sent`() {
    var talk = Talk()
    talk.posted()
    for attempt in 1...3 {
      #expect(talk.handle(.failed(.timedOut)) == Self.search)
      #expect(talk.findNothing() == (attempt < 3 ? .request(.send(Self.draft)) : .finish(.failure(.notSent))))
    }
  }

  @Test func `where the chat cannot be read, nobody knows`() {
    var talk = Talk()
    talk.posted()
    var effect = talk.handle(.failed(.timedOut))
    var count = 0
    while effect == Self.search, count < 1000 {
      effect = talk.handle(.failed(.unreachable(detail: "x")))
      count += 1
    }
    #expect(effect == .finish(.failure(.mayHaveBeenSent)))
    #expect(talk.waited >= .seconds(60))
  }

  @Test func `an answer without the message is a success, and its id is looked for`() {
    var talk = Talk()
    talk.posted()
    #expect(talk.handle(.reply(HTTPReply(status: 201, body: []))) == Self.search)
    #expect(talk.findNothing() == .finish(.success(nil)))
  }

  @Test func `a forgotten session is renewed, once, to look`() {
    var talk = Talk()
    talk.posted()
    #expect(talk.handle(.failed(.timedOut)) == Self.search)
    #expect(talk.handle(.reply(HTTPReply(status: 404, body: []))) == .request(.join))
    #expect(talk.handle(.reply(HTTPReply(status: 200, body: []))) == Self.search)
    #expect(talk.handle(.reply(Self.page([13], reference: "f00d"))) == .finish(.success(13)))
  }

  @Test(arguments: [
    (400, "message", ChatFailure.emptyMessage), (413, "message", .tooLong(length: 3, limit: nil)),
    (403, "", .chatForbidden), (412, "", .room(.lobby)), (429, "mentions", .tooManyMentions),
    (429, "", .room(.rateLimited)), (404, "", .room(.conversationGone)), (400, "reply-to", .noSuchMessage(id: 0)),
  ])
  func `a refusal is told and not repeated`(status: Int, reason: String, failure: ChatFailure) {
    var talk = Talk()
    talk.posted()
    let body = JSONCoding.encode(
      OCSEnvelope(meta: OCSMeta(), data: TalkErrorBody(error: reason.isEmpty ? nil : reason)))
    #expect(talk.handle(.reply(HTTPReply(status: status, body: body))) == .finish(.failure(failure)))
  }

  @Test func `nothing is sent where the chat cannot be read before`() {
    for event in [ChatSending.Event.failed(.timedOut), .reply(HTTPReply(status: 500, body: []))] {
      var talk = Talk()
      #expect(talk.handle(.started) == .request(Self.end))
      guard case .finish(.failure) = talk.handle(event) else {
        Issue.record("it went on")
        return
      }
    }
  }
}
