// The lobby: we are in the conversation, and may not into its call until a moderator opens it or its time has come.

extension CallSession {
  /// Moderators, and whoever was given the right, walk past it.
  var isKeptOutByLobby: Bool {
    !isInternal && lobbyIsClosed && conversation?.isModerator != true && !permissions.contains(.ignoreLobby)
  }

  /// The server does not let us into the call, or not stay in it.
  mutating func lobbyClosed(at now: Instant) {
    lobbyIsClosed = true
    guard configuration.waitsInLobby else { return stop(.lobby, at: now) }
    waitInLobby(at: now)
    // It may have opened while the refusal was on its way.
    stage = .waitingInLobby(checkAt: now + timing.rung(failures))
    failures += 1
  }

  mutating func waitInLobby(at now: Instant) {
    leaveMedia()
    isSettled = true
    interruptedSince = nil
    enter(.waitingInLobby(opensAt: lobbyTime))
    // Signaling does not tell the time at which it opens.
    stage = .waitingInLobby(checkAt: lobbyTime == nil ? now : now + timing.lobbyCheck)
  }

  private var lobbyTime: Int? { conversation?.lobbyTimer.flatMap { $0 > 0 ? $0 : nil } }

  /// Out of the call, as far as we are concerned; the signaling session stays.
  private mutating func leaveMedia() {
    subscriptions.reset(&outbox)
    publication.stop(&outbox)
    announcer.reset()
    nameLookup = nil
    ownFlags = []
    hasPosted = false
    isConfirmed = false
    hadCompany = false
    isReturning = false
  }

  /// Signaling told of the lobby or of our rights.
  mutating func lobbyMayHaveChanged(at now: Instant) {
    switch stage {
    case .waitingInLobby where !isKeptOutByLobby, .lookingAtLobby where !isKeptOutByLobby: approachCall(at: now)
    case .waitingInLobby: lookAtLobby()
    case .waitingForCall where isKeptOutByLobby && configuration.waitsInLobby: waitInLobby(at: now)
    default: break
    }
  }

  mutating func lookAtLobby() {
    stage = .lookingAtLobby(
      request(
        .readConversation, .get, configuration.address.talkURL("v4/room/\(configuration.address.token)"),
        timeout: .seconds(30)))
  }

  /// Whatever else goes wrong shows in signaling, or at the next look.
  mutating func lobbySeen(_ answer: Answer, at now: Instant) {
    var pause = timing.lobbyCheck
    switch answer {
    case .success(let reply) where reply.status == 200:
      guard let seen = try? OCSEnvelope<Conversation>(body: reply.body).data else { break }
      conversation?.lobbyTimer = seen.lobbyTimer
      conversation?.hasCall = seen.hasCall
      if let type = seen.participantType { conversation?.participantType = type }
      if let lobby = seen.lobbyState { lobbyIsClosed = lobby == 1 }
      if let granted = seen.permissions { permissions = resolved(granted) }
    case .success(let reply) where reply.status == 404: return depart(.failed(.conversationGone), at: now)
    case .success(let reply): pause = max(pause, reply.retryAfter ?? (reply.status == 429 ? timing.rateLimit : .zero))
    case .failure: break
    }
    guard isKeptOutByLobby else { return approachCall(at: now) }
    failures = 0
    enter(.waitingInLobby(opensAt: lobbyTime))
    stage = .waitingInLobby(checkAt: now + pause)
  }
}
