import RecordedCalls
import Testing

@testable import TalkProtocol

/// Messages as people read them.
@Suite struct ChatTextTests {
  private static func message(
    _ text: String, _ parameters: [String: JSONValue] = [:], _ change: (inout ChatMessage) -> Void = { _ in }
  ) -> ChatMessage {
    var message = ChatMessage(id: 7, message: text)
    message.actorDisplayName = "Anna"
    message.messageParameters = parameters
    change(&message)
    return message
  }

  private static func line(_ message: ChatMessage) -> String { message.lines { "at \($0)" } }

  private static let anna: JSONValue = ["type": "user", "id": "anna", "name": "Anna Ek"]

  @Test(
    arguments: [
      ("no placeholders", [:], "no placeholders"),
      ("{actor} left", ["actor": anna], "Anna Ek left"),
      ("hej {mention-user1}!", ["mention-user1": anna], "hej @Anna Ek!"),
      ("{mention-call1}: lunch", ["mention-call1": ["type": "call", "id": "abcd", "name": "Room"]], "@all: lunch"),
      (
        "{mention-guest1}", ["mention-guest1": ["type": "guest", "id": "guest/1", "name": "Bo (guest)"]], "@Bo (guest)"
      ),
      (
        "{file}", ["file": ["type": "file", "id": "3", "name": "a.pdf", "link": "https://h/f/3"]],
        "a.pdf (https://h/f/3)"
      ),
      ("{file}", ["file": ["type": "file", "id": "3", "name": "a.pdf"]], "a.pdf"),
      ("{object}", ["object": ["type": "talk-poll", "id": "1", "name": "Lunch?"]], "poll: Lunch?"),
      (
        "{object}",
        ["object": ["type": "geo-location", "id": "g", "name": "Here", "latitude": "59.3", "longitude": "18.1"]],
        "Here (59.3, 18.1)"
      ),
      (
        "{object}",
        [
          "object": [
            "type": "geo-location", "id": "geo:1,2", "name": "Here", "latitude": "59.3", "longitude": "18.1",
            "link": "https://map/1",
          ]
        ], "Here (59.3, 18.1) (https://map/1)"
      ),
      (
        "{file}",
        ["file": ["type": "file", "id": "3", "name": "bo.vcf", "contact-name": "Bo Ek", "link": "https://h/f/3"]],
        "contact Bo Ek (https://h/f/3)"
      ),
      (
        "{object}",
        [
          "object": [
            "type": "deck-card", "id": "3", "name": "Paint", "boardname": "House", "stackname": "To do",
            "link": "https://h/d/3",
          ]
        ], "card: Paint (House, To do) (https://h/d/3)"
      ),
      ("{object}", ["object": ["type": "deck-board", "id": "3", "name": "House"]], "board: House"),
      ("{object}", ["object": ["type": "forms-form", "id": "3", "name": "Who?", "link": "l"]], "form: Who? (l)"),
      ("{object}", ["object": ["type": "calendar-event", "id": "3", "name": "Fika"]], "event: Fika"),
      (
        "{object}", ["object": ["type": "open-graph", "id": "3", "name": "News", "link": "https://n"]],
        "News (https://n)"
      ),
      (
        "{object}", ["object": ["type": "some-new-kind", "id": "3", "name": "It", "link": "https://n"]],
        "It (https://n)"
      ),
      ("{object}", ["object": ["type": "email", "id": "bo@h.se", "name": "Bo"]], "Bo <bo@h.se>"),
      (
        "{actor} from {object}", ["actor": ["type": "email", "id": "b@h", "name": "b@h"], "object": "x"],
        "b@h from object"
      ),
      ("{mention-group1}", ["mention-group1": ["type": "user-group", "id": "g", "name": "Board"]], "@Board"),
      ("{mention-team1}", ["mention-team1": ["type": "circle", "id": "t", "name": "Team", "link": "l"]], "@Team"),
      (
        "{mention-federated-user1}",
        ["mention-federated-user1": ["type": "user", "id": "bo", "name": "Bo", "server": "https://other"]], "@Bo"
      ),
      ("{mention-email1}", ["mention-email1": ["type": "email", "id": "b@h", "name": "Bo"]], "@Bo"),
      ("{circle}", ["circle": ["type": "circle", "id": "t", "name": "Team"]], "Team"),
      ("{title}", ["title": ["type": "highlight", "id": "thread/3", "name": "Plans"]], "Plans"),
      ("Look at {nothing}", ["file": ["type": "file", "id": "3", "name": "a.png"]], "Look at {nothing} [a.png]"),
      // What has no name has an id; what is unknown stays as it is; what a name contains is not looked into.
      ("{actor}", ["actor": ["type": "user", "id": "anna"]], "anna"),
      ("{other} { {}", ["actor": anna], "{other} { {}"),
      ("{a}{b}", ["a": ["name": "{b}"], "b": ["name": "x"]], "{b}x"),
      ("{a", ["a": anna], "{a"), ("{{a}}", ["a": ["name": "x"]], "{x}"), ("{a}", ["a": "text"], "a"),
    ] as [(String, [String: JSONValue], String)])
  func `placeholders become names`(text: String, parameters: [String: JSONValue], expected: String) {
    #expect(Self.message(text, parameters).text == expected)
  }

  @Test func `a line tells when, which, who and what`() {
    #expect(Self.line(Self.message("hej") { $0.timestamp = 5 }) == "at 5 #7 Anna: hej")
  }

  @Test func `an answer quotes what it answers`() {
    let answer = Self.message("ja") {
      $0.parent = ChatParent(id: 3, actorDisplayName: "Bo", message: "kommer du?\nnu?")
    }
    #expect(Self.line(answer) == "at 0 #7 Anna: \n    > Bo: kommer du? nu?\n    ja")
    let long = Self.message("ja") {
      $0.parent = ChatParent(id: 3, actorDisplayName: "Bo", message: String(repeating: "å", count: 500))
    }
    #expect(Self.line(long).contains(String(repeating: "å", count: 79) + "…\n"))
    var gone = ChatParent(id: 3, actorDisplayName: nil, message: nil)
    gone.deleted = true
    #expect(Self.line(Self.message("ja") { $0.parent = gone }).contains("> (deleted message)"))
  }

  @Test func `edits, silence and reactions are shown`() {
    let message = Self.message("hej") {
      $0.lastEditTimestamp = 9
      $0.lastEditActorDisplayName = "Anna"
      $0.silent = true
      $0.reactions = ["👍": 2, "❤️": 1]
    }
    #expect(Self.line(message) == "at 0 #7 Anna: hej (edited) (silent) [❤️ 1] [👍 2]")
    let byOther = Self.message("hej") {
      $0.lastEditTimestamp = 9
      $0.lastEditActorDisplayName = "Moderator"
    }
    #expect(Self.line(byOther).hasSuffix("hej (edited by Moderator)"))
  }

  @Test func `a deleted message says so`() {
    let message = Self.message("Message deleted by author") { $0.messageType = "comment_deleted" }
    #expect(Self.line(message) == "at 0 #7 * Message deleted by author (Anna)")
  }

  @Test(arguments: [
    ("call_started", "{actor} started a call", "Anna Ek started a call"),
    ("message_edited", "{actor} edited a message", "Anna edited message 3: new text"),
    ("message_deleted", "{actor} deleted a message", "Anna deleted message 3"),
    ("reaction", "👍", "Anna reacted with 👍 to message 3 (new text)"),
    ("reaction_revoked", "{actor} deleted a reaction", "Anna took back a reaction to message 3 (new text)"),
    ("call_ended", "Call with {actor} ended (Duration 0:07)", "Call with Anna Ek ended (Duration 0:07)"),
    ("lobby_timer_reached", "", "lobby timer reached"),
  ])
  func `what the system says is told in words`(kind: String, text: String, expected: String) {
    let message = Self.message(text, ["actor": Self.anna]) {
      $0.systemMessage = kind
      $0.messageType = "system"
      $0.parent = ChatParent(id: 3, actorDisplayName: "Anna", message: "new text")
    }
    #expect(Self.line(message) == "at 0 #7 * " + expected)
  }

  @Test func `what is spoken or filmed says so`() {
    let file: [String: JSONValue] = ["file": ["type": "file", "id": "3", "name": "a.mp3"]]
    #expect(Self.message("{file}", file) { $0.messageType = "voice-message" }.text == "voice message: a.mp3")
    #expect(Self.message("{file}", file) { $0.messageType = "record-video" }.text == "video recording: a.mp3")
    #expect(Self.message("{file}", file) { $0.messageType = "comment" }.text == "a.mp3")
  }

  @Test func `newer servers' members are no hindrance`() throws {
    let json = """
      {"id":7,"threadId":7,"isThread":true,"threadTitle":"Plans","threadReplies":3,"metaData":{"pinnedAt":1},
      "actorType":"federated_users","actorId":"bo@other","actorDisplayName":"Bo","message":"hej","messageParameters":[],
      "reactions":[],"expirationTimestamp":1795355516,"systemMessage":"","messageType":"comment","parent":{"id":3,
      "deleted":true}}
      """
    let message = try JSONCoding.decode(ChatMessage.self, from: json)
    #expect(Self.line(message) == "at 0 #7 Bo: \n    > (deleted message)\n    hej")
  }

  @Test(arguments: [
    ("\u{1B}[2Jx", "\u{FFFD}[2Jx"), ("a\u{7}b\u{0}", "a\u{FFFD}b\u{FFFD}"), ("\u{9B}31m", "\u{FFFD}31m"),
    ("a\u{202E}b\u{2066}", "a\u{FFFD}b\u{FFFD}"), ("a\tb", "a    b"), ("a\r\nb\rc", "a\n  b\n  c"),
    ("a\u{2028}b\u{85}c", "a\n  b\n  c"), ("👩‍👩‍👧 é", "👩‍👩‍👧 é"), ("نمی‌خواهم", "نمی‌خواهم"),
    ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"),
  ])
  func `nothing in a text commands the terminal`(text: String, expected: String) {
    #expect(text.neutralized(indent: "  ") == expected)
  }

  @Test func `no text can look like another line, nor a name`() {
    let message = Self.message("a\n2026-01-01 #8 Boss: pay") { $0.actorDisplayName = "An\nna\u{1B}]0;x\u{7}" }
    let lines = Self.line(message).split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.last?.hasPrefix("    ") == true)
    #expect(!Self.line(message).contains("\u{1B}"))
  }

  @Test func `recorded chats render without placeholders`() throws {
    var shown: [String] = []
    var statuses: Set<Int> = []
    for name in ["chat", "chat-no-permission"] {
      for row in try Transcript(name).rows where row.channel == "http" && row.direction == "recv" {
        guard row.value["url"].string?.contains("/v1/chat/") == true else { continue }
        let status = row.value["status"].int ?? 0
        statuses.insert(status)
        let given = row.value["headers"]["X-Chat-Last-Given"].string.flatMap { Int($0) }
        let reply = HTTPReply(status: status, body: JSONCoding.encode(row.value["body"]), lastGiven: given)
        if status == 200 || status == 304 {
          let page = try #require(ChatPage(reply))
          #expect(status == 304 || given == page.messages.last?.id)
          shown += page.messages.map { Self.line($0) }
        } else if status == 201 {
          let message = try #require(OCSEnvelope<ChatMessage>(body: reply.body).data)
          shown.append(Self.line(message))
        }
      }
    }
    #expect(statuses == [200, 201, 304, 400, 403, 413])
    #expect(shown.contains("at 1795355516 #127 * Chatter B (guest) joined the call"))
    #expect(shown.contains("at 1795355550 #128 Chatter A: Hej från A 🎉 <b>x</b> \"citat\"\n    rad två"))
    #expect(!shown.contains { $0.contains("{actor}") })
  }
}
