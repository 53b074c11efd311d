internal import GLibLoop
internal import HTTPClient
internal import Signatures
internal import TalkProtocol
internal import Transport
internal import WebTransport

/// The way between this room and a real signaling server: signed requests in both directions.
actor SignalingBackend {
  static let path = "/ocs/v2.php/apps/spreed/api/v3/signaling/backend"

  nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  private let external: EmbeddedRoom.ExternalSignaling
  private let base: String
  private let session = HTTPSession()
  private var isDelivering = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ external: EmbeddedRoom.ExternalSignaling, base: String) {
    self.external = external
    self.base = base
  }

  func close() async { await session.close() }

  /// The body of a request from the signaling server; nil where its checksum is wrong.
  nonisolated func verified(_ request: WebRequest) -> JSONValue? {
    guard let random = request.headers["Spreed-Signaling-Random"],
      let checksum = request.headers["Spreed-Signaling-Checksum"]
    else { return nil }
    let expected = self.checksum(random: random, body: request.body)
    guard isEqualInConstantTime(Array(expected.utf8), Array(checksum.utf8)) else { return nil }
    return JSONValue(parsing: request.body)
  }

  /// Tells the signaling server what Nextcloud would tell it, one after the other in the order of the calls. A failure
  /// shows in what clients see, so it is not reported.
  func deliver(_ notification: RoomNotification) async {
    if isDelivering { await withCheckedContinuation { waiting.append($0) } }
    isDelivering = true
    let (room, body) = Self.message(notification)
    let bytes = Array(body.text.utf8)
    let random = (0..<4).map { _ in String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16) }.joined()
    _ = try? await session.send(
      HTTPRequest(
        "POST", "\(external.url)/api/v1/room/\(room)",
        headers: [
          "Content-Type": "application/json", "Spreed-Signaling-Random": random,
          "Spreed-Signaling-Checksum": checksum(random: random, body: bytes), "Spreed-Signaling-Backend": base,
        ], body: bytes, timeout: .seconds(10)))
    // The next one goes on as if it had found nobody delivering; nobody can come in between.
    if waiting.isEmpty { isDelivering = false } else { waiting.removeFirst().resume() }
  }

  private nonisolated func checksum(random: String, body: [UInt8]) -> String {
    HMAC.sha256(key: external.secret.utf8, message: Array(random.utf8) + body).hexadecimal
  }

  static func message(_ notification: RoomNotification) -> (room: String, body: JSONValue) {
    switch notification {
    case .inCall(let room, let changed, let users):
      let flags = changed.first?["inCall"] ?? 0
      return (
        room,
        ["type": "incall", "incall": ["incall": flags, "changed": .array(changed), "users": .array(users)]]
      )
    case .inCallForAll(let room, let flags):
      return (room, ["type": "incall", "incall": ["incall": .int(flags), "all": true]])
    case .participants(let room, let changed, let users):
      return (room, ["type": "participants", "participants": ["changed": .array(changed), "users": .array(users)]])
    case .message(let room, let data): return (room, ["type": "message", "message": ["data": data]])
    case .properties(let room, let properties):
      return (room, ["type": "update", "update": ["userids": [], "properties": properties]])
    case .disinvited(let room, let talkSessions):
      let sessions: JSONValue = .array(talkSessions.map { .string($0) })
      return (
        room,
        [
          "type": "disinvite",
          "disinvite": ["userids": [], "sessionids": sessions, "alluserids": [], "properties": [:]],
        ]
      )
    case .deleted(let room): return (room, ["type": "delete", "delete": ["userids": []]])
    case .switchTo(let room, let target, let talkSessions):
      let sessions: JSONValue = .array(talkSessions.map { .string($0) })
      return (room, ["type": "switchto", "switchto": ["roomid": .string(target), "sessions": sessions]])
    }
  }

  /// The answer to a request of the signaling server that concerns no room of ours.
  static func answer(to body: JSONValue) -> JSONValue {
    body["type"].string == "auth"
      ? ["type": "auth", "auth": ["version": "1.0", "userid": ""]]
      : ["type": "room", "room": ["version": "1.0", "roomid": body["room"]["roomid"]]]
  }

  /// The answer to a request to let somebody into a room.
  static func answer(
    _ admission: Result<SignalingHub.RoomAdmission, SignalingHub.Refusal>, room token: String
  ) -> JSONValue {
    switch admission {
    case .failure(let refusal):
      return ["type": "error", "error": ["code": .string(refusal.code), "message": .string(refusal.message)]]
    case .success(let admission):
      return [
        "type": "room",
        "room": [
          "version": "1.0", "roomid": .string(token), "properties": admission.properties,
          "permissions": .array((admission.permissions ?? []).sorted().map { .string($0) }),
        ],
      ]
    }
  }
}
