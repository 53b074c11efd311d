// What time brings; losing the connection and coming back; leaving, for whatever reason.

extension CallSession {
  mutating func stageTimedOut(at now: Instant) {
    switch stage {
    case .enteringRoom(_, let until) where until <= now:
      recover(.signalingUnreachable(detail: "it did not let us into the room in time"), at: now)
    case .retryingRoom(let at) where at <= now: enterRoom(at: now)
    case .retryingCall(let at) where at <= now: enterCall(at: now)
    case .waitingInLobby(let checkAt) where checkAt <= now: lookAtLobby()
    case .waitingForCall(let reason, let checkAt, let until):
      if let until, until <= now {
        depart(.callEnded, at: now)
      } else if let checkAt, checkAt <= now {
        lookForCall(while: reason, until: until)
      }
    case .awaitingConfirmation(let until) where until <= now: confirmationMissing(at: now)
    case .renewingMembership(_, let until) where until <= now: enterCall(at: now)
    case .recovering(let until) where until <= now:
      if isServerKnown { approachConversation(at: now) } else { checkServer() }
    case .leaving(let departure) where departure.deadline <= now: departureContinues(departure, at: now)
    default: break
    }
  }

  /// Nextcloud counts us in, and the signaling server has not heard of it. Saying it again starts no new call, as long as
  /// we have never seen ourselves in this one.
  private mutating func confirmationMissing(at now: Instant) {
    unconfirmed += 1
    if unconfirmed > 3 { stop(.callNotConfirmed, at: now) } else { enterCall(at: now) }
  }

  // MARK: Recovery

  /// Ends the session, or tries again later what may then work.
  mutating func stop(_ failure: CallFailure, retryAfter: Duration? = nil, at now: Instant) {
    if failure.isTransient, isSettled || failure == .maintenance {
      recover(failure, retryAfter: retryAfter, at: now)
    } else {
      depart(.failed(failure), at: now)
    }
  }

  /// The signaling session is over. Everything is done again from joining the conversation: with the signaling session
  /// the one in Nextcloud has ended too.
  mutating func recover(_ failure: CallFailure, retryAfter: Duration? = nil, at now: Instant) {
    guard !isLeaving else { return }
    guard isSettled || failure == .maintenance else { return depart(.failed(failure), at: now) }
    let since = interruptedSince ?? now
    interruptedSince = since
    // Maintenance ends when its administrator is done, which the server knows no better than we do.
    guard now - since < timing.recovery || failure == .maintenance else {
      return depart(.failed(failure), at: now)
    }
    let retryAfter =
      switch failure {
      case .rateLimited: max(retryAfter ?? .zero, timing.rateLimit)
      case .maintenance: retryAfter ?? timing.maintenance
      default: retryAfter
      }
    // After its maintenance it may be another one.
    if failure == .maintenance || failure.isRedirect { isServerKnown = false }
    forgetSignaling()
    let reason = failure == .maintenance ? "it is in maintenance mode" : failure.description
    enter(isSettled ? .reconnecting(reason: reason) : .waitingForServer(reason: reason))
    if let enteredAt, now - enteredAt > .seconds(30) { recoveries = 0 }
    stage = .recovering(until: now + max(recoveryDelay(), retryAfter ?? .zero))
    recoveries += 1
  }

  private mutating func forgetSignaling() {
    if isConfirmed {
      isReturning = true
      hadCompany = isCallRunning
    }
    if formerIDs.count < 1000 { formerIDs.formUnion([link.session?.id, conversation?.sessionId].compactMap(\.self)) }
    isConfirmed = false
    hasPosted = false
    enteredAt = nil
    hearsay = []
    nameLookup = nil
    subscriptions.reset(&outbox)
    publication.stop(&outbox)
    announcer.reset()
    roster.markStale()
    link.close(&outbox)
  }

  /// Doubling, with a spread of half: a server that was restarted is not to meet all its clients at once.
  private mutating func recoveryDelay() -> Duration {
    let base = recoveries == 0 ? Duration.milliseconds(200) : .seconds(1 << min(recoveries - 1, 5))
    return base * Double.random(in: 0.5...1.5, using: &random)
  }

  /// The conversation goes on elsewhere; whoever does not follow is disconnected.
  mutating func switchConversation(to token: String, at now: Instant) {
    guard hasEnteredRoom, token != configuration.address.token,
      let address = configuration.address.replacing(token: token)
    else { return }
    if hasPosted { leaveCall() }
    outbox.send(.bye, MessageTag(.bye, outbox.nextNumber()))
    forgetSignaling()
    outbox.report(roster.dropStale())
    hadCompany = false
    isReturning = false
    configuration.address = address
    link = SignalingLink(configuration)
    enter(.reconnecting(reason: "the call goes on in another conversation"))
    approachConversation(at: now)
  }

  // MARK: Leaving

  /// Leaves in order what has been entered, then finishes.
  mutating func depart(_ outcome: CallOutcome, at now: Instant) {
    guard !isLeaving, !isFinished else { return }
    enter(.leaving)
    subscriptions.reset(&outbox)
    publication.stop(&outbox)
    let isJoined: Bool
    if case .joiningConversation = stage { isJoined = true } else { isJoined = conversation != nil }
    switch outcome {
    case .failed(.removedFromConversation), .failed(.conversationGone), .failed(.takenOver), .failed(.loginRefused):
      finish(outcome)
    case _ where isInternal && link.isOpen:
      outbox.send(.bye, MessageTag(.bye, outbox.nextNumber()))
      stage = .leaving(Departure(outcome, .signaling, until: now + limit(outcome)))
    case _ where !isJoined: finish(outcome)
    case .callEnded, .failed(.removedFromCall): leaveConversation(outcome, at: now)
    case _ where hasPosted: stage = .leaving(Departure(outcome, .call(leaveCall()), until: now + limit(outcome)))
    default: leaveConversation(outcome, at: now)
    }
  }

  @discardableResult
  private mutating func leaveCall() -> RequestID {
    request(
      .leaveCall, .delete, configuration.address.talkURL("v4/call/\(configuration.address.token)"),
      timeout: timing.leaveStep)
  }

  private mutating func leaveConversation(_ outcome: CallOutcome, at now: Instant) {
    outbox.send(.bye, MessageTag(.bye, outbox.nextNumber()))
    let id = request(
      .leaveConversation, .delete,
      configuration.address.talkURL("v4/room/\(configuration.address.token)/participants/active"),
      timeout: timing.leaveStep)
    stage = .leaving(Departure(outcome, .conversation(id), until: now + limit(outcome)))
  }

  private func limit(_ outcome: CallOutcome) -> Duration {
    if case .failed = outcome { timing.failureStep } else { timing.leaveStep }
  }

  mutating func departureContinues(_ departure: Departure, at now: Instant) {
    switch departure.step {
    case .call: leaveConversation(departure.outcome, at: now)
    case .conversation, .signaling: finish(departure.outcome)
    }
  }

  private mutating func finish(_ outcome: CallOutcome) {
    link.close(&outbox)
    stage = .finished
    enter(.finished)
    outbox.emit(.finish(outcome))
  }
}
