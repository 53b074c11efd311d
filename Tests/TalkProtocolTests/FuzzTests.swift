import RecordedCalls
import TestSupport
import Testing

@testable import TalkProtocol

/// Thousands of spoiled messages, the same in every run: nothing traps, nothing hangs, and state stays bounded.
@Suite struct FuzzTests {
  /// What came over a channel in all recordings, each kind of message a few times.
  private static func texts(_ channel: String, _ direction: String, most: Int) throws -> [String] {
    var texts: [String] = []
    var seen: [String: Int] = [:]
    for name in Transcript.names {
      for row in try Transcript(name).rows where row.channel == channel && row.direction == direction {
        let text = channel == "http" ? JSONCoding.text(row.value["body"]) : row.text
        let kind =
          "\(row.value["msg"]["type"]) \(row.value["msg"]["event"]["type"]) \(row.value["status"])"
          + "\(row.value["msg"]["message"]["data"]["type"]) \(row.value["url"].string?.split(separator: "/").last ?? "")"
        seen[kind, default: 0] += 1
        if seen[kind]! <= most { texts.append(text) }
      }
    }
    return texts
  }

  @Test func `spoiled messages of every kind are read or refused, and what is read can be written`() throws {
    let mutator = Mutator(seed: 1)
    for text in try Self.texts("ws", "recv", most: 4) {
      for _ in 0..<20 {
        if let message = try? ServerMessage(text: mutator.mutated(text)) { _ = message.text }
      }
    }
    for text in try Self.texts("ws", "send", most: 4) {
      for _ in 0..<20 {
        if let message = try? ClientMessage(text: mutator.mutated(text)) { _ = message.text }
      }
    }
    for text in try Self.texts("dc", "recv", most: 4) {
      for _ in 0..<30 {
        if let message = DataChannelMessage(text: mutator.mutated(text)) { _ = message.text }
      }
    }
    #expect(mutator.count > 2000)
  }

  @Test func `spoiled answers of every kind are read or refused`() throws {
    func read(_ bytes: [UInt8]) {
      if let data = try? OCSEnvelope<ServerCapabilities>(body: bytes).data { _ = JSONCoding.encode(data) }
      if let data = try? OCSEnvelope<SignalingSettings>(body: bytes).data { _ = JSONCoding.encode(data) }
      if let data = try? OCSEnvelope<Conversation>(body: bytes).data { _ = JSONCoding.encode(data) }
      if let data = try? OCSEnvelope<[Conversation]>(body: bytes).data { _ = JSONCoding.encode(data) }
      if let data = try? OCSEnvelope<[CallPeer]>(body: bytes).data { _ = JSONCoding.encode(data) }
      for message in (try? OCSEnvelope<[ChatMessage]>(body: bytes).data) ?? [] { _ = message.lines { "\($0)" } }
      _ = try? OCSEnvelope<TalkErrorBody>(body: bytes)
    }
    let mutator = Mutator(seed: 2)
    for text in try Self.texts("http", "recv", most: 1) where text.utf8.count < 20_000 {
      for _ in 0..<5 { read(mutator.mutated(Array(text.utf8))) }
    }
    #expect(mutator.count > 200)
  }

  @Test(arguments: Transcript.names)
  func `a session that is fed a spoiled recording ends in order, whatever was in it`(name: String) throws {
    let transcript = try Transcript(name)
    let clients = Set(transcript.rows.filter { $0.channel == "ws" }.map(\.who)).sorted()
    for seed in 0..<UInt64(6) where !clients.isEmpty {
      let who = clients[Int(seed) % clients.count]
      let mutator = Mutator(seed: seed)
      var replay = try Replay(transcript, who: who)
      replay.run(
        messages: { mutator.spoiled($0) },
        replies: { mutator.spoiled(String(decoding: $0, as: UTF8.self), share: 10).first.map { Array($0.utf8) } ?? $0 })
      for number in 1...10 {
        let message = mutator.mutated(#"{"type":"nickChanged","payload":"x"}"#)
        replay.handle(.peer(PeerID(number: number), .dataMessage(message)))
      }
      replay.pass(until: replay.now + .seconds(100))
      replay.handle(.leave)
      replay.pass(until: replay.now + .seconds(10))
      #expect(replay.finishes == 1 && !replay.hasStalled, "\(who), seed \(seed)")
    }
  }

  @Test func `a server that names more and more people does not make the list of them grow for ever`() {
    var roster = Roster()
    roster.join((0..<15_000).map { JoinedSession(sessionid: "session \($0)") })
    #expect(roster.participants.count == 10_000)
  }

  @Test func `peers that never stop talking do not make the session grow for ever`() throws {
    var rehearsal = try Rehearsal()
    rehearsal.proceed(to: .inCall, others: ["A": [.inCall, .audio], "B": [.inCall, .audio]])
    let socket = try #require(rehearsal.sockets.last)
    func flood(_ numbers: Range<Int>) {
      for number in numbers {
        let sender = #""sender":{"type":"session","sessionid":"\#(["A", "B", "C\(number)"][number % 3])"}"#
        let texts = [
          #"{"type":"message","message":{\#(sender),"data":{"type":"offer","sid":"\#(number)","roomType":"video","payload":{"type":"offer","sdp":"v=0"}}}}"#,
          #"{"type":"message","message":{\#(sender),"data":{"type":"candidate","sid":"\#(number)","roomType":"video","payload":{"candidate":{"candidate":"candidate:1"}}}}}"#,
          #"{"type":"message","message":{\#(sender),"data":{"type":"nickChanged","payload":{"name":"name \#(number)"}}}}"#,
          #"{"type":"error","id":"offer-\#(number)","error":{"code":"x","message":"y"}}"#,
          #"{"type":"unknown-\#(number)"}"#,
        ]
        for text in texts { _ = rehearsal.session.handle(.socketMessage(socket, text), at: rehearsal.now) }
      }
    }
    flood(0..<200)
    let before = weight(of: rehearsal.session)
    flood(200..<500)
    #expect(weight(of: rehearsal.session) < before + before / 5)
  }

  @Test func `spoiled pages of a chat are read or refused, and ids only grow`() throws {
    let pages = try ["chat", "chat-no-permission"].flatMap { name in
      try Transcript(name).rows.filter {
        $0.channel == "http" && $0.direction == "recv" && $0.value["url"].string?.contains("/chat/") == true
      }
    }
    for seed in 0..<UInt64(12) {
      let mutator = Mutator(seed: seed)
      func reply(_ number: Int) -> HTTPReply {
        let row = pages[number % pages.count].value
        let body = JSONCoding.encode(row["body"])
        return HTTPReply(
          status: row["status"].int ?? 200, body: number % 2 == 0 ? mutator.mutated(body) : body,
          lastGiven: number % 3 == 0 ? nil : [0, -1, 5, 400, Int.max, Int.min][number % 6])
      }
      var following = ChatFollowing(since: seed == 0 ? nil : Int(seed), host: "h", hasPassword: false)
      var event = ChatFollowing.Event.started
      var now = ContinuousClock.now
      var shown: [Int] = []
      steps: for number in 0..<60 {
        now += .seconds(1)
        var next: ChatFollowing.Event?
        for effect in following.handle(event, at: now) {
          switch effect {
          case .request: next = .reply(reply(number))
          case .wait: next = .waited
          case .show(let messages): shown += messages.compactMap(\.id)
          case .report: break
          case .fail: break steps
          }
        }
        guard let next else { break }
        event = next
      }
      #expect(shown == shown.sorted() && Set(shown).count == shown.count)

      for extent in [ChatHistory.Extent.all, .last(50), .since(3)] {
        var history = ChatHistory(extent)
        var number = 0
        while history.request != nil, number < 40 {
          do throws(ChatFailure) { try history.take(reply(number), host: "h") } catch { break }
          number += 1
        }
      }

      let draft = ChatDraft(
        text: "x", replyTo: nil, isSilent: false, referenceID: String(repeating: "a", count: 64), displayName: nil)
      var sending = ChatSending(draft, host: "h")
      var step = ChatSending.Event.started
      sending: for number in 0..<100 {
        now += .seconds(1)
        switch sending.handle(step, at: now) {
        case .request?: step = .reply(reply(number))
        case .wait?: step = .waited
        case .finish?, nil: break sending
        }
      }
    }
  }
}
