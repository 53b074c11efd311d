import SDP
import Testing

struct NegotiatedSessionTests {
  @Test func `Janus's answer to a publisher tells all we need`() throws {
    let session = try NegotiatedSession(
      answer: Fixture.description("audio-dc.janus-answer-to-publisher"),
      to: Fixture.description("audio-dc.publisher-offer"))
    #expect(
      session.remoteCredentials == ICECredentials(usernameFragment: "n5Pp", password: "cCbtW8cbYt6YD2O5TDtM8v"))
    #expect(session.remoteFingerprint.algorithm == "sha-256")
    #expect(session.remoteFingerprint.digest.prefix(3) == [0xBF, 0x79, 0x6A])
    #expect(session.dtlsRole == .server)
    #expect(!session.remoteIsICELite)
    #expect(session.transportMid == "0")
    #expect(session.transportIndex == 0)
    #expect(
      session.remoteCandidates == ["candidate:1 1 udp 2015363583 127.0.0.1 20101 typ host generation 0"])
    #expect(!session.remoteCandidatesEnded)
    let audio = try #require(session.audio)
    #expect(audio.mid == "0")
    #expect(audio.payloadType == 111)
    #expect(audio.remoteDirection == .recvonly)
    #expect(audio.usesInbandFEC)
    #expect(!audio.stereo)
    #expect(!audio.usesDTX)
    #expect(audio.audioLevelExtensionID == 1)
    #expect(audio.midExtensionID == 4)
    #expect(!audio.reducedSizeRTCP)
    let dataChannel = try #require(session.dataChannel)
    #expect(dataChannel.mid == "1")
    #expect(dataChannel.remotePort == 5000)
    #expect(dataChannel.maximumMessageSize == 65_536)
    #expect(session.refusedMids.isEmpty)
  }

  @Test func `Janus's offer of an old encoder's stream has no format parameters`() throws {
    let session = try NegotiatedSession(offer: Fixture.description("aiortc-audio.janus-offer-to-subscriber"))
    #expect(session.dtlsRole == .client)
    let audio = try #require(session.audio)
    #expect(!audio.usesInbandFEC)
    #expect(audio.remoteDirection == .sendonly)
    #expect(audio.remoteSSRC == 2_068_717_533)
    #expect(audio.remoteCanonicalName == "janus")
    #expect(session.remoteCandidates.isEmpty)
    #expect(session.dataChannel == nil)
  }

  @Test func `aiortc's payload type and extension ids are its own`() throws {
    let session = try NegotiatedSession(
      answer: Fixture.description("aiortc-audio.janus-answer-to-publisher"),
      to: Fixture.description("aiortc-audio.publisher-offer"))
    #expect(session.audio?.payloadType == 96)
    #expect(session.audio?.audioLevelExtensionID == 2)
    #expect(session.audio?.midExtensionID == 1)
  }

  @Test func `an unusual publisher's wishes are read`() throws {
    let session = try NegotiatedSession(offer: Fixture.description("audio-munged.publisher-offer"))
    let audio = try #require(session.audio)
    #expect(audio.stereo)
    #expect(audio.usesDTX)
    #expect(audio.maximumAverageBitrate == 256_000)
    #expect(audio.reducedSizeRTCP)
    #expect(audio.remoteCanonicalName == "oMvh8LZ5yDFSs2P2")
    #expect(session.dataChannel?.maximumMessageSize == 262_144)
  }

  @Test func `of several fingerprints the one by sha-256 is taken`() throws {
    let session = try NegotiatedSession(
      answer: Fixture.description("audio-dc.aiortc-subscriber-answer"),
      to: Fixture.description("audio-dc.janus-offer-to-subscriber"))
    #expect(session.remoteFingerprint.digest.count == 32)
    #expect(session.remoteFingerprint.digest[0] == 0x9B)
    #expect(session.remoteCandidatesEnded)
    #expect(session.remoteCandidates.count == 1)
  }

  @Test func `what the peer refused is told`() throws {
    let session = try NegotiatedSession(
      answer: Fixture.description("audio-video.aiortc-audio-only-answer"),
      to: Fixture.description("audio-video.janus-offer-to-subscriber"))
    #expect(session.audio?.remoteDirection == .recvonly)
    #expect(session.dataChannel == nil)
    #expect(session.refusedMids == ["1", "2"])
  }

  @Test(arguments: Fixture.names)
  func `every recorded description can be used`(name: String) throws {
    let description = try Fixture.description(name)
    let session =
      name.hasSuffix("offer") || name.contains("offer-to")
      ? try NegotiatedSession(offer: description) : try NegotiatedSession(answer: description, to: description)
    #expect(session.audio != nil)
    #expect(session.remoteFingerprint.algorithm == "sha-256")
  }

  @Test func `session-wide attributes count where a line has none`() throws {
    let description = try SessionDescription(
      parsing: lines(
        """
        v=0
        o=- 1 1 IN IP4 0.0.0.0
        s=-
        t=0 0
        a=ice-lite
        a=ice-ufrag:abcd
        a=ice-pwd:0123456789abcdefghijkl
        \(Ours.fingerprintLine)
        a=setup:passive
        a=sendonly
        m=audio 9 UDP/TLS/RTP/SAVPF 96
        a=rtcp-mux
        a=rtpmap:96 OPUS/48000/2
        """))
    let session = try NegotiatedSession(answer: description, to: description)
    #expect(session.remoteIsICELite)
    #expect(session.remoteCredentials.usernameFragment == "abcd")
    #expect(session.dtlsRole == .client)
    #expect(session.transportMid == "0")
    #expect(session.audio?.payloadType == 96)
    #expect(session.audio?.remoteDirection == .sendonly)
    #expect(session.audio?.audioLevelExtensionID == nil)
  }

  @Test(
    arguments: [
      (SetupRole.active, DTLSRole.server), (.passive, .client), (nil, .client),
    ] as [(SetupRole?, DTLSRole)])
  func `an answer's role decides ours`(setup: SetupRole?, role: DTLSRole) throws {
    var answer = try Fixture.description("audio.janus-answer-to-publisher")
    answer.media[0].attributes.removeAll { if case .setup = $0 { true } else { false } }
    if let setup { answer.media[0].attributes.append(.setup(setup)) }
    let session = try NegotiatedSession(answer: answer, to: Fixture.description("audio.publisher-offer"))
    #expect(session.dtlsRole == role)
  }

  @Test func `an answer must fit the offer`() throws {
    let offer = try Fixture.description("audio-dc.publisher-offer")
    #expect(throws: NegotiationError.mediaLinesDiffer) {
      try NegotiatedSession(answer: Fixture.description("audio.janus-answer-to-publisher"), to: offer)
    }
    #expect(throws: NegotiationError.unusableSetup("actpass")) { try NegotiatedSession(answer: offer, to: offer) }
    var refusal = try Fixture.description("audio-dc.janus-answer-to-publisher")
    for index in refusal.media.indices { refusal.media[index].port = 0 }
    #expect(throws: NegotiationError.nothingUsable) { try NegotiatedSession(answer: refusal, to: offer) }
  }

  @Test func `a message size of zero is no limit, a provisional extension id is none`() throws {
    var offer = SessionDescription.makeOffer(audio: Ours.source, local: Ours.endpoint)
    offer.media[1].attributes.removeLast()
    offer.media[1].attributes.append(.maxMessageSize(0))
    offer.media[0].attributes.removeAll { if case .extmap = $0 { true } else { false } }
    offer.media[0].attributes.append(.extmap(ExtensionMap(id: 4096, uri: ExtensionMap.audioLevel)))
    let session = try NegotiatedSession(offer: offer)
    #expect(session.dataChannel?.maximumMessageSize == nil)
    #expect(session.audio?.audioLevelExtensionID == nil)
  }
}
