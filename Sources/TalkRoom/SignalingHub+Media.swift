internal import TalkProtocol

/// What the hub asks of the forwarding unit. A subscription is named by its handle, as Janus would number it.
enum MediaCommand: Equatable {
  case publish(session: String, sdp: String)
  case publisherCandidate(session: String, JSONValue)
  case closePublisher(session: String)
  case subscribe(handle: String, to: String)
  /// A new offer on the running connection.
  case updateSubscription(handle: String)
  case subscriptionAnswer(handle: String, sdp: String)
  case subscriptionCandidate(handle: String, JSONValue)
  case closeSubscription(handle: String)
}

/// What the forwarding unit reports.
enum MediaEvent: Equatable {
  case published(session: String, sdp: String)
  case publishFailed(session: String)
  case publisherConnected(session: String)
  case publisherClosed(session: String)
  case publisherCandidate(session: String, JSONValue)
  case subscriptionOffer(handle: String, sdp: String)
  case subscriptionClosed(handle: String)
  case subscriptionCandidate(handle: String, JSONValue)
}

/// Publishers, subscriptions and requests that wait for a publisher.
struct MediaState {
  struct Publisher {
    /// Of the first offer; the answers carry it, later offers do not change it.
    let sid: String
    var isConnected = false
  }

  struct Subscription {
    let handle: String
    let publisher: String
    let subscriber: String
  }

  struct Waiting {
    let publisher: String
    let subscriber: String
    let id: JSONValue?
    let deadline: ContinuousClock.Instant
    let isScreen: Bool
  }

  var publishers: [String: Publisher] = [:]
  var subscriptions: [Subscription] = []
  var waiting: [Waiting] = []

  func subscription(of subscriber: String, to publisher: String) -> Subscription? {
    subscriptions.first { $0.subscriber == subscriber && $0.publisher == publisher }
  }
}

extension SignalingHub {
  private static let mediaTypes: Set<String> = [
    "offer", "answer", "candidate", "endOfCandidates", "requestoffer", "sendoffer", "selectStream",
  ]
  private static let roomTypes: Set<String> = ["", "video", "audio", "screen"]

  private static func notAllowed(_ what: String, id: JSONValue?) -> JSONValue {
    error("not_allowed", "Not allowed to \(what).", id: id)
  }

  private static func clientNotFound(id: JSONValue?) -> JSONValue {
    error("client_not_found", "No MCU client found to send message to.", id: id)
  }

  private static func processingFailed(id: JSONValue?) -> JSONValue {
    error("processing_failed", "Processing of the message failed, please check server logs.", id: id)
  }

  // MARK: Messages

  mutating func relay(_ body: JSONValue, id: JSONValue?, from sender: String, at now: ContinuousClock.Instant)
    -> [Effect]
  {
    let data = body["data"]
    let recipient = body["recipient"]
    if recipient["type"].string == "session", let type = data["type"].string, Self.mediaTypes.contains(type) {
      guard let target = recipient["sessionid"].string, Self.roomTypes.contains(data["roomType"].string ?? "") else {
        return send(Self.error("invalid_format", "Invalid data format.", id: id), to: sender)
      }
      return mediaMessage(type, data, to: target, id: id, from: sender, at: now)
    }
    guard let room = sessions[sender]?.room else {
      return send(Self.error("not_in_room", "Not in a room.", id: id), to: sender)
    }
    let message = enveloped(data, as: "message", from: sender)
    switch recipient["type"].string {
    case "session":
      // A message to a session it does not know vanishes, as with the real server.
      guard let target = recipient["sessionid"].string, target != sender else { return [] }
      return send(message, to: target)
    case "room": return broadcast(message, in: room, except: sender)
    case "call":
      return (rooms[room]?.sessions ?? []).filter { $0 != sender && rooms[room]?.inCall[$0] != nil }
        .flatMap { send(message, to: $0) }
    default: return send(Self.error("invalid_format", "Invalid data format.", id: id), to: sender)
    }
  }

  /// Moderators' orders; those of others vanish.
  mutating func control(_ body: JSONValue, from sender: String) -> [Effect] {
    guard let session = sessions[sender], session.permissions?.contains("control") ?? true,
      let target = body["recipient"]["sessionid"].string
    else { return [] }
    return send(enveloped(body["data"], as: "control", from: sender), to: target)
  }

  private func enveloped(_ data: JSONValue, as type: String, from sender: String) -> JSONValue {
    var source: [String: JSONValue] = ["type": "session", "sessionid": .string(sender)]
    if let userID = sessions[sender]?.identity.userID, !userID.isEmpty { source["userid"] = .string(userID) }
    return .object(["type": .string(type), type: ["sender": .object(source), "data": data]])
  }

  private mutating func mediaMessage(
    _ type: String, _ data: JSONValue, to target: String, id: JSONValue?, from sender: String,
    at now: ContinuousClock.Instant
  ) -> [Effect] {
    let isOwn = target == sender
    let sid = data["sid"].string ?? ""
    switch type {
    case "requestoffer":
      if isOwn { return [] }
      return requestOffer(data, of: target, id: id, from: sender, at: now)
    case "offer":
      guard isOwn else { return [] }
      return publish(data, id: id, from: sender)
    case "answer":
      guard let sdp = data["payload"]["sdp"].string else {
        return send(Self.error("no_sdp", "Payload does not contain a SDP.", id: id), to: sender)
      }
      guard let subscription = media.subscription(of: sender, to: target) else {
        return send(Self.clientNotFound(id: id), to: sender)
      }
      guard sid.isEmpty || sid == subscription.handle else { return send(Self.processingFailed(id: id), to: sender) }
      return [.media(.subscriptionAnswer(handle: subscription.handle, sdp: sdp))]
    case "candidate":
      let candidate = data["payload"]["candidate"]
      guard candidate.object != nil else {
        return send(Self.error("no_candidate", "Payload does not contain a candidate.", id: id), to: sender)
      }
      if isOwn {
        guard let publisher = media.publishers[sender] else { return send(Self.clientNotFound(id: id), to: sender) }
        guard sid.isEmpty || sid == publisher.sid else { return send(Self.processingFailed(id: id), to: sender) }
        return [.media(.publisherCandidate(session: sender, candidate))]
      }
      guard let subscription = media.subscription(of: sender, to: target) else {
        return send(Self.clientNotFound(id: id), to: sender)
      }
      guard sid.isEmpty || sid == subscription.handle else { return send(Self.processingFailed(id: id), to: sender) }
      return [.media(.subscriptionCandidate(handle: subscription.handle, candidate))]
    default: return []
    }
  }

  // MARK: Publishing

  private mutating func publish(_ data: JSONValue, id: JSONValue?, from session: String) -> [Effect] {
    guard let sdp = data["payload"]["sdp"].string else {
      return send(Self.error("no_sdp", "Payload does not contain a SDP.", id: id), to: session)
    }
    // The kinds of the media sections decide, whatever their direction.
    if let permissions = sessions[session]?.permissions {
      let lacks = [("m=audio", "publish-audio"), ("m=video", "publish-video")]
        .contains { sdp.contains($0.0) && !permissions.contains($0.1) }
      if lacks { return send(Self.notAllowed("publish", id: id), to: session) }
    }
    if media.publishers[session] == nil {
      media.publishers[session] = MediaState.Publisher(sid: data["sid"].string ?? "")
    }
    return [.media(.publish(session: session, sdp: sdp))]
  }

  /// Ends what a session publishes that it may not publish any more.
  mutating func enforcePermissions(of session: String) -> [Effect] {
    guard let permissions = sessions[session]?.permissions, !permissions.contains("publish-audio") else { return [] }
    return endPublisher(session)
  }

  /// Those who listen keep their connections, silent from now on: nobody tells them on this way.
  private mutating func endPublisher(_ session: String) -> [Effect] {
    media.publishers.removeValue(forKey: session) == nil ? [] : [.media(.closePublisher(session: session))]
  }

  /// Ends everything a session publishes and listens to.
  mutating func endMedia(of session: String) -> [Effect] {
    media.waiting.removeAll { $0.subscriber == session }
    let ended = media.subscriptions.filter { $0.subscriber == session }
    media.subscriptions.removeAll { $0.subscriber == session }
    return ended.map { .media(.closeSubscription(handle: $0.handle)) } + endPublisher(session)
  }

  // MARK: Subscribing

  private mutating func requestOffer(
    _ data: JSONValue, of publisher: String, id: JSONValue?, from subscriber: String, at now: ContinuousClock.Instant
  ) -> [Effect] {
    guard isInSameCall(subscriber, publisher) else {
      return send(Self.notAllowed("request offer", id: id), to: subscriber)
    }
    if data["roomType"].string == "audio" { return send(Self.clientNotFound(id: id), to: subscriber) }
    let isScreen = data["roomType"].string == "screen"
    guard !isScreen, media.publishers[publisher]?.isConnected ?? false else {
      media.waiting.append(
        MediaState.Waiting(
          publisher: publisher, subscriber: subscriber, id: id, deadline: now + deadlines.media, isScreen: isScreen))
      return []
    }
    if let current = media.subscription(of: subscriber, to: publisher), current.handle == data["sid"].string {
      return [.media(.updateSubscription(handle: current.handle))]
    }
    return subscribe(subscriber, to: publisher)
  }

  private mutating func subscribe(_ subscriber: String, to publisher: String) -> [Effect] {
    var effects: [Effect] = []
    if let old = media.subscription(of: subscriber, to: publisher) {
      media.subscriptions.removeAll { $0.handle == old.handle }
      effects.append(.media(.closeSubscription(handle: old.handle)))
    }
    let handle = drawHandle()
    media.subscriptions.append(.init(handle: handle, publisher: publisher, subscriber: subscriber))
    return effects + [.media(.subscribe(handle: handle, to: publisher))]
  }

  /// The gate: both in the call, of the same room, by notifications since they joined it. Internal clients pass.
  private func isInSameCall(_ subscriber: String, _ publisher: String) -> Bool {
    guard let room = sessions[subscriber]?.room, sessions[publisher]?.room == room, let state = rooms[room] else {
      return false
    }
    let areInternal = [subscriber, publisher].contains { sessions[$0]?.identity.isInternal ?? false }
    return areInternal || (state.inCall[subscriber] != nil && state.inCall[publisher] != nil)
  }

  // MARK: The forwarding unit's reports

  mutating func handle(_ event: MediaEvent, at now: ContinuousClock.Instant) -> [Effect] {
    switch event {
    case .published(let session, let sdp):
      guard let publisher = media.publishers[session] else { return [] }
      return send(
        mediaMessage(
          "answer", ["type": "answer", "sdp": .string(sdp)], sid: publisher.sid, from: session, to: session),
        to: session)
    case .publishFailed(let session):
      return endPublisher(session) + send(Self.processingFailed(id: nil), to: session)
    case .publisherConnected(let session):
      guard media.publishers[session] != nil else { return [] }
      media.publishers[session]!.isConnected = true
      let ready = media.waiting.filter { $0.publisher == session && !$0.isScreen }
      media.waiting.removeAll { $0.publisher == session && !$0.isScreen }
      return ready.flatMap { isInSameCall($0.subscriber, session) ? subscribe($0.subscriber, to: session) : [] }
    case .publisherClosed(let session): return endPublisher(session)
    case .publisherCandidate(let session, let candidate):
      guard let publisher = media.publishers[session] else { return [] }
      return send(
        mediaMessage("candidate", ["candidate": candidate], sid: publisher.sid, from: session, to: session), to: session
      )
    case .subscriptionOffer(let handle, let sdp):
      guard let subscription = media.subscriptions.first(where: { $0.handle == handle }) else { return [] }
      return send(
        mediaMessage(
          "offer", ["type": "offer", "sdp": .string(sdp)], sid: handle, from: subscription.publisher,
          to: subscription.subscriber), to: subscription.subscriber)
    case .subscriptionClosed(let handle):
      media.subscriptions.removeAll { $0.handle == handle }
      return []
    case .subscriptionCandidate(let handle, let candidate):
      guard let subscription = media.subscriptions.first(where: { $0.handle == handle }) else { return [] }
      return send(
        mediaMessage(
          "candidate", ["candidate": candidate], sid: handle, from: subscription.publisher,
          to: subscription.subscriber), to: subscription.subscriber)
    }
  }

  private func mediaMessage(_ type: String, _ payload: JSONValue, sid: String, from: String, to: String) -> JSONValue {
    [
      "type": "message",
      "message": [
        "sender": ["type": "session", "sessionid": .string(from)],
        "data": [
          "to": .string(to), "from": .string(from), "type": .string(type), "roomType": "video", "payload": payload,
          "sid": .string(sid),
        ],
      ],
    ]
  }

  /// Requests whose publisher did not come in time: unknown is "not found", known but not connected "failed".
  mutating func mediaTimeout(at now: ContinuousClock.Instant) -> [Effect] {
    let late = media.waiting.filter { $0.deadline <= now }
    media.waiting.removeAll { $0.deadline <= now }
    return late.flatMap { waiting in
      let exists = !waiting.isScreen && media.publishers[waiting.publisher] != nil
      let error = exists ? Self.processingFailed(id: waiting.id) : Self.clientNotFound(id: waiting.id)
      return send(error, to: waiting.subscriber)
    }
  }
}
