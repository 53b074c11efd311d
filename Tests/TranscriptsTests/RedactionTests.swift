import Foundation
import TalkProtocol
import TestSupport
import Testing

@testable import Transcripts

@Suite struct RedactionTests {
  private static let secret = #"pä/ss+w"ord\ 4711"#

  /// What a leak looks like: the secret as it is, percent-encoded, escaped as in JSON, or in base64 wherever it begins.
  static func leaks(of secret: String, in text: String) -> [String] {
    let percent = secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    let json = String(
      String(decoding: (try? JSONEncoder().encode([secret])) ?? Data(), as: UTF8.self).dropFirst(2).dropLast(2))
    var forms: [String] = [secret, percent, Self.withLowerCaseDigits(percent), json, json.replacing("\\/", with: "/")]
    for prefix in ["", "a", "ab"] {
      forms.append(
        String(Data((prefix + secret + "\u{1}\u{2}\u{3}").utf8).base64EncodedString().dropFirst(4).dropLast(6)))
    }
    return forms.filter { text.contains($0) }
  }

  @Test(arguments: [
    #"{"password": "SECRET"}"#, #"{"ocs": {"data": {"ticket": "SECRET"}}}"#,
    #"{"helloAuthParams": {"1.0": {"ticket": "SECRET"}, "2.0": {"token": "SECRET"}}}"#,
    #"{"turnservers": [{"urls": ["turn:x"], "username": "1:u", "credential": "SECRET"}]}"#,
    #"{"appPassword": "SECRET", "loginName": "anna"}"#, #"{"poll": {"token": "SECRET", "endpoint": "https://x/poll"}}"#,
    #"{"hello": {"resumeid": "SECRET", "sessionid": "public"}}"#, #"{"roomid": "SECRET"}"#,
    #"{"room": {"roomid": "x", "sessionid": "SECRET"}}"#, #"{"join": [{"roomsessionid": "SECRET"}]}"#,
    #"{"users": [{"nextcloudSessionId": "SECRET", "sessionId": "public"}]}"#, #"{"attendeePin": "SECRET"}"#,
    #"{"deep": "{\"nested\": \"[{\\\"token\\\": \\\"SECRET\\\"}]\"}"}"#, #"{"tokens": [], "token": ["SECRET"]}"#,
    #"{"data": {"payload": {"sdp": "v=0\r\na=ice-ufrag:u\r\na=ice-pwd:SECRET\r\na=mid:0\r\n"}}}"#,
    #"{"sdp": "a=crypto:SECRET"}"#, #"{"login": "https://host/login/v2/flow/SECRET"}"#,
  ])
  func `a secret is known by where it stands`(template: String) throws {
    let secret = "abcdefghijkl+/0123456789"
    var redaction = Redaction()
    let message = try JSONCoding.decode(JSONValue.self, from: template.replacing("SECRET", with: secret))
    // A path ends at a slash.
    let shown = JSONCoding.text(redaction.json(message, .socket))
    #expect(!shown.contains("abcdefghijkl"), "\(shown)")
    #expect(shown.contains("redacted1"), "\(shown)")
    #expect(!template.contains("public") || shown.contains("public"))
  }

  private static func withLowerCaseDigits(_ percentEncoded: String) -> String {
    percentEncoded.replacing(/%../) { $0.output.lowercased() }
  }

  @Test func `a session means another thing over HTTP than on the socket`() {
    var redaction = Redaction()
    let message: JSONValue = ["sessionId": "0123456789"]
    #expect(redaction.json(message, .socket) == message)
    #expect(redaction.json(message, .http) == ["sessionId": "redacted1"])
  }

  @Test func `what is no secret stays`() throws {
    let text = #"""
      {"actorDisplayName":"Anna","callFlag":3,"fingerprint":"AA:BB","hasPassword":true,"hello-v2-token-key":"PEM",
      "message":"hej","sdp":"v=0\r\na=ice-ufrag:abcd\r\na=fingerprint:sha-256 AA\r\n","token":"","ticket":null,
      "urls":["turn:turn.example.com:3478?transport=udp"],"username":"17:talk"}
      """#
    let message = try JSONCoding.decode(JSONValue.self, from: text)
    var redaction = Redaction()
    #expect(redaction.json(message, .http) == message)
  }

  @Test func `headers and cookies lose their values and keep their names`() {
    var redaction = Redaction()
    #expect(redaction.header("Authorization", "Bearer bearer-token") == "Bearer redacted1")
    #expect(redaction.header("Set-Cookie", "oc=abcd%2Fefgh; path=/; HttpOnly") == "oc=redacted3; path=/; HttpOnly")
    #expect(redaction.cookie("abcd%2Fefgh") == "redacted3")
    #expect(redaction.header("Talk-Recording-Checksum", "00ff") == "redacted4")
    #expect(redaction.header("Spreed-Signaling-Random", "x") == "redacted5")
    #expect(redaction.header("Content-Type", "application/json; charset=utf-8") == "application/json; charset=utf-8")
    #expect(redaction.header("Location", "/login?redirect_url=/call/abcdefgh") == "/login?redirect_url=/call/abcdefgh")
    _ = redaction.url("https://host/call/abcdefgh")
    #expect(redaction.header("Location", "/login?redirect_url=/call/abcdefgh") == "/login?redirect_url=/call/redacted6")
  }

  @Test func `a password is found alone after it was seen in a login`() {
    var redaction = Redaction()
    let login = Data("anna:\(Self.secret)".utf8).base64EncodedString()
    let shown = redaction.header("Authorization", "Basic \(login)")
    #expect(shown.hasPrefix("Basic redacted"))
    #expect(redaction.text("it is \(Self.secret)!", .socket) == "it is redacted1!")
  }

  @Test func `the token of a conversation is taken out of addresses`() {
    var redaction = Redaction()
    #expect(redaction.url("https://h/nc/call/abcd1234#message_1") == "https://h/nc/call/redacted1#message_1")
    for path in [
      "v4/room/TOKEN/participants/active", "v1/chat/TOKEN?lastKnownMessageId=3", "v3/signaling/settings?token=TOKEN",
    ] {
      let shown = redaction.url("https://h/ocs/v2.php/apps/spreed/api/" + path.replacing("TOKEN", with: "efgh5678"))
      #expect(shown == "https://h/ocs/v2.php/apps/spreed/api/" + path.replacing("TOKEN", with: "redacted2"))
    }
    #expect(redaction.url("wss://h/standalone-signaling/spreed") == "wss://h/standalone-signaling/spreed")
    #expect(redaction.url("https://h/ocs/v2.php/cloud/capabilities") == "https://h/ocs/v2.php/cloud/capabilities")
  }

  @Test func `a form is read, and a page loses the tokens of its attributes`() {
    var redaction = Redaction()
    #expect(redaction.form("token=ab%2Fcdefgh&x=1+2") == ["token": "redacted1", "x": "1 2"])
    #expect(
      redaction.page(#"<head data-requesttoken="abc:def"><meta nonce="ghi"> ab/cdefgh"#)
        == #"<head data-requesttoken="redacted2"><meta nonce="redacted3"> redacted1"#)
  }

  @Test func `what was seen once is found everywhere, in every encoding and alignment`() throws {
    var random = SeededRandom(seed: 5)
    for round in 0..<200 {
      let length = Int.random(in: 8...80, using: &random)
      let secret =
        round == 0
        ? Self.secret
        : String(decoding: (0..<length).map { _ in UInt8.random(in: 33...126, using: &random) }, as: UTF8.self)
      var redaction = Redaction()
      _ = redaction.json(["password": .string(secret)], .http)
      let percent = secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
      var texts = [secret, percent, Self.withLowerCaseDigits(percent), percent.replacing("%20", with: "+")]
      texts.append(String(decoding: try JSONEncoder().encode([secret]), as: UTF8.self))
      for prefix in ["", "a", "ab", "abc", "user:"] {
        let encoded = Data((prefix + secret + ":tail").utf8).base64EncodedString()
        texts += [encoded, encoded.replacing("+", with: "-").replacing("/", with: "_")]
      }
      for text in texts {
        let shown = redaction.text("before \(text) after", .socket)
        #expect(Self.leaks(of: secret, in: shown).isEmpty, "\(secret) in \(shown)")
        #expect(shown.hasPrefix("before ") && shown.hasSuffix(" after") && shown.contains("redacted1"))
      }
    }
  }

  @Test func `secrets that overlap are taken out whole`() {
    var redaction = Redaction()
    for secret in ["abcdefgh", "abcdefghijkl", "ghijklmnop"] { _ = redaction.json(["token": .string(secret)], .http) }
    #expect(
      redaction.text("<abcdefgh> <abcdefghijkl> <abcdefghijklmnop>", .socket) == "<redacted1> <redacted2> <redacted2>")
  }

  @Test func `the names of secrets are few however many secrets there are`() {
    var table = SecretTable()
    for number in 0..<5000 { _ = table.name(for: "secret number \(number)") }
    #expect(table.masking("secret number 4999") == "redacted5000")
    #expect(table.masking("it is secret number 4500.") == "it is redacted4501.")
    #expect(table.masking("secret number 7!") == "secret number 7!")
  }

  @Test func `redaction is not confused by anything`() {
    var random = SeededRandom(seed: 9)
    var redaction = Redaction()
    let text =
      #"{"a":{"token":"abcdefgh","sdp":"a=ice-pwd:xyzxyzxyz\r\n","u":"https://h/call/abcd?token=%zz%"},"b":[1e9]}"#
    for _ in 0..<500 {
      let mutated = String(decoding: random.mutated(Array(text.utf8)), as: UTF8.self)
      _ = redaction.text(mutated, .socket)
      _ = redaction.url(mutated)
      _ = redaction.form(mutated)
      _ = redaction.page(mutated)
      _ = redaction.header("Set-Cookie", mutated)
      _ = redaction.header("Authorization", mutated)
    }
  }
}
