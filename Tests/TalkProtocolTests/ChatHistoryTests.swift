import Testing

@testable import TalkProtocol

/// A chat is read page by page, to the end that was asked for.
@Suite struct ChatHistoryTests {
  private static func page(_ ids: [Int], lastGiven: Int? = nil, updates: Set<Int> = []) -> HTTPReply {
    let messages = ids.map { id in
      var message = ChatMessage(id: id, message: "text")
      if updates.contains(id) { message.systemMessage = "message_edited" }
      return message
    }
    return HTTPReply(
      status: 200, body: JSONCoding.encode(OCSEnvelope(meta: OCSMeta(), data: messages)),
      lastGiven: lastGiven ?? ids.last)
  }

  @Test func `the whole chat is read down to its beginning`() throws {
    var history = ChatHistory(.all)
    #expect(history.request == .history(before: 0, limit: 200))
    try history.take(Self.page([9, 8, 7], lastGiven: 5), host: "h")
    #expect(history.request == .history(before: 5, limit: 200))
    // Nothing that we are shown, but there is more.
    try history.take(Self.page([], lastGiven: 4), host: "h")
    #expect(history.request == .history(before: 4, limit: 200))
    try history.take(Self.page([3, 1]), host: "h")
    #expect(history.request == .history(before: 1, limit: 200))
    try history.take(HTTPReply(status: 304, body: []), host: "h")
    #expect(history.request == nil)
    #expect(history.messages.compactMap(\.id) == [1, 3, 7, 8, 9])
  }

  @Test func `the last messages are read, and no more; news of changes do not count`() throws {
    var history = ChatHistory(.last(3))
    #expect(history.request == .history(before: 0, limit: 3))
    try history.take(Self.page([9, 8, 7], updates: [8, 9]), host: "h")
    try history.take(Self.page([6, 5, 4, 3]), host: "h")
    #expect(history.request == nil)
    #expect(history.messages.compactMap(\.id) == [5, 6, 7])
  }

  @Test func `what came since is read to the end`() throws {
    var history = ChatHistory(.since(4))
    #expect(history.request == .messages(after: 4, wait: .zero))
    try history.take(Self.page([5, 6], lastGiven: 8), host: "h")
    #expect(history.request == .messages(after: 8, wait: .zero))
    try history.take(HTTPReply(status: 304, body: []), host: "h")
    #expect(history.request == nil)
    #expect(history.messages.compactMap(\.id) == [5, 6])
  }

  @Test(arguments: [ChatHistory.Extent.all, .since(0)])
  func `a server that goes in circles does not keep us`(extent: ChatHistory.Extent) throws {
    var history = ChatHistory(extent)
    var count = 0
    while history.request != nil, count < 100 {
      try history.take(Self.page([7], lastGiven: 7), host: "h")
      count += 1
    }
    #expect(count < 4)
  }

  @Test func `a refusal is told`() {
    var history = ChatHistory(.all)
    #expect(throws: ChatFailure.room(.lobby)) { try history.take(HTTPReply(status: 412, body: []), host: "h") }
  }
}
