import Testing

@testable import TalkProtocol

@Suite struct ConversationAddressTests {
  @Test(arguments: [
    ("https://cloud.example.com/call/abcd1234", "https://cloud.example.com", "abcd1234"),
    ("https://cloud.example.com/index.php/call/abcd1234", "https://cloud.example.com", "abcd1234"),
    ("https://h/nextcloud/call/abcd", "https://h/nextcloud", "abcd"),
    ("https://h/a/b/index.php/call/abcd", "https://h/a/b", "abcd"),
    ("https://h/call/abcd?email=x&access=y", "https://h", "abcd"),
    ("https://h/call/abcd#message_17", "https://h", "abcd"),
    ("https://h/call/abcd#/call/zzzz", "https://h", "abcd"),
    ("https://h/call/abcd/", "https://h", "abcd"),
    ("https://h/call/call/abcd", "https://h/call", "abcd"),
    ("https://h//call/abcd", "https://h", "abcd"),
    ("  HTTPS://Cloud.Example.COM/call/abcd\n", "https://cloud.example.com", "abcd"),
    ("https://h:443/call/abcd", "https://h", "abcd"),
    ("https://h:8443/call/abcd", "https://h:8443", "abcd"),
    ("http://h:80/call/abcd", "http://h", "abcd"),
    ("http://localhost:8080/call/opvvbede", "http://localhost:8080", "opvvbede"),
    ("http://[::1]:8080/call/abcd", "http://[::1]:8080", "abcd"),
    ("https://h/call/abcdefghijklmnopqrstuvwxyz0123", "https://h", "abcdefghijklmnopqrstuvwxyz0123"),
  ])
  func `the address a person copies gives base and token`(text: String, base: String, token: String) throws {
    let address = try ConversationAddress(text)
    #expect(address.baseURL == base)
    #expect(address.token == token)
  }

  @Test(arguments: [
    ("", ConversationAddressError.notAURL("")),
    ("abcd1234", .notAURL("abcd1234")),
    ("cloud.example.com/call/abcd", .notAURL("cloud.example.com/call/abcd")),
    ("ftp://h/call/abcd", .unsupportedScheme("ftp")),
    ("https:///call/abcd", .missingHost),
    ("https://:8080/call/abcd", .missingHost),
    ("https://a b/call/abcd", .missingHost),
    ("https://[::1/call/abcd", .missingHost),
    ("https://user:secret@h/call/abcd", .containsCredentials),
    ("https://h:0/call/abcd", .notAURL("h:0")),
    ("https://h:99999/call/abcd", .notAURL("h:99999")),
    ("https://h:x/call/abcd", .notAURL("h:x")),
    ("https://h/apps/spreed", .notAConversation("https://h/apps/spreed")),
    ("https://h?x=/call/abcd", .notAConversation("https://h?x=/call/abcd")),
    ("https://h/call/", .malformedToken("")),
    ("https://h/call/abc", .malformedToken("abc")),
    ("https://h/call/ABCD", .malformedToken("ABCD")),
    ("https://h/call/abc-d", .malformedToken("abc-d")),
    ("https://h/call/abcdefghijklmnopqrstuvwxyz01234", .malformedToken("abcdefghijklmnopqrstuvwxyz01234")),
  ])
  func `what is no address of a conversation is refused by name`(text: String, expected: ConversationAddressError) {
    #expect(throws: expected) { try ConversationAddress(text) }
  }

  @Test(arguments: [
    "https://user:secret@h/call/abcd", "user:secret@h/call/abcd", "ftp://user:secret@h/call/abcd",
    "https://user:secret@h:0/x",
  ])
  func `a refusal never repeats a password`(text: String) throws {
    let error = try #require(#expect(throws: ConversationAddressError.self) { try ConversationAddress(text) })
    #expect(!error.description.contains("secret"))
  }

  @Test func `endpoints never contain index dot php`() throws {
    let address = try ConversationAddress("https://h:8443/nc/index.php/call/abcd?x#y")
    #expect(address.talkURL("v4/call/abcd") == "https://h:8443/nc/ocs/v2.php/apps/spreed/api/v4/call/abcd")
    #expect(address.ocsURL("cloud/capabilities") == "https://h:8443/nc/ocs/v2.php/cloud/capabilities")
    #expect(
      address.signalingBackendURL == "https://h:8443/nc/ocs/v2.php/apps/spreed/api/v3/signaling/backend")
    #expect(address.conversationURL == "https://h:8443/nc/call/abcd")
  }

  @Test(arguments: [
    ("http://localhost/call/abcd", true, false), ("http://127.0.0.1:8080/call/abcd", true, false),
    ("http://127.5.6.7/call/abcd", true, false), ("http://[::1]/call/abcd", true, false),
    ("http://talk.localhost/call/abcd", true, false), ("http://127.evil.com/call/abcd", false, true),
    ("http://192.0.2.1/call/abcd", false, true), ("https://192.0.2.1/call/abcd", false, false),
  ])
  func `plain http is insecure unless it stays on this machine`(text: String, loopback: Bool, insecure: Bool) throws {
    let address = try ConversationAddress(text)
    #expect(address.isLoopback == loopback)
    #expect(address.isInsecure == insecure)
  }
}
