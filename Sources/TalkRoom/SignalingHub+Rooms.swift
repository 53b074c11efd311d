internal import TalkProtocol

/// What Nextcloud tells the signaling server about a room. Sessions are named by their Talk (Nextcloud) session id.
enum RoomNotification: Equatable {
  /// Call flags changed. Only `changed` opens or closes the in-call gate; `users` is everybody in the call.
  case inCall(room: String, changed: [JSONValue], users: [JSONValue])
  /// The call began or ended for everybody.
  case inCallForAll(room: String, flags: Int)
  /// Names or permissions changed; the gate is not touched.
  case participants(room: String, changed: [JSONValue], users: [JSONValue])
  case message(room: String, data: JSONValue)
  case properties(room: String, JSONValue)
  case disinvited(room: String, talkSessions: [String])
  case deleted(room: String)
  case switchTo(room: String, target: String, talkSessions: [String])
}

extension SignalingHub {
  // MARK: Entering and leaving

  mutating func room(_ body: JSONValue, id: JSONValue?, from sessionID: String, at now: ContinuousClock.Instant)
    -> [Effect]
  {
    guard let session = sessions[sessionID], let socket = session.socket else { return [] }
    let token = body["roomid"].string ?? ""
    guard !token.isEmpty else {
      var effects = leaveRoom(sessionID)
      if let room = session.room, let talkSession = session.talkSession, !session.identity.isInternal {
        effects.append(.leaveRoom(room: room, talkSession: talkSession, userID: session.identity.userID))
      }
      sessions[sessionID]!.deadline = session.identity == Identity() ? now + deadlines.room : nil
      let reply: JSONValue = ["type": "room", "room": ["roomid": ""]]
      return effects + [.send(socket, reply.merging(id.map { ["id": $0] } ?? [:]))]
    }
    let talkSession = body["sessionid"].string ?? ""
    if session.room == token, session.talkSession == talkSession, let room = rooms[token] {
      let details: JSONValue = ["room": ["roomid": .string(token), "properties": room.properties]]
      return [.send(socket, Self.error("already_joined", "Already joined this room.", id: id, details: details))]
    }
    let request = newRequest()
    sessions[sessionID]!.pendingJoin = PendingJoin(request: request, room: token, talkSession: talkSession, id: id)
    if session.identity.isInternal {
      return roomJoined(request, .success(RoomAdmission(properties: [:])), at: now)
    }
    return [.joinRoom(request, room: token, talkSession: talkSession, userID: session.identity.userID)]
  }

  mutating func roomJoined(
    _ request: RequestID, _ result: Result<RoomAdmission, Refusal>, at now: ContinuousClock.Instant
  ) -> [Effect] {
    guard var session = sessions.values.first(where: { $0.pendingJoin?.request == request }),
      let join = session.pendingJoin
    else { return [] }
    sessions[session.id]!.pendingJoin = nil
    let admission: RoomAdmission
    switch result {
    case .success(let success): admission = success
    case .failure(let refusal):
      return send(Self.error(refusal.code, refusal.message, id: join.id), to: session.id)
    }
    let token = join.room
    var effects: [Effect] = session.room != nil && session.room != token ? leaveRoom(session.id) : []
    // The newest connection of a Talk session wins; the older one is sent away.
    for other in sessions.values
    where other.id != session.id && other.room == token && other.talkSession == join.talkSession
      && !join.talkSession.isEmpty
    {
      if let socket = other.socket {
        sessionOfSocket[socket] = nil
        effects += [.send(socket, Self.bye("room_session_reconnected")), .close(socket, code: 1000)]
      }
      effects += leaveRoom(other.id)
      sessions[other.id] = nil
    }
    session.pendingJoin = nil
    session.room = token
    session.talkSession = join.talkSession
    session.deadline = nil
    session.permissions = admission.permissions
    sessions[session.id] = session
    var room = rooms[token] ?? Room(properties: admission.properties)
    if session.ownFlags & 1 != 0 { room.inCall[session.id] = session.ownFlags }
    let others = room.sessions.filter { $0 != session.id }
    room.sessions = others + [session.id]
    rooms[token] = room

    let reply: JSONValue = ["type": "room", "room": ["roomid": .string(token), "properties": room.properties]]
    effects += send(reply.merging(join.id.map { ["id": $0] } ?? [:]), to: session.id)
    let joined = Self.roomEvent("join", [joinEntry(session.id)])
    effects += send(joined, to: session.id)
    if !others.isEmpty {
      effects += send(Self.roomEvent("join", .array(others.map { joinEntry($0) })), to: session.id)
      for other in others { effects += send(joined, to: other) }
    }
    return effects + (session.identity.isInternal ? repeatList(of: token) : [])
  }

  private func joinEntry(_ id: String) -> JSONValue {
    guard let session = sessions[id] else { return .null }
    let entry: JSONValue = ["sessionid": .string(id), "userid": .string(session.identity.userID)]
    return entry.merging(session.talkSession.map { ["roomsessionid": .string($0)] } ?? [:])
  }

  /// Takes a session out of its room: media ends, the others learn it. The backend is told by the caller.
  mutating func leaveRoom(_ id: String) -> [Effect] {
    guard let token = sessions[id]?.room else { return [] }
    var effects = endMedia(of: id)
    sessions[id]!.room = nil
    sessions[id]!.talkSession = nil
    rooms[token]?.sessions.removeAll { $0 == id }
    rooms[token]?.inCall[id] = nil
    rooms[token]?.entries[id] = nil
    let left = Self.roomEvent("leave", [.string(id)])
    for other in rooms[token]?.sessions ?? [] { effects += send(left, to: other) }
    if rooms[token]?.sessions.isEmpty ?? false { rooms[token] = nil }
    return effects + (sessions[id]!.identity.isInternal ? repeatList(of: token) : [])
  }

  // MARK: Notifications

  mutating func handle(_ notification: RoomNotification, at now: ContinuousClock.Instant) -> [Effect] {
    switch notification {
    case .inCall(let token, let changed, let users):
      let changed = translated(changed, in: token)
      let listed = translated(users, in: token).map { Self.published($0.entry) }
      rooms[token]?.listed = listed
      var effects: [Effect] = []
      for (id, entry) in changed {
        let flags = entry["inCall"].int ?? 0
        if flags & 1 != 0 {
          rooms[token]?.inCall[id] = flags
        } else {
          rooms[token]?.inCall[id] = nil
          effects += endMedia(of: id)
        }
      }
      return effects + announce(changed, translated(users, in: token), in: token)
    case .inCallForAll(let token, let flags):
      guard let room = rooms[token] else { return [] }
      var effects: [Effect] = []
      if flags & 1 == 0 {
        for id in room.sessions { effects += endMedia(of: id) }
        rooms[token]!.inCall = [:]
        rooms[token]!.entries = room.entries.mapValues { $0.merging(["inCall": 0]) }
      } else {
        for id in room.sessions { rooms[token]!.inCall[id] = flags }
      }
      let update: JSONValue = ["roomid": .string(token), "incall": .int(flags), "all": true]
      return effects
        + broadcast(
          ["type": "event", "event": ["target": "participants", "type": "update", "update": update]], in: token)
    case .participants(let token, let changed, let users):
      var effects: [Effect] = []
      for (id, entry) in translated(changed, in: token) {
        guard let permissions = entry["permissions"].array else { continue }
        sessions[id]!.permissions = Set(permissions.compactMap(\.string))
        effects += enforcePermissions(of: id)
      }
      return effects + announce(translated(changed, in: token), translated(users, in: token), in: token)
    case .message(let token, let data):
      return broadcast(Self.roomEvent("message", ["roomid": .string(token), "data": data]), in: token)
    case .properties(let token, let properties):
      guard let room = rooms[token], room.properties != properties else { return [] }
      rooms[token]!.properties = properties
      return broadcast(["type": "room", "room": ["roomid": .string(token), "properties": properties]], in: token)
    case .disinvited(let token, let talkSessions):
      var effects: [Effect] = []
      for id in rooms[token]?.sessions ?? [] where talkSessions.contains(sessions[id]?.talkSession ?? "") {
        effects += send(
          [
            "type": "event",
            "event": [
              "target": "roomlist", "type": "disinvite",
              "disinvite": ["roomid": .string(token), "reason": "disinvited"],
            ],
          ], to: id)
        if let socket = sessions[id]?.socket {
          sessionOfSocket[socket] = nil
          effects.append(.close(socket, code: nil))
        }
        effects += leaveRoom(id)
        sessions[id] = nil
      }
      return effects
    case .deleted(let token):
      var effects = broadcast(["type": "room", "room": ["roomid": ""]], in: token)
      for id in rooms[token]?.sessions ?? [] {
        effects += endMedia(of: id)
        sessions[id]?.room = nil
        if sessions[id]?.identity == Identity() { sessions[id]!.deadline = now + deadlines.room }
      }
      rooms[token] = nil
      return effects
    case .switchTo(let token, let target, let talkSessions):
      var effects: [Effect] = []
      for id in rooms[token]?.sessions ?? [] where talkSessions.contains(sessions[id]?.talkSession ?? "") {
        effects += send(Self.roomEvent("switchto", ["roomid": .string(target)]), to: id)
      }
      return effects
    }
  }

  /// Entries of Nextcloud with the Talk session ids replaced by ours; those it does not know are dropped, as the real
  /// server does: the reason why a call joined before the room is never seen.
  private func translated(_ users: [JSONValue], in token: String) -> [(id: String, entry: JSONValue)] {
    users.compactMap { user in
      guard let talkSession = user["sessionId"].string, !talkSession.isEmpty,
        let id = rooms[token]?.sessions.first(where: { sessions[$0]?.talkSession == talkSession })
      else { return nil }
      return (id, user.merging(["sessionId": .string(id)]))
    }
  }

  private mutating func announce(
    _ changed: [(id: String, entry: JSONValue)], _ users: [(id: String, entry: JSONValue)], in token: String
  ) -> [Effect] {
    var entries: [JSONValue] = []
    var seen: Set<String> = []
    for (id, entry) in changed + users where seen.insert(id).inserted {
      let members = Self.published(entry)
      entries.append(members)
      let known = rooms[token]?.entries[id] ?? [:]
      rooms[token]?.entries[id] = known.merging(members.object ?? [:])
    }
    guard !entries.isEmpty else { return [] }
    return broadcast(Self.participantsUpdate(room: token, users: entries + internalEntries(in: token)), in: token)
  }

  /// An entry without what is for the server alone.
  private static func published(_ entry: JSONValue) -> JSONValue {
    var members = entry.object ?? [:]
    members["permissions"] = nil
    return .object(members)
  }

  /// What everybody is told of internal clients, in each list.
  private func internalEntries(in token: String) -> [JSONValue] {
    (rooms[token]?.sessions ?? []).compactMap { id in
      guard let session = sessions[id], session.identity.isInternal else { return nil }
      return ["sessionId": .string(id), "inCall": .int(session.ownFlags), "lastPing": 0, "internal": true]
    }
  }

  /// An internal client came, left or changed: everybody gets Nextcloud's last list, however old that is.
  private mutating func repeatList(of token: String) -> [Effect] {
    let users = (rooms[token]?.listed ?? []) + internalEntries(in: token)
    return users.isEmpty ? [] : broadcast(Self.participantsUpdate(room: token, users: users), in: token)
  }

  mutating func broadcast(_ message: JSONValue, in token: String, except sender: String? = nil) -> [Effect] {
    var effects: [Effect] = []
    for id in rooms[token]?.sessions ?? [] where id != sender { effects += send(message, to: id) }
    return effects
  }

  /// Internal clients set their own call flags over the socket.
  mutating func internalMessage(_ body: JSONValue, from id: String) -> [Effect] {
    guard let session = sessions[id], session.identity.isInternal, body["type"].string == "incall",
      let flags = body["incall"]["incall"].int, flags != session.ownFlags
    else { return [] }
    sessions[id]!.ownFlags = flags
    guard let token = session.room else { return [] }
    rooms[token]?.inCall[id] = flags & 1 == 0 ? nil : flags
    return (flags & 1 == 0 ? endMedia(of: id) : []) + repeatList(of: token)
  }
}
