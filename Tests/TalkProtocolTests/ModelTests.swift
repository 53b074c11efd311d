import Foundation
import TestSupport
import Testing

@testable import TalkProtocol

@Suite struct ModelTests {
  @Test func `a field of the wrong type spoils nothing around it`() throws {
    let text = #"{"token":"abcd","type":{"a":1},"permissions":"246","hasCall":1,"readOnly":0,"sessionId":17,"new":[]}"#
    let conversation = try JSONCoding.decode(Conversation.self, from: text)
    #expect(conversation.token == "abcd")
    #expect(conversation.type == nil)
    #expect(conversation.permissions == [.startCall, .joinCall, .publishAudio, .publishVideo, .publishScreen, .chat])
    #expect(conversation.hasCall == true)
    #expect(conversation.readOnly == false)
    #expect(conversation.sessionId == "17")
  }

  @Test func `an empty list where a map is meant is an empty map`() throws {
    let message = try JSONCoding.decode(
      ChatMessage.self, from: #"{"id":1,"message":"x","messageParameters":[]}"#)
    #expect(message.messageParameters == [:])
    let settings = try JSONCoding.decode(SignalingSettings.self, from: #"{"helloAuthParams":[],"stunservers":{}}"#)
    #expect(settings.helloAuthParams == [:])
    #expect(settings.stunservers == [])
  }

  @Test func `a list with holes, which PHP writes as an object, is a list`() throws {
    let text = #"{"stunservers":{"2":{"urls":["stun:b"]},"0":{"urls":["stun:a"]},"x":1}}"#
    let settings = try JSONCoding.decode(SignalingSettings.self, from: text)
    #expect(settings.stunservers?.compactMap(\.urls?.first) == ["stun:a", "stun:b"])
  }

  @Test func `a bad element of a list is left out`() throws {
    let text = #"{"users":[{"sessionId":"a","inCall":3},17,{"inCall":1},null,{"sessionId":"b","inCall":true}]}"#
    let update = try JSONCoding.decode(ParticipantsUpdate.self, from: text)
    #expect(update.users?.map(\.sessionId) == ["a", "b"])
    #expect(update.users?.last?.inCall == .inCall)
  }

  @Test func `numbers beyond an integer are no integers`() throws {
    let conversation = try JSONCoding.decode(Conversation.self, from: #"{"type":1e300,"attendeeId":3.0}"#)
    #expect(conversation.type == nil)
    #expect(conversation.attendeeId == 3)
  }

  @Test(arguments: [
    (#"{"ocs":{"meta":{"statuscode":403},"data":{"error":"password"}}}"#, "password"),
    (#"{"ocs":{"meta":{},"data":[]}}"#, nil), (#"{"ocs":{"data":null}}"#, nil), (#"{"ocs":{}}"#, nil),
  ])
  func `a refusal tells its reason, if it has one`(text: String, reason: String?) throws {
    #expect(try OCSEnvelope<TalkErrorBody>(body: Array(text.utf8)).data?.error == reason)
  }

  @Test(arguments: ["", "<html>", "[]", #"{"ocs":7}"#, #"{"data":{}}"#])
  func `what is no envelope is refused`(text: String) {
    #expect(throws: (any Error).self) { try OCSEnvelope<TalkErrorBody>(body: Array(text.utf8)) }
  }

  @Test func `the capabilities of a real server are understood`() throws {
    let talk = try #require(
      OCSEnvelope<ServerCapabilities>(
        body: [UInt8](Data(contentsOf: URL(filePath: Repository.fixture("traces/capabilities-guest.json"))))
      ).data?.talk)
    #expect(talk.version == "21.1.7")
    #expect(talk.has("signaling-v3") && talk.has("conversation-v4"))
    #expect(!talk.encryptsEndToEnd)
    #expect(talk.config?.chat?.maxLength == 32000)
    #expect(talk.config?.call?.enabled == true)
  }

  @Test(arguments: [
    (true, true, true), (true, false, false), (true, nil, true), (false, true, true), (false, nil, false),
  ])
  func `end-to-end encryption is what the switch says, else the feature`(feature: Bool, flag: Bool?, expected: Bool) {
    let talk = TalkCapabilities(
      features: feature ? ["call-end-to-end-encryption"] : [],
      config: .init(call: .init(endToEndEncryption: flag)))
    #expect(talk.encryptsEndToEnd == expected)
  }

  @Test(arguments: [
    ("https://hpb.example.com", "wss://hpb.example.com/spreed"),
    ("https://h/standalone-signaling/", "wss://h/standalone-signaling/spreed"),
    ("http://localhost:8082", "ws://localhost:8082/spreed"), ("wss://h//", "wss://h/spreed"), ("", nil),
    ("ftp://h", nil),
  ])
  func `the socket is at spreed below the server`(server: String, expected: String?) {
    #expect(SignalingSettings(signalingMode: "external", server: server).socketURL == expected)
  }

  @Test func `internal mode and a missing server mean there is no signaling server`() {
    #expect(!SignalingSettings(signalingMode: "internal", server: "https://h").usesSignalingServer)
    #expect(!SignalingSettings(signalingMode: "external", server: "").usesSignalingServer)
    #expect(SignalingSettings(signalingMode: "conversation_cluster", server: "https://h").usesSignalingServer)
  }

  @Test(arguments: [
    (1, 0, nil, false), (1, 4, nil, true), (1, 1, nil, false), (1, 6, nil, false),
    (1, 4, Permissions.ignoreLobby, false),
    (0, 4, nil, false),
  ])
  func `the lobby keeps out whoever may not ignore it`(state: Int, type: Int, permissions: Permissions?, closed: Bool) {
    var conversation = Conversation(token: "abcd")
    conversation.lobbyState = state
    conversation.participantType = type == 0 ? 4 : type
    conversation.permissions = permissions
    #expect(conversation.isClosedByLobby == (closed || (state == 1 && type == 0)))
  }
}
