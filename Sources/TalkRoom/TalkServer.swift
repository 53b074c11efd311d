internal import TalkProtocol

/// A whole small Talk server as a value: the Nextcloud side and the signaling hub, joined as a real installation joins
/// them by HTTP. Requests, socket events and reports of the forwarding unit come in; effects come out.
struct TalkServer {
  enum Effect: Equatable {
    case send(SignalingHub.SocketID, JSONValue)
    /// With a close frame of this code, or by just dropping the connection.
    case close(SignalingHub.SocketID, code: Int?)
    case media(MediaCommand)
    /// For the signaling server that stands in for the hub, where there is one.
    case notify(RoomNotification)
  }

  var nextcloud: Nextcloud
  var hub: SignalingHub
  /// Whether a real signaling server is used instead of the hub.
  let usesOwnHub: Bool

  init(nextcloud: Nextcloud, hub: SignalingHub, usesOwnHub: Bool = true) {
    self.nextcloud = nextcloud
    self.hub = hub
    self.usesOwnHub = usesOwnHub
  }

  var deadline: ContinuousClock.Instant? { hub.deadline }

  /// Answers an HTTP request. The call's notifications are out before the reply, as with the real server.
  mutating func handle(
    _ request: Nextcloud.Request, time: Int, at now: ContinuousClock.Instant
  ) -> (reply: Nextcloud.Reply, effects: [Effect]) {
    let (reply, notifications) = nextcloud.handle(request, time: time)
    return (reply, deliver(notifications, time: time, at: now))
  }

  mutating func handle(_ event: SignalingHub.Event, time: Int, at now: ContinuousClock.Instant) -> [Effect] {
    perform(hub.handle(event, at: now), time: time, at: now)
  }

  mutating func handleTimeout(time: Int, at now: ContinuousClock.Instant) -> [Effect] {
    perform(hub.handleTimeout(at: now), time: time, at: now)
  }

  /// What a moderator does in the room.
  mutating func moderate(
    time: Int, at now: ContinuousClock.Instant, _ change: (inout Nextcloud) -> [RoomNotification]
  ) -> [Effect] {
    let notifications = change(&nextcloud)
    return deliver(notifications, time: time, at: now)
  }

  /// The signaling server forgets everybody, and Nextcloud does not learn it.
  mutating func restartSignaling() -> [Effect] {
    hub.restart().compactMap { effect in
      switch effect {
      case .close(let socket, let code): .close(socket, code: code)
      case .media(let command): .media(command)
      default: nil
      }
    }
  }

  private mutating func deliver(
    _ notifications: [RoomNotification], time: Int, at now: ContinuousClock.Instant
  ) -> [Effect] {
    guard usesOwnHub else { return notifications.map { .notify($0) } }
    return notifications.flatMap { perform(hub.handle(.notification($0), at: now), time: time, at: now) }
  }

  /// Resolves what the hub asks of Nextcloud; the rest goes out.
  private mutating func perform(
    _ effects: [SignalingHub.Effect], time: Int, at now: ContinuousClock.Instant
  ) -> [Effect] {
    var result: [Effect] = []
    for effect in effects {
      switch effect {
      case .send(let socket, let message): result.append(.send(socket, message))
      case .close(let socket, let code): result.append(.close(socket, code: code))
      case .media(let command): result.append(.media(command))
      case .joinRoom(let request, let room, let talkSession, _):
        let admission = nextcloud.admission(room, talkSession: talkSession)
        result += perform(hub.handle(.roomJoined(request, admission), at: now), time: time, at: now)
      case .leaveRoom(let room, let talkSession, _):
        result += deliver(nextcloud.sessionLeft(talkSession, room: room, time: time), time: time, at: now)
      }
    }
    return result
  }
}
