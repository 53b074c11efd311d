import Testing

@testable import TalkProtocol

@Suite struct SignalingMessageTests {
  @Test func `a hello is written as the server expects it`() {
    let hello = ClientMessage(
      id: "1",
      .hello(HelloRequest(version: "2.0", auth: .init(url: "https://h/backend", params: .init(token: "JWT")))))
    #expect(
      hello.text
        == #"{"hello":{"auth":{"params":{"token":"JWT"},"url":"https://h/backend"},"version":"2.0"},"id":"1","type":"hello"}"#
    )
  }

  @Test func `a request for an offer carries nothing but its type and room type`() {
    let message = ClientMessage(id: "3", .message(Addressed(to: .session("P"), PeerMessage(.requestOffer))))
    #expect(
      message.text
        == #"{"id":"3","message":{"data":{"roomType":"video","type":"requestoffer"},"recipient":{"sessionid":"P","type":"session"}},"type":"message"}"#
    )
  }

  @Test func `a candidate is nested twice`() {
    let candidate = ICECandidatePayload(candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0)
    let data = JSONCoding.text(PeerMessage(.candidate(candidate), to: "P", sid: "7"))
    #expect(
      data
        == #"{"payload":{"candidate":{"candidate":"candidate:1","sdpMLineIndex":0,"sdpMid":"0"}},"roomType":"video","sid":"7","to":"P","type":"candidate"}"#
    )
  }

  @Test func `a known type without what it needs is unknown, not an error`() throws {
    for text in [
      #"{"type":"hello","hello":{}}"#, #"{"type":"error"}"#, #"{"type":"event","event":[]}"#,
      #"{"type":"message","message":{"data":{}}}"#,
    ] {
      guard case .unknown = try ServerMessage(text: text).content else {
        Issue.record("\(text) was understood")
        continue
      }
    }
    let offer = try JSONCoding.decode(PeerMessage.self, from: #"{"type":"offer","payload":{"sdp":5}}"#)
    #expect(offer.content == .offer(SessionDescriptionPayload(type: "offer", sdp: "5")) || offer.content.isUnknown)
  }

  @Test(arguments: ["", "x", "[]", "{}", #"{"type":5}"#, "null"])
  func `what is no message at all is refused`(text: String) {
    #expect(throws: (any Error).self) { try ServerMessage(text: text) }
    #expect(throws: (any Error).self) { try ClientMessage(text: text) }
  }

  @Test func `a message nested without end is refused, not followed`() {
    let deep =
      #"{"type":"x","x":"# + String(repeating: "[", count: 200_000) + String(repeating: "]", count: 200_000) + "}"
    #expect(throws: (any Error).self) { try ServerMessage(text: deep) }
  }

  @Test(arguments: [
    (#"{"type":"audioOn"}"#, DataChannelMessage.audioOn), (#"{"type":"audioOff"}"#, .audioOff),
    (#"{"type":"speaking","payload":{}}"#, .speaking), (#"{"type":"stoppedSpeaking"}"#, .stoppedSpeaking),
    (#"{"type":"nickChanged","payload":"Ann"}"#, .nickChanged(name: "Ann", userid: nil)),
    (#"{"type":"nickChanged","payload":{"name":"Ann","userid":"ann"}}"#, .nickChanged(name: "Ann", userid: "ann")),
    (#"{"type":"nickChanged","payload":{"name":"Ann","userid":null}}"#, .nickChanged(name: "Ann", userid: nil)),
    (#"{"type":"nickChanged"}"#, .unknown(type: "nickChanged")), (#"{"type":"later"}"#, .unknown(type: "later")),
  ])
  func `data channel messages are understood in both shapes`(text: String, expected: DataChannelMessage) {
    #expect(DataChannelMessage(text: text) == expected)
    if case .unknown = expected { return }
    #expect(DataChannelMessage(text: expected.text) == expected)
  }

  @Test func `a forced mute is understood with and without a type`() throws {
    for text in [#"{"action":"forceMute","peerId":"S"}"#, #"{"type":"forceMute","action":"forceMute","peerId":"S"}"#] {
      #expect(try JSONCoding.decode(ControlMessage.self, from: text) == .forceMute(peer: "S"))
    }
  }
}

extension PeerMessage.Content {
  var isUnknown: Bool {
    if case .unknown = self { true } else { false }
  }
}
