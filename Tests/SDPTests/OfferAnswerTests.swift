import SDP
import Testing

struct OfferAnswerTests {
  @Test func `the publisher's offer is exactly this`() {
    let offer = SessionDescription.makeOffer(audio: Ours.source, local: Ours.endpoint)
    #expect(
      offer.text
        == lines(
          """
          v=0
          o=- 4611686018427387904 1 IN IP4 127.0.0.1
          s=-
          t=0 0
          a=group:BUNDLE 0 1
          a=msid-semantic: WMS stream0
          m=audio 9 UDP/TLS/RTP/SAVPF 111
          c=IN IP4 0.0.0.0
          a=rtcp:9 IN IP4 0.0.0.0
          a=ice-ufrag:Ours
          a=ice-pwd:0123456789abcdefghijkl
          a=ice-options:trickle
          \(Ours.fingerprintLine)
          a=setup:actpass
          a=mid:0
          a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
          a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
          a=sendonly
          a=msid:stream0 track0
          a=rtcp-mux
          a=rtcp-rsize
          a=rtpmap:111 opus/48000/2
          a=fmtp:111 minptime=10;useinbandfec=1
          a=ssrc:12345 cname:name0
          a=ssrc:12345 msid:stream0 track0
          m=application 9 UDP/DTLS/SCTP webrtc-datachannel
          c=IN IP4 0.0.0.0
          a=ice-ufrag:Ours
          a=ice-pwd:0123456789abcdefghijkl
          a=ice-options:trickle
          \(Ours.fingerprintLine)
          a=setup:actpass
          a=mid:1
          a=sctp-port:5000
          a=max-message-size:262144
          """))
  }

  @Test func `audio or the data channel can be left out of an offer`() {
    let audioOnly = SessionDescription.makeOffer(audio: Ours.source, dataChannel: false, local: Ours.endpoint)
    #expect(audioOnly.media.map(\.kind) == [.audio])
    #expect(audioOnly.bundledMids == ["0"])
    let dataOnly = SessionDescription.makeOffer(audio: nil, local: Ours.endpoint)
    #expect(dataOnly.media.map(\.kind) == [.application])
    #expect(dataOnly.bundledMids == ["0"])
  }

  @Test func `the answer to Janus's offer of audio, video and data is exactly this`() throws {
    let offer = try Fixture.description("audio-video.janus-offer-to-subscriber")
    let answer = try SessionDescription.makeAnswer(to: offer, local: Ours.endpoint)
    #expect(
      answer.text
        == lines(
          """
          v=0
          o=- 4611686018427387904 1 IN IP4 127.0.0.1
          s=-
          t=0 0
          a=group:BUNDLE 0 2
          a=msid-semantic: WMS
          m=audio 9 UDP/TLS/RTP/SAVPF 111
          c=IN IP4 0.0.0.0
          a=rtcp:9 IN IP4 0.0.0.0
          a=ice-ufrag:Ours
          a=ice-pwd:0123456789abcdefghijkl
          a=ice-options:trickle
          \(Ours.fingerprintLine)
          a=setup:active
          a=mid:0
          a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
          a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
          a=recvonly
          a=rtcp-mux
          a=rtpmap:111 opus/48000/2
          a=fmtp:111 minptime=10;useinbandfec=1
          m=video 0 UDP/TLS/RTP/SAVPF 96 97
          c=IN IP4 0.0.0.0
          a=inactive
          a=mid:1
          m=application 9 UDP/DTLS/SCTP webrtc-datachannel
          c=IN IP4 0.0.0.0
          a=ice-ufrag:Ours
          a=ice-pwd:0123456789abcdefghijkl
          a=ice-options:trickle
          \(Ours.fingerprintLine)
          a=setup:active
          a=mid:2
          a=sctp-port:5000
          a=max-message-size:262144
          """))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var offer: String
    var payloadType: String
    var accepted: [String]
    var refused: [String] = []
    /// Audio level and mid.
    var extensionIDs: [UInt16] = [1, 4]
    var testDescription: String { offer }
  }

  @Test(arguments: [
    Case(offer: "audio.janus-offer-to-subscriber", payloadType: "111", accepted: ["0"]),
    Case(offer: "audio-dc.janus-offer-to-subscriber", payloadType: "111", accepted: ["0", "1"]),
    Case(offer: "audio-munged.janus-offer-to-subscriber", payloadType: "111", accepted: ["0", "1"]),
    Case(
      offer: "audio-video-simulcast.janus-offer-to-subscriber", payloadType: "111", accepted: ["0", "2"],
      refused: ["1"]),
    Case(offer: "aiortc-audio.janus-offer-to-subscriber", payloadType: "111", accepted: ["0"]),
    Case(offer: "aiortc-audio-dc.janus-offer-to-subscriber", payloadType: "111", accepted: ["0", "1"]),
    Case(offer: "audio.publisher-offer", payloadType: "111", accepted: ["0"]),
    Case(offer: "audio-dc.publisher-offer", payloadType: "111", accepted: ["0", "1"]),
    Case(offer: "audio-video.publisher-offer", payloadType: "111", accepted: ["0", "2"], refused: ["1"]),
    Case(offer: "aiortc-audio.publisher-offer", payloadType: "96", accepted: ["0"], extensionIDs: [2, 1]),
    Case(offer: "aiortc-audio-dc.publisher-offer", payloadType: "96", accepted: ["0", "1"], extensionIDs: [2, 1]),
  ])
  func `recorded offers are answered line by line`(_ example: Case) throws {
    let offer = try Fixture.description(example.offer)
    let answer = try SessionDescription.makeAnswer(to: offer, local: Ours.endpoint)
    #expect(answer.media.map(\.kind) == offer.media.map(\.kind))
    #expect(answer.media.map(\.mid) == offer.media.map(\.mid))
    #expect(answer.bundledMids == example.accepted)
    #expect(answer.media.filter { $0.port == 0 }.map(\.mid) == example.refused)
    #expect(!answer.text.contains("rtcp-fb"))
    #expect(!answer.text.contains("candidate"))
    let audio = try #require(answer.media.first { $0.kind == .audio })
    #expect(audio.formats == [example.payloadType])
    #expect(audio.direction == .recvonly)
    #expect(audio.setup == .active)
    #expect(audio.extmaps.map(\.id) == example.extensionIDs)
    #expect(audio.attributes.contains(.rtcpReducedSize) == offer.text.contains("a=rtcp-rsize"))

    // The other side understands it.
    let session = try NegotiatedSession(answer: answer, to: offer)
    #expect(session.dtlsRole == .server)
    #expect(session.audio?.usesInbandFEC == true)
    #expect(session.refusedMids == example.refused)
  }

  @Test func `our own offer is answered by our own answer`() throws {
    let offer = SessionDescription.makeOffer(audio: Ours.source, local: Ours.endpoint)
    let read = try SessionDescription(parsing: offer.text)
    #expect(read == offer)
    let answer = try SessionDescription.makeAnswer(to: read, local: Ours.endpoint)
    let session = try NegotiatedSession(answer: SessionDescription(parsing: answer.text), to: offer)
    #expect(session.audio?.remoteDirection == .recvonly)
    #expect(session.dataChannel?.maximumMessageSize == 262_144)
  }

  private func offer(_ name: String = "audio-dc.janus-offer-to-subscriber", _ edits: (String, String)...) throws
    -> SessionDescription
  {
    var text = try Fixture.text(name)
    for (old, new) in edits {
      #expect(text.contains(old))
      text = text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
    return try SessionDescription(parsing: text)
  }

  @Test(arguments: [
    ("actpass", SetupRole.active), ("passive", .active), ("active", .passive),
  ])
  func `the answer's DTLS role goes with the offer's`(offered: String, answered: SetupRole) throws {
    let answer = try SessionDescription.makeAnswer(
      to: offer("audio-dc.janus-offer-to-subscriber", ("a=setup:actpass", "a=setup:\(offered)")), local: Ours.endpoint)
    #expect(answer.media.map(\.setup) == [answered, answered])
  }

  @Test func `without a bundle only the first line is taken`() throws {
    let answer = try SessionDescription.makeAnswer(
      to: offer("audio-dc.janus-offer-to-subscriber", ("a=group:BUNDLE 0 1\r\n", "")), local: Ours.endpoint)
    #expect(answer.media.map(\.port) == [9, 0])
    #expect(answer.bundledMids == nil)
    let partly = try SessionDescription.makeAnswer(
      to: offer("audio-dc.janus-offer-to-subscriber", ("BUNDLE 0 1", "BUNDLE 0")), local: Ours.endpoint)
    #expect(partly.media.map(\.port) == [9, 0])
    #expect(partly.bundledMids == ["0"])
  }

  @Test(arguments: [("sendrecv", Direction.recvonly), ("recvonly", .inactive), ("inactive", .inactive)])
  func `the answer never sends`(offered: String, answered: Direction) throws {
    let answer = try SessionDescription.makeAnswer(
      to: offer("audio.janus-offer-to-subscriber", ("a=sendonly", "a=\(offered)")), local: Ours.endpoint)
    #expect(answer.media[0].direction == answered)
  }

  @Test func `audio that we cannot take is refused while the data channel is accepted`() throws {
    for (old, new) in [
      ("opus/48000/2", "opus/16000/1"), ("a=rtcp-mux\r\n", ""), ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
      ("m=audio 9", "m=audio 0"), ("m=audio", "m=text"),
    ] {
      let answer = try SessionDescription.makeAnswer(
        to: offer("audio-dc.janus-offer-to-subscriber", (old, new)), local: Ours.endpoint)
      #expect(answer.media.map(\.port) == [0, 9])
      #expect(answer.bundledMids == ["1"])
    }
  }

  @Test func `a line that is only in the bundle is no refusal`() throws {
    let answer = try SessionDescription.makeAnswer(
      to: offer(
        "audio-dc.janus-offer-to-subscriber",
        (
          "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
          "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=bundle-only\r\n"
        )), local: Ours.endpoint)
    #expect(answer.media.map(\.port) == [9, 9])
  }

  @Test func `old Janus's mids are kept`() throws {
    let answer = try SessionDescription.makeAnswer(
      to: offer(
        "audio-dc.janus-offer-to-subscriber", ("BUNDLE 0 1", "BUNDLE audio data"), ("a=mid:0", "a=mid:audio"),
        ("a=mid:1", "a=mid:data")), local: Ours.endpoint)
    #expect(answer.media.map(\.mid) == ["audio", "data"])
    #expect(answer.bundledMids == ["audio", "data"])
  }

  @Test func `known candidates stand in the first line only`() {
    var endpoint = Ours.endpoint
    endpoint.candidates = ["candidate:1 1 udp 1 192.0.2.1 5 typ host", "a=candidate:2 1 udp 1 192.0.2.1 6 typ host"]
    endpoint.candidatesEnded = true
    let offer = SessionDescription.makeOffer(audio: Ours.source, local: endpoint)
    #expect(offer.media[0].candidates == ["1 1 udp 1 192.0.2.1 5 typ host", "2 1 udp 1 192.0.2.1 6 typ host"])
    #expect(offer.media[0].attributes.contains(.endOfCandidates))
    #expect(offer.media[1].candidates.isEmpty)
    #expect(offer.text.contains("\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n"))
  }

  @Test(arguments: [
    ("m=audio 9", "m=audio 0", NegotiationError.nothingUsable),
    ("a=ice-ufrag:FF5W\r\n", "", .noICECredentials),
    ("a=ice-pwd:PrqRCCCy5pZJJZ0cJmYBh5", "a=ice-pwd:short", .noICECredentials),
    ("sha-256", "sha-512", .noFingerprint(offered: ["sha-512"])),
    ("a=fingerprint:sha-256 BF", "a=fingerprint:sha-256 XX", .noFingerprint(offered: [])),
    ("a=fingerprint:sha-256 BF:", "a=fingerprint:sha-256 ", .noFingerprint(offered: ["sha-256"])),
    ("a=setup:actpass", "a=setup:holdconn", .unusableSetup("holdconn")),
  ])
  func `an offer that cannot be used is refused with its reason`(
    old: String, new: String, error: NegotiationError
  ) throws {
    let offer = try offer("audio.janus-offer-to-subscriber", (old, new))
    #expect(throws: error) { try SessionDescription.makeAnswer(to: offer, local: Ours.endpoint) }
  }
}
