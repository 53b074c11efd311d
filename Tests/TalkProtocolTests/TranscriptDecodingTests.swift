import RecordedCalls
import TalkProtocol
import Testing

@Suite struct TranscriptDecodingTests {
  @Test func `there are transcripts to read`() { #expect(Transcript.names.count == 35) }

  @Test(arguments: Transcript.names)
  func `each recorded message is understood, and what is understood is written as it was read`(name: String) throws {
    for row in try Transcript(name).rows {
      switch (row.channel, row.direction) {
      case ("ws", "recv"):
        let message = try ServerMessage(text: row.text)
        #expect(!message.isUnknown, "\(row.text.prefix(400))")
        expectSubset(message.text, of: row.value["msg"], from: row)
      case ("ws", "send"):
        let message = try ClientMessage(text: row.text)
        // Two experiments send what no client should.
        if !message.isUnknown { expectSubset(message.text, of: row.value["msg"], from: row) }
      case ("dc", "recv"), ("dc", "send"):
        let message = try #require(DataChannelMessage(text: row.text))
        if case .unknown = message { Issue.record("\(row.text)") }
      case ("http", "recv"):
        let body = row.value["body"]
        guard body["ocs"] != .null else { continue }
        let url = row.value["url"].string ?? ""
        let bytes = JSONCoding.encode(body)
        let status = row.value["status"].int ?? 0
        guard status < 400 else {
          _ = try OCSEnvelope<TalkErrorBody>(body: bytes)
          continue
        }
        if url.hasSuffix("cloud/capabilities") {
          let data = try #require(try OCSEnvelope<ServerCapabilities>(body: bytes).data)
          #expect(data.talk != nil)
          expectSubset(JSONCoding.text(data), of: body["ocs"]["data"], from: row)
        } else if url.contains("signaling/settings") {
          let data = try #require(try OCSEnvelope<SignalingSettings>(body: bytes).data)
          #expect(data.usesSignalingServer)
          expectSubset(JSONCoding.text(data), of: body["ocs"]["data"], from: row)
        } else if url.hasSuffix("participants/active"), body["ocs"]["data"].object != nil {
          let data = try #require(try OCSEnvelope<Conversation>(body: bytes).data)
          #expect((data.sessionId ?? "").count > 100)
          expectSubset(JSONCoding.text(data), of: body["ocs"]["data"], from: row)
        } else if url.contains("/chat/"), body["ocs"]["data"].array != nil {
          let data = try #require(try OCSEnvelope<[ChatMessage]>(body: bytes).data)
          #expect(data.count == body["ocs"]["data"].array?.count)
          #expect(data.allSatisfy { $0.id != nil && $0.messageParameters != nil })
        } else if url.contains("v4/call/"), let peers = body["ocs"]["data"].array {
          let data = try #require(try OCSEnvelope<[CallPeer]>(body: bytes).data)
          #expect(data.count == peers.count)
          expectSubset(JSONCoding.text(data), of: body["ocs"]["data"], from: row)
        }
      default: break
      }
    }
  }

  private func expectSubset(_ written: String, of read: JSONValue, from row: Transcript.Row) {
    guard let value = try? JSONCoding.decode(JSONValue.self, from: written) else {
      Issue.record("we wrote no JSON: \(written.prefix(400))")
      return
    }
    if let difference = difference(value, read, at: "") {
      Issue.record("\(row.who) at \(row.time): \(difference) in \(written.prefix(600))")
    }
  }

  /// The first place where `written` says something that `read` does not; numbers and flags may stand for each other.
  private func difference(_ written: JSONValue, _ read: JSONValue, at path: String) -> String? {
    switch (written, read) {
    case (.object(let a), .object(let b)):
      for (key, value) in a {
        guard let other = b[key] else { return "\(path).\(key) was not there" }
        if let found = difference(value, other, at: "\(path).\(key)") { return found }
      }
      return nil
    case (.array(let a), .array(let b)):
      guard a.count == b.count else { return "\(path) has \(a.count) elements instead of \(b.count)" }
      for (index, pair) in zip(a, b).enumerated() {
        if let found = difference(pair.0, pair.1, at: "\(path)[\(index)]") { return found }
      }
      return nil
    case (.object(let a), .array(let b)) where a.isEmpty && b.isEmpty: return nil
    case (.bool(let a), .number(let b)) where b == (a ? 1 : 0): return nil
    default: return written == read ? nil : "\(path) was \(read) and is \(written)"
    }
  }
}
