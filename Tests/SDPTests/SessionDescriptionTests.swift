import SDP
import TestSupport
import Testing

struct SessionDescriptionTests {
  @Test func `the fixtures are there`() {
    #expect(Fixture.names.count == 29)
  }

  @Test(arguments: Fixture.names)
  func `a recorded description is written as it was read`(name: String) throws {
    let text = try Fixture.text(name)
    #expect(try SessionDescription(parsing: text).text == text)
  }

  @Test(arguments: Fixture.names)
  func `line ends may be CRLF, LF or missing at the end`(name: String) throws {
    let text = try Fixture.text(name)
    let description = try SessionDescription(parsing: text)
    let unixText = String(decoding: text.utf8.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    #expect(try SessionDescription(parsing: unixText) == description)
    #expect(try SessionDescription(parsing: String(unixText.dropLast())) == description)
    #expect(try SessionDescription(parsing: text + "\r\n\n") == description)
  }

  @Test func `every attribute is read into its type`() throws {
    let description = try SessionDescription(
      parsing: lines(
        """
        v=0
        o=mozilla 18446744073709551615 3 IN IP6 ::1
        s=a name
        i=dropped
        c=IN IP4 192.0.2.1
        b=AS:1
        t=0 0
        a=group:BUNDLE a b
        a=ice-lite
        a=ice-options:trickle ice2
        m=audio 5004/2 UDP/TLS/RTP/SAVPF 109 0
        b=TIAS:64000
        a=mid:a
        a=inactive
        a=setup:passive
        a=fingerprint:SHA-1 00:ab:FF
        a=ice-ufrag:abcd
        a=ice-pwd:secret
        a=candidate:1 1 udp 1 192.0.2.1 5 typ host
        a=end-of-candidates
        a=rtpmap:109 opus/48000/2
        a=rtpmap:0 PCMU/8000
        a=fmtp:109 maxplaybackrate=48000;stereo=1
        a=rtcp-fb:* transport-cc
        a=extmap:2/recvonly urn:x with more
        a=ssrc:4294967295 cname:{a b}
        a=msid:- track
        a=rtcp-mux
        a=rtcp-rsize
        m=application 0 UDP/DTLS/SCTP webrtc-datachannel
        a=sctp-port:5000
        a=max-message-size:1073741823
        a=x-unknown:as it is
        """))
    #expect(
      description.origin
        == .init(username: "mozilla", sessionID: .max, sessionVersion: 3, address: "IN IP6 ::1"))
    #expect(description.name == "a name")
    #expect(description.connection == "IN IP4 192.0.2.1")
    #expect(description.isICELite)
    #expect(description.bundledMids == ["a", "b"])
    let audio = description.media[0]
    #expect(audio.port == 5004)
    #expect(
      audio.attributes == [
        .mid("a"), .direction(.inactive), .setup(.passive),
        .fingerprint(Fingerprint(algorithm: "sha-1", digest: [0, 0xAB, 0xFF])), .iceUsernameFragment("abcd"),
        .icePassword("secret"), .candidate("1 1 udp 1 192.0.2.1 5 typ host"), .endOfCandidates,
        .rtpmap(RTPMap(payloadType: 109, encoding: "opus", clockRate: 48_000, channels: 2)),
        .rtpmap(RTPMap(payloadType: 0, encoding: "PCMU", clockRate: 8000)),
        .fmtp(payloadType: 109, parameters: "maxplaybackrate=48000;stereo=1"),
        .rtcpFeedback(format: "*", value: "transport-cc"),
        .extmap(ExtensionMap(id: 2, direction: .recvonly, uri: "urn:x", attributes: "with more")),
        .ssrc(.max, name: "cname", value: "{a b}"), .msid(stream: "-", track: "track"), .rtcpMux, .rtcpReducedSize,
      ])
    #expect(audio.opusPayloadType == 109)
    #expect(
      description.media[1].attributes == [
        .sctpPort(5000), .maxMessageSize(1_073_741_823), .other(name: "x-unknown", value: "as it is"),
      ])
  }

  @Test(arguments: [
    "mid:", "mid:two words", "setup:maybe", "fingerprint:sha-256", "fingerprint:sha-256 0", "fingerprint:sha-256 +1:02",
    "ice-ufrag:a b", "rtpmap:111", "rtpmap:300 opus/48000", "rtpmap:128 opus/48000", "rtpmap:1 opus", "rtpmap:1 o/0",
    "rtpmap:1 o/1/x", "fmtp:111", "fmtp:x y=1", "rtcp-fb:*", "extmap:0 urn:x", "extmap:1", "extmap:1/up urn:x",
    "ssrc:1", "ssrc:-1 cname:x", "sctp-port:65536", "max-message-size:many", "rtcp-mux:yes", "msid:a b c", "candidate:",
    "", ":", ":x", "unknown",
  ])
  func `an attribute that cannot be read is kept as it is`(line: String) throws {
    let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=\(line)\r\n"
    let description = try SessionDescription(parsing: text)
    guard case .other = description.attributes[0] else {
      Issue.record("read as \(description.attributes[0])")
      return
    }
    #expect(description.text == text)
  }

  @Test(arguments: [
    ("", SDPError.unsupportedVersion), ("v=1\no=- 1 1 IN IP4 0.0.0.0\n", .unsupportedVersion),
    ("o=- 1 1 IN IP4 0.0.0.0\nv=0\n", .unsupportedVersion), ("v=0\ns=-\n", .missingOrigin),
    ("v=0\no=- 1 1 IN IP4\n", .malformedLine(number: 2)), ("v=0\no=- x 1 IN IP4 0.0.0.0\n", .malformedLine(number: 2)),
    ("v=0\no=- 1 1 IN IP4 0.0.0.0\no=- 1 1 IN IP4 0.0.0.0\n", .malformedLine(number: 3)),
    ("v=0\r\n\r\nnonsense\r\n", .malformedLine(number: 3)), ("v=0\nm=audio 9 RTP/AVP\n", .malformedLine(number: 2)),
    ("v=0\nm=audio 65536 RTP/AVP 0\n", .malformedLine(number: 2)),
    ("v=0\nm=audio / RTP/AVP 0\n", .malformedLine(number: 2)), ("v=0\nx=1\n", .malformedLine(number: 2)),
    ("v=0\na=mid:0\rm=video 9 x 1\n", .malformedLine(number: 2)), ("v=0\na=mid:\u{1}\n", .malformedLine(number: 2)),
    ("v=0\n = \n", .malformedLine(number: 2)), ("v=0\né=\n", .malformedLine(number: 2)),
  ])
  func `what is no description is refused with its reason`(text: String, error: SDPError) {
    #expect(throws: error) { try SessionDescription(parsing: text) }
  }

  @Test func `a description beyond 64 KiB is refused`() throws {
    let text = try Fixture.text("audio.publisher-offer")
    let filling = String(repeating: "a=x\r\n", count: (SessionDescription.maximumSize - text.utf8.count) / 5)
    #expect(try SessionDescription(parsing: text + filling).media.count == 1)
    #expect(throws: SDPError.tooLarge(bytes: text.utf8.count + filling.utf8.count + 5)) {
      try SessionDescription(parsing: text + filling + "a=x\r\n")
    }
  }

  @Test func `errors and credentials do not tell the ICE password`() throws {
    let credentials = ICECredentials(usernameFragment: "user", password: "hush-hush")
    #expect(!"\(credentials) \(String(reflecting: credentials))".contains("hush"))
    var dumped = ""
    dump(credentials, to: &dumped)
    #expect(!dumped.contains("hush"))
    #expect(!"\(SDPError.malformedLine(number: 3))".isEmpty)
  }

  @Test(arguments: [
    ("minptime=10;useinbandfec=1", "useinbandfec", "1"), (" a = b ; C", "a", "b"), ("a;C", "c", ""),
    ("x==y", "x", "=y"),
    (";;", "a", nil), ("", "", nil),
  ])
  func `format parameters are found by name`(text: String, name: String, value: String?) {
    #expect(FormatParameters(text)[name] == value)
  }

  @Test func `mutated descriptions never trap, and what is read can be written and read again`() throws {
    var random = SeededRandom(seed: 5)
    let originals = try Fixture.names.map { Array(try Fixture.text($0).utf8) }
    var accepted = 0
    for _ in 0..<4000 {
      let mutated = random.mutated(originals.randomElement(using: &random)!)
      guard let description = try? SessionDescription(parsing: String(decoding: mutated, as: UTF8.self)) else {
        continue
      }
      accepted += 1
      #expect(try SessionDescription(parsing: description.text) == description)
      _ = try? NegotiatedSession(answer: description, to: description)
      if let answer = try? SessionDescription.makeAnswer(to: description, local: Ours.endpoint) {
        #expect(try SessionDescription(parsing: answer.text) == answer)
        #expect(answer.media.count == description.media.count)
      }
    }
    #expect(accepted > 500)
  }

  @Test func `random lines never trap`() {
    var random = SeededRandom(seed: 6)
    let parts = [
      "v=0\n", "o=- 1 1 IN IP4 0\n", "m=", "a=", "audio 9 ", "UDP/TLS/RTP/SAVPF", " ", ":", "/", "\n", "\r\n", "rtpmap",
      "extmap", "ssrc", "group", "BUNDLE", "111", "99999999999999999999", "-1", "fingerprint", "sha-256 ", "é",
      "\u{301}",
    ]
    for _ in 0..<4000 {
      var text = "v=0\no=- 1 1 IN IP4 0\n"
      for _ in 0..<Int.random(in: 0...30, using: &random) { text += parts.randomElement(using: &random)! }
      guard let description = try? SessionDescription(parsing: text) else { continue }
      #expect(throws: Never.self) { try SessionDescription(parsing: description.text) }
      _ = try? SessionDescription.makeAnswer(to: description, local: Ours.endpoint)
    }
  }
}
