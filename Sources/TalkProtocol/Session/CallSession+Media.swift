// In the call: what is received and sent, and what others are told.

extension CallSession {
  /// The signaling server counts us in. Only now are requests for streams granted.
  mutating func callConfirmed(at now: Instant) {
    isConfirmed = true
    failures = 0
    rejoins = 0
    unconfirmed = 0
    isReturning = false
    isSettled = true
    interruptedSince = nil
    stage = .inCall
    outbox.report(roster.dropStale())
    enter(.inCall)
    if mayPublish { isPublishingForbidden = false }
    permissionsChanged(at: now)
    announceToAll(at: now)
    nameLookups = 0
    nextNameLookup = isInternal ? nil : now
    reconcile(at: now)
    lookUpNames(at: now)
  }

  /// Streams for whom is there now, and nobody else.
  mutating func reconcile(at now: Instant) {
    guard isInCall else { return }
    // The flags of somebody who mutes may lose audio; the stream stays, and there would be no new offer.
    let wanted = roster.inCall.filter { $0.mayPublish || subscriptions.contains($0.id) }
    subscriptions.reconcile(wanted.map(\.id), at: now, &outbox)
    guard announcesState else { return }
    announcer.keep { roster[$0]?.isInCall == true }
    var isNew = false
    for participant in roster.inCall where !participant.isInternal && !participant.isPhone {
      if announcer.isKnown(.participant(participant.id)) { continue }
      announcer.begin(.participant(participant.id), at: now)
      isNew = true
    }
    guard isNew else { return }
    if announcer.isKnown(.channel) { announcer.begin(.channel, at: now) }
    if nameLookup == nil, !isInternal { nextNameLookup = min(nextNameLookup ?? now + .seconds(1), now + .seconds(1)) }
    nameLookups = 0
    announce(announcer.due(at: now))
  }

  // MARK: Publishing

  private var mayPublish: Bool { isInternal || permissions.contains(.publishAudio) }

  /// Publishes if that is our part and allowed; stops if it is not allowed any more.
  mutating func permissionsChanged(at now: Instant) {
    guard isInCall, configuration.role == .participant else { return }
    if mayPublish {
      let isGranted = isPublishingForbidden
      isPublishingForbidden = false
      guard publication.isIdle, !isPublishingRefused else { return }
      // Browsers ask for the stream of somebody they see enter; who was without one is never looked at again.
      if isGranted, isCallRunning { return renewMembership(at: now) }
      if !ownFlags.contains(.audio) {
        let body: JSONValue = ["flags": .number(Double(wantedFlags.rawValue))]
        _ = request(
          .changeCallFlags, .put,
          configuration.address.talkURL("v4/call/\(configuration.address.token)"), body)
      }
      publication.start(sid: randomName(), iceServers: settings?.iceServers ?? [], &outbox)
    } else if !isPublishingForbidden {
      isPublishingForbidden = true
      publication.stop(&outbox)
      announcer.stop(.channel)
      outbox.report(.publishingForbidden)
    }
  }

  mutating func publicationChanged(_ outcome: Publication.Outcome?, at now: Instant) {
    switch outcome {
    case nil: break
    case .connected: outbox.report(.publishing)
    case .needsNewMembership: renewMembership(at: now)
    case .forbidden:
      isPublishingRefused = true
      outbox.report(.publishingForbidden)
    case .failed(let message):
      isPublishingRefused = true
      outbox.report(.publishingFailed(message))
    }
  }

  /// The only way to publish anew: the server frees what it has of us when we are out of the call.
  private mutating func renewMembership(at now: Instant) {
    guard isInCall else { return }
    subscriptions.reset(&outbox)
    publication.stop(&outbox)
    announcer.reset()
    isConfirmed = false
    hasPosted = false
    if isInternal {
      announceOwnFlags([])
      return enterCall(at: now)
    }
    stage = .renewingMembership(
      request(
        .leaveCall, .delete, configuration.address.talkURL("v4/call/\(configuration.address.token)"),
        timeout: .seconds(5)),
      until: now + .seconds(5))
  }

  /// A stream had fallen silent and cannot be had again. If none works any more, the media server was restarted, which it
  /// tells nobody: what we send is lost as well, though our connection looks alive.
  mutating func mediaServerSuspected(at now: Instant) {
    if !subscriptions.hasWorkingPeer { renewPublisher(at: now) }
  }

  /// On suspicion only, and therefore not often.
  private mutating func renewPublisher(at now: Instant) {
    guard publication.isConnected, nextRenewal.map({ $0 <= now }) ?? true else { return }
    nextRenewal = now + .seconds(60)
    publisherEnded(at: now)
  }

  private mutating func publisherEnded(at now: Instant) {
    announcer.stop(.channel)
    publicationChanged(publication.ended(at: now, &outbox), at: now)
  }

  // MARK: Events of peer connections

  mutating func received(_ event: PeerEvent, from peer: PeerID, at now: Instant) {
    guard let own = link.session?.id, isInCall else { return }
    if case .connected = event { anyPeerConnected = true }
    if case .failed(let failure) = event, isFatal(failure),
      peer == publication.peer || subscriptions.owner(of: peer) != nil
    {
      return stop(.noMediaPath(detail: failure.detail), at: now)
    }
    if peer == publication.peer {
      received(event, fromPublisher: peer, own: own, at: now)
    } else if let id = subscriptions.owner(of: peer) {
      received(event, fromSubscriber: peer, of: id, at: now)
    }
  }

  /// All peer connections lead to the same media server: when the first finds no way, none will.
  private func isFatal(_ failure: PeerFailure) -> Bool {
    !anyPeerConnected && (failure.kind == .noPath || failure.kind == .handshake)
  }

  private mutating func received(_ event: PeerEvent, fromPublisher peer: PeerID, own: String, at now: Instant) {
    switch event {
    case .offerReady(let sdp): publication.offerReady(sdp, own: own, nick: nick, at: now, &outbox)
    case .candidate(let candidate): publication.localCandidate(candidate, own: own, &outbox)
    case .connected: publicationChanged(publication.connected(), at: now)
    case .failed(let failure) where failure.kind == .description:
      publication.stop(&outbox)
      publicationChanged(.failed(failure.detail), at: now)
    case .failed, .closed: publisherEnded(at: now)
    case .inactive: renewPublisher(at: now)
    case .dataChannelOpened:
      announcer.begin(.channel, at: now)
      announce(announcer.due(at: now))
    case .answerReady, .dataMessage, .active: break
    }
  }

  private mutating func received(
    _ event: PeerEvent, fromSubscriber peer: PeerID, of id: ParticipantID, at now: Instant
  ) {
    switch event {
    case .answerReady(let sdp): subscriptions.answerReady(sdp, peer, nick: nick, &outbox)
    case .candidate(let candidate): subscriptions.localCandidate(candidate, peer, &outbox)
    case .connected:
      subscriptions.connected(peer)
      outbox.report(.receiving(id))
    case .failed, .closed: subscriptions.ended(peer, at: now, &outbox)
    case .inactive: subscriptions.inactive(peer, isMuted: roster[id]?.isMuted == true, at: now, &outbox)
    case .active: subscriptions.active(peer)
    case .dataMessage(let text): received(DataChannelMessage(text: text), from: id)
    case .offerReady, .dataChannelOpened: break
    }
  }

  private mutating func received(_ message: DataChannelMessage?, from id: ParticipantID) {
    switch message {
    case .audioOn: outbox.report(roster.setMuted(id, false))
    case .audioOff: outbox.report(roster.setMuted(id, true))
    case .speaking: outbox.report(roster.setSpeaking(id, true))
    case .stoppedSpeaking: outbox.report(roster.setSpeaking(id, false))
    case .nickChanged(let name, _): outbox.report(roster.rename(id, to: name))
    case .videoOn, .videoOff, .unknown, nil: break
    }
  }

  // MARK: Our state

  mutating func setMuted(_ muted: Bool) {
    guard configuration.role == .participant, muted != isMuted else { return }
    isMuted = muted
    outbox.report(.microphoneMuted(muted))
    guard isInCall else { return }
    sendData(muted ? .audioOff : .audioOn)
    for participant in listeners { sendAudioState(to: participant) }
    if muted, isSpeaking { setSpeaking(false) }
  }

  mutating func setSpeaking(_ speaking: Bool) {
    guard configuration.role == .participant, speaking != isSpeaking, !(speaking && isMuted) else { return }
    isSpeaking = speaking
    if isInCall { sendData(speaking ? .speaking : .stoppedSpeaking) }
  }

  mutating func setHand(raised: Bool, timestamp: Int) {
    guard configuration.role == .participant, raised != hasRaisedHand else { return }
    handRaisedAt = raised ? timestamp : nil
    outbox.report(.handRaised(raised))
    guard isInCall else { return }
    for participant in listeners { sendHand(to: participant, timestamp: timestamp) }
  }

  private mutating func sendHand(to id: ParticipantID, timestamp: Int) {
    outbox.send(
      .raiseHand(state: hasRaisedHand, timestamp: timestamp), to: id.session, MessageTag(.state, outbox.nextNumber()))
  }

  /// Whoever may want to know.
  private var listeners: [ParticipantID] {
    roster.inCall.filter { !$0.isInternal && !$0.isPhone }.map(\.id).sorted { $0.session < $1.session }
  }

  /// A hidden listener has nothing to tell.
  private var announcesState: Bool { !isInternal || configuration.role == .participant }

  mutating func announceToAll(at now: Instant) {
    announcer.reset()
    guard announcesState else { return }
    for participant in listeners { announcer.begin(.participant(participant), at: now) }
    if publication.isConnected { announcer.begin(.channel, at: now) }
    announce(announcer.due(at: now))
  }

  mutating func announce(_ targets: [StateAnnouncer.Target]) {
    for target in targets {
      switch target {
      case .channel:
        sendData(isMuted ? .audioOff : .audioOn)
        sendData(.videoOff)
        if let nick { sendData(.nickChanged(name: nick, userid: nil)) }
        if isSpeaking { sendData(.speaking) }
      case .participant(let id):
        sendAudioState(to: id)
        outbox.send(.mute(.video), to: id.session, MessageTag(.state, outbox.nextNumber()))
        if let handRaisedAt { sendHand(to: id, timestamp: handRaisedAt) }
        if let nick {
          outbox.send(.nickChanged(name: nick), to: id.session, MessageTag(.state, outbox.nextNumber()))
        }
      }
    }
  }

  private mutating func sendAudioState(to id: ParticipantID) {
    outbox.send(isMuted ? .mute(.audio) : .unmute(.audio), to: id.session, MessageTag(.state, outbox.nextNumber()))
  }

  private mutating func sendData(_ message: DataChannelMessage) {
    guard let peer = publication.peer else { return }
    outbox.emit(.sendData(peer, text: message.text))
  }
}
