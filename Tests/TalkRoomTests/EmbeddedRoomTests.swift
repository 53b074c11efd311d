import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

/// The embedded room over real HTTP and real sockets. Its rules are tested elsewhere, on the values it is made of.
@Suite struct EmbeddedRoomTests {
  static let token = "abcd1234"

  @Test func `guests see each other come, call, talk and go`() async throws {
    try await withRoom { room, base in
      let anna = CallGuest(base: base, token: Self.token)
      try await anna.enterCall(name: "Anna")
      let ben = CallGuest(base: base, token: Self.token)
      try await ben.enterCall(name: "Ben")
      #expect(await room.namesInCall(Self.token) == ["Anna", "Ben"])
      #expect(await room.callFlags(of: "Ben", in: Self.token) == 3)
      let names = try await ben.request("GET", "v4/call/\(Self.token)").data.array?.map { $0["displayName"] }
      #expect(names == ["Anna", "Ben"])
      let session = await ben.session
      try await anna.message("the other's arrival") {
        $0["event"]["type"] == "join" && $0["event"]["join"].array?.first?["sessionid"].string == session
      }
      await ben.send(to: await anna.session, ["type": "nickChanged", "payload": ["name": "Benno"]])
      try await anna.message("a message of the other") {
        $0["message"]["sender"]["sessionid"].string == session && $0["message"]["data"]["type"] == "nickChanged"
      }
      await ben.send("bye", [:])
      try await anna.message("the other's leave") { $0["event"]["leave"].array == [.string(session)] }
      #expect(await room.names(Self.token) == ["Anna"])
      await anna.close()
      await ben.close()
    }
  }

  @Test func `a long poll for chat ends when something is said`() async throws {
    try await withRoom { _, base in
      let anna = CallGuest(base: base, token: Self.token)
      let ben = CallGuest(base: base, token: Self.token)
      try await anna.activate()
      try await ben.activate()
      async let polled = anna.request(
        "GET", "v1/chat/\(Self.token)?lookIntoFuture=1&timeout=20&lastKnownMessageId=0")
      let sent = try await ben.request("POST", "v1/chat/\(Self.token)", ["message": "hello"])
      #expect(sent.status == 201)
      let reply = try await polled
      #expect(reply.status == 200)
      #expect(reply.data.array?.map { $0["message"] } == ["hello"])
      let last = try #require(reply.headers("X-Chat-Last-Given"))
      let nothing = try await anna.request(
        "GET", "v1/chat/\(Self.token)?lookIntoFuture=1&timeout=1&lastKnownMessageId=\(last)")
      #expect(nothing.status == 304)
      #expect(nothing.body == .null)
      await anna.close()
      await ben.close()
    }
  }

  @Test func `deadlines run by the clock`() async throws {
    var options = EmbeddedRoom.Options()
    options.deadlines.hello = .milliseconds(50)
    try await withRoom(options) { _, base in
      let guest = CallGuest(base: base, token: Self.token)
      try await guest.connect()
      try await guest.message("the farewell") { $0["bye"]["reason"] == "hello_timeout" }
      try await eventually("the end of the socket") { await guest.closure != nil }
      await guest.close()
    }
  }

  @Test func `a dropped socket can be resumed`() async throws {
    try await withRoom { room, base in
      let anna = CallGuest(base: base, token: Self.token)
      try await anna.enterCall()
      let session = await anna.session
      await room.dropSockets()
      try await eventually("the end of the socket") { await anna.closure != nil }
      try await anna.connect()
      #expect(try await anna.resume()["hello"]["sessionid"].string == session)
      await anna.close()
    }
  }

  @Test func `what a moderator does reaches the guests`() async throws {
    try await withRoom { room, base in
      let anna = CallGuest(base: base, token: Self.token)
      try await anna.enterCall(name: "Anna")
      await room.change(Self.token) { $0.hasLobby = true }
      try await anna.message("the lobby") { $0["room"]["properties"]["lobby-state"] == 1 }
      #expect(try await anna.joinCall().status == 412)
      await room.change(Self.token) { $0.hasLobby = false }
      #expect(try await anna.joinCall().status == 200)
      await room.endCall(Self.token)
      try await anna.message("the end of the call") { $0["event"]["update"]["all"] == true }
      await room.remove("Anna", from: Self.token)
      try await anna.message("the removal") { $0["event"]["type"] == "disinvite" }
      try await eventually("the end of the socket") { await anna.closure != nil }
      #expect(try await anna.joinCall().status == 404)
      await room.delete(Self.token)
      #expect(try await anna.activate().status == 404)
      await anna.close()
    }
  }

  @Test func `it misbehaves on demand`() async throws {
    try await withRoom { room, base in
      let guest = CallGuest(base: base, token: Self.token)
      await room.setFaults { $0.refusedRequests = ["/participants/active": 503] }
      #expect(try await guest.activate().status == 503)
      await room.setFaults { $0.droppedRequests = ["/participants/active"] }
      await #expect(throws: (any Error).self) { try await guest.activate() }
      await room.setFaults { faults in
        faults = RoomFaults()
        faults.refusedMessages = ["hello": "session_limit_exceeded"]
      }
      #expect(try await guest.activate().status == 200)
      try await guest.connect()
      #expect(try await guest.hello()["error"]["code"] == "session_limit_exceeded")
      await room.setFaults { faults in
        faults = RoomFaults()
        faults.refusedHandshake = 502
      }
      await #expect(throws: (any Error).self) { try await guest.connect() }
      await room.setMaintenance(true)
      #expect(try await guest.activate().status == 503)
      await guest.close()
    }
  }
}

/// Runs `body` with a room that is stopped afterwards.
func withRoom(
  _ options: EmbeddedRoom.Options = .init(),
  conversations: [HostedConversation] = [HostedConversation(token: EmbeddedRoomTests.token, name: "Public room")],
  _ body: (_ room: EmbeddedRoom, _ base: String) async throws -> Void
) async throws {
  let room = EmbeddedRoom(options, conversations: conversations)
  let base = try await room.start()
  do {
    try await body(room, base)
  } catch {
    await room.stop()
    throw error
  }
  await room.stop()
}
