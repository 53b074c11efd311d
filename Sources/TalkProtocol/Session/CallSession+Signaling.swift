// What the signaling server says, and what is said to it.

extension CallSession {
  // MARK: The link

  mutating func linkChanged(_ outcome: SignalingLink.Outcome?, at now: Instant) {
    guard let outcome, !isLeaving, !isFinished else { return }
    switch outcome {
    case .established(let session):
      // Without a media server, clients exchange media directly; that is another protocol.
      guard session.server.has("mcu") else { return stop(.noMediaServer, at: now) }
      enterRoom(at: now)
    case .resumed:
      interruptedSince = nil
      if case .enteringRoom = stage { enterRoom(at: now) }
      subscriptions.linkResumed(at: now, &outbox)
      publication.linkResumed(at: now)
      if isInCall {
        enter(.inCall)
        announceToAll(at: now)
      }
    case .interrupted:
      interruptedSince = interruptedSince ?? now
      if isInCall { enter(.reconnecting(reason: "the connection to the signaling server was lost")) }
    case .lost(let detail): recover(.signalingUnreachable(detail: detail), at: now)
    case .failed(let failure): stop(failure, at: now)
    case .tokenRejected(let error):
      tokenRejections += 1
      if tokenRejections > 1 {
        stop(SignalingLink.failure(error, configuration.address), at: now)
      } else {
        fetchSettings(at: now)
      }
    }
  }

  mutating func enterRoom(at now: Instant) {
    let tag = MessageTag(.room, outbox.nextNumber())
    stage = .enteringRoom(tag, until: now + timing.room)
    let room = RoomRequest(roomid: configuration.address.token, sessionid: conversation?.sessionId)
    outbox.send(.room(room), tag)
  }

  private mutating func roomRefused(_ error: SignalingError, at now: Instant) {
    failures += 1
    let failure = CallFailure.roomRefused(code: error.code, message: error.message ?? "no reason given")
    switch error.code {
    case "already_joined": roomEntered(at: now)
    case "no_such_room", "duplicate_session":
      // Our session in Nextcloud is unknown or taken: a new one, once.
      rejoin(orStopWith: failure, at: now)
    default:
      if failures > 3 { stop(failure, at: now) } else { stage = .retryingRoom(at: now + timing.rung(failures - 1)) }
    }
  }

  // MARK: Messages

  mutating func received(_ text: String, at now: Instant) {
    guard let message = try? ServerMessage(text: text) else {
      undecodableMessages &+= 1
      return
    }
    if let outcome = link.received(message, at: now, &outbox) { return linkChanged(outcome, at: now) }
    guard link.isOpen, !isLeaving else { return }
    switch message.content {
    case .room(let room): received(room, id: message.id, at: now)
    case .error(let error): received(error, id: message.id, at: now)
    case .event(let event): received(event, at: now)
    case .message(let message): received(message.data, from: message.sender, at: now)
    case .control(let control): received(control.data)
    case .bye(let reason): received(goodbye: reason ?? "", at: now)
    case .welcome, .hello, .transient, .unknown: break
    }
  }

  private mutating func received(_ room: RoomState, id: String?, at now: Instant) {
    if let lobby = room.lobbyState { lobbyIsClosed = lobby == 1 }
    defer { if id == nil { lobbyMayHaveChanged(at: now) } }
    if case .enteringRoom(let tag, _) = stage, id == tag.text { return roomEntered(at: now) }
    guard id == nil, hasEnteredRoom, let roomid = room.roomid, roomid != configuration.address.token else { return }
    depart(.failed(.conversationGone), at: now)
  }

  private mutating func received(_ error: SignalingError, id: String?, at now: Instant) {
    guard let tag = MessageTag(id) else { return }
    switch tag.kind {
    case .room: if case .enteringRoom(tag, _) = stage { roomRefused(error, at: now) }
    case .request:
      let isGone = subscriptions.requestFailed(tag.number, code: error.code, at: now, &outbox)
      if isGone { mediaServerSuspected(at: now) }
    case .answer, .candidate:
      subscriptions.peerRefused(PeerID(number: tag.number), code: error.code, at: now, &outbox)
    case .offer: publicationChanged(publication.offerRefused(error, peer: tag.number, at: now, &outbox), at: now)
    case .hello, .bye, .state: break
    }
  }

  private mutating func received(goodbye reason: String, at now: Instant) {
    switch reason {
    case "room_session_reconnected", "session_resumed": depart(.failed(.takenOver), at: now)
    default: recover(.signalingUnreachable(detail: "it said goodbye (\(reason))"), at: now)
    }
  }

  private mutating func received(_ control: ControlMessage) {
    guard case .forceMute(let peer) = control, peer == link.session?.id, configuration.role == .participant else {
      return
    }
    outbox.emit(.muteMicrophone)
    outbox.report(.mutedByModerator)
    setMuted(true)
  }

  // MARK: Events

  private mutating func received(_ event: SignalingEvent, at now: Instant) {
    switch event {
    case .joined(let sessions), .changed(let sessions):
      roster.join(
        sessions.filter { $0.sessionid != link.session?.id && !formerIDs.contains($0.sessionid) })
    case .left(let sessions):
      hearsay.subtract(sessions.map(ParticipantID.init(session:)))
      outbox.report(roster.leave(sessions))
      tryHearsay(at: now)
      reconcile(at: now)
    case .participants(let update): received(update, at: now)
    case .disinvited(let roomid, let reason):
      guard roomid == nil || roomid == configuration.address.token, hasEnteredRoom else { return }
      depart(.failed(reason == "deleted" ? .conversationGone : .removedFromConversation), at: now)
    case .switchTo(let token): switchConversation(to: token, at: now)
    case .roomMessage(_, let data):
      if data["type"].string == "chat" { outbox.report(.chatChanged) }
      if data["type"].string == "recording", let status = data["recording"]["status"].int {
        outbox.report(.recordingStatus(status))
      }
    case .phoneFlags(let phone):
      guard let session = phone.sessionid, let flags = phone.flags else { return }
      let id = ParticipantID(session: session)
      outbox.report(roster.setMuted(id, flags & 1 != 0))
      outbox.report(roster.setSpeaking(id, flags & 4 != 0))
      outbox.report(roster.setHand(id, raised: flags & 8 != 0))
    case .invited, .roomUpdated, .unknown: break
    }
  }

  private mutating func received(_ update: ParticipantsUpdate, at now: Instant) {
    guard update.roomid == nil || update.roomid == configuration.address.token, hasEnteredRoom else { return }
    if update.all == true, (update.incall ?? []).isEmpty { return callEndedForAll(at: now) }
    examine(update)
    var own: ParticipantsUpdate.User?
    for user in update.users ?? [] where !formerIDs.contains(user.sessionId) {
      if user.sessionId == link.session?.id { own = user } else { outbox.report(roster.merge(user)) }
    }
    if let own { ownEntryChanged(own, at: now) }
    reconcile(at: now)
    switch stage {
    case .waitingForCall, .lookingForEnd: if isCallRunning { enterCall(at: now) }
    default: break
    }
    tryHearsay(at: now)
  }

  private mutating func callEndedForAll(at now: Instant) {
    hearsay = []
    outbox.report(roster.endCall())
    tryHearsay(at: now)
    // Before we asked to be let in, it is not our call that has ended.
    if hasPosted { depart(.callEnded, at: now) }
  }

  private mutating func ownEntryChanged(_ own: ParticipantsUpdate.User, at now: Instant) {
    // What is said of an internal client is what it said of itself.
    guard !isInternal else { return }
    if let granted = own.participantPermissions.map(resolved), granted != permissions {
      let gained = granted.subtracting(permissions)
      permissions = granted
      isPublishingRefused = false
      if case .waitingForCall(.mayNotStartCall, _, _) = stage, gained.contains(.startCall) { enterCall(at: now) }
    }
    if !isKeptOutByLobby { lobbyMayHaveChanged(at: now) }
    guard let flags = own.inCall else { return permissionsChanged(at: now) }
    ownFlags = flags
    if flags.contains(.inCall) {
      guard hasPosted else { return }
      if isConfirmed { permissionsChanged(at: now) } else { callConfirmed(at: now) }
    } else if isConfirmed, isInCall {
      if lobbyIsClosed { lobbyClosed(at: now) } else { depart(.failed(.removedFromCall), at: now) }
    }
  }

  // MARK: Peers

  private mutating func received(_ message: PeerMessage, from sender: Sender, at now: Instant) {
    guard let session = sender.sessionid, !message.isAboutScreen else { return }
    if session == link.session?.id { return receivedAsPublisher(message) }
    let id = ParticipantID(session: session)
    switch message.content {
    case .offer(let description):
      if hearsay.contains(id), case .waitingForCall = stage { enterCall(at: now) }
      guard isInCall else { return }
      if let nick = description.nick { outbox.report(roster.rename(id, to: nick)) }
      subscriptions.offer(
        description.sdp, sid: message.sid, from: id, iceServers: settings?.iceServers ?? [], &outbox)
    case .candidate(let candidate): subscriptions.candidate(candidate, sid: message.sid, from: id, &outbox)
    case .mute(.audio): outbox.report(roster.setMuted(id, true))
    case .unmute(.audio): outbox.report(roster.setMuted(id, false))
    case .nickChanged(let name): outbox.report(roster.rename(id, to: name))
    case .raiseHand(let state, _): outbox.report(roster.setHand(id, raised: state))
    case .reaction(let reaction):
      if roster[id]?.isInCall == true { outbox.report(.participantReacted(id, String(reaction.prefix(32)))) }
    default: break
    }
  }

  private mutating func receivedAsPublisher(_ message: PeerMessage) {
    switch message.content {
    case .answer(let description): publication.answer(description, sid: message.sid, &outbox)
    case .candidate(let candidate): publication.candidate(candidate, &outbox)
    default: break
    }
  }
}
