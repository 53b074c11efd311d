// The way into the call over HTTP, in the protocol's order, and what each answer means.

extension CallSession {
  typealias Answer = Result<HTTPReply, TransportFailure>

  private var address: ConversationAddress { configuration.address }

  mutating func request(
    _ purpose: HTTPRequest.Purpose, _ method: HTTPRequest.Method, _ url: String, _ body: JSONValue? = nil,
    proof: SecretProof? = nil, timeout: Duration = .seconds(30)
  ) -> RequestID {
    let id = RequestID(number: outbox.nextNumber())
    let bytes = body.map { JSONCoding.encode($0) }
    outbox.emit(
      .request(
        HTTPRequest(id: id, purpose: purpose, method: method, url: url, body: bytes, proof: proof, timeout: timeout)))
    return id
  }

  mutating func received(_ answer: Answer, for id: RequestID, at now: Instant) {
    // Wrong passwords are counted, and block the address in the end: never a second try.
    if configuration.usesAccount, !isLeaving, case .success(let reply) = answer, reply.status == 401 {
      return stop(.loginRefused, at: now)
    }
    if id == nameLookup {
      nameLookup = nil
      return namesReceived(answer, at: now)
    }
    switch stage {
    case .checkingServer(id): serverChecked(answer, at: now)
    case .joiningConversation(id): conversationJoined(answer, at: now)
    case .naming(id): fetchSettings(at: now)
    case .fetchingSettings(id): settingsReceived(answer, at: now)
    case .lookingForCall(id, let reason, let until): callListed(answer, reason, until: until, at: now)
    case .lookingForEnd(id, let until): endLookedFor(answer, until: until, at: now)
    case .lookingAtLobby(id): lobbySeen(answer, at: now)
    case .enteringCall(id): callEntered(answer, at: now)
    case .renewingMembership(id, _): enterCall(at: now)
    case .leaving(let departure) where departure.awaits(id): departureContinues(departure, at: now)
    default: break
    }
  }

  // MARK: Capabilities

  private static let capabilities = "cloud/capabilities"
  private static let mostMoves = 5

  mutating func checkServer() {
    enter(hasEnteredRoom ? phase : .checkingServer)
    stage = .checkingServer(
      request(.readCapabilities, .get, address.ocsURL(Self.capabilities), timeout: .seconds(8)))
  }

  private mutating func serverChecked(_ answer: Answer, at now: Instant) {
    if case .success(let reply) = answer {
      let isRedirect = (300..<400).contains(reply.status) && configuration.internalAccess?.hasSettings != true
      if isRedirect, let location = reply.location {
        return redirected(to: location, at: now)
      }
      if let url = reply.url, let target = address.moved(to: url, answering: Self.capabilities) { move(to: target) }
    }
    if configuration.internalAccess?.hasSettings == true, (try? answer.get())?.status != 200 {
      // It is asked for what would make the call unreadable only; everything else we have.
      return approachConversation(at: now)
    }
    guard let reply = succeed(answer, doing: "telling what it can do", at: now, { $0.capabilitiesFailure($1) })
    else { return }
    guard let envelope = try? OCSEnvelope<ServerCapabilities>(body: reply.body) else {
      return stop(.notATalkServer(host: address.host, detail: "its answer is not that of a Nextcloud"), at: now)
    }
    guard let talk = envelope.data?.talk else { return stop(.talkUnavailable, at: now) }
    for feature in ["conversation-v4", "signaling-v3"] where !talk.has(feature) {
      return stop(.talkTooOld(missing: feature), at: now)
    }
    if talk.config?.call?.enabled == false { return stop(.callsDisabled, at: now) }
    if talk.encryptsEndToEnd { return stop(.endToEndEncrypted, at: now) }
    isServerKnown = true
    approachConversation(at: now)
  }

  private func capabilitiesFailure(_ reply: HTTPReply) -> CallFailure? {
    guard reply.status < 500 else { return nil }
    // A page in the administrator's language, which names the setting.
    if reply.status == 400, String(decoding: reply.body.prefix(100_000), as: UTF8.self).contains("trusted_domains") {
      return .untrustedHost(host: address.host)
    }
    return .notATalkServer(host: address.host, detail: "it answered with HTTP status \(reply.status)")
  }

  /// To another host, or back to where we were asked to come from. An app password is for the server that it was given for.
  private mutating func redirected(to location: String, at now: Instant) {
    moves += 1
    let target = address.moved(to: location, answering: Self.capabilities)
    guard let target, target != address, moves <= Self.mostMoves, !configuration.usesAccount else {
      let shown = location.prefix { $0 != "?" && $0 != "#" }.unicodeScalars.filter { (0x21...0x7E).contains($0.value) }
      return stop(
        .movedElsewhere(host: address.host, to: String(String.UnicodeScalarView(shown)).prefix(200).description),
        at: now)
    }
    move(to: target)
    checkServer()
  }

  /// All that follows goes there at once: a request that is redirected may lose what it carries.
  private mutating func move(to target: ConversationAddress) {
    guard target != address else { return }
    configuration.address = target
    link = SignalingLink(configuration)
    outbox.report(.serverMoved(to: target.baseURL))
  }

  // MARK: Conversation

  /// The first step into the room, at first and after a lost session.
  mutating func approachConversation(at now: Instant) {
    if isInternal { fetchSettings(at: now) } else { joinConversation() }
  }

  private mutating func joinConversation() {
    enter(hasEnteredRoom ? phase : .joiningConversation)
    var body: [String: JSONValue] = ["force": true]
    if let password = configuration.password { body["password"] = .string(password) }
    stage = .joiningConversation(
      request(
        .joinConversation, .post, address.talkURL("v4/room/\(address.token)/participants/active"), .object(body)))
  }

  private mutating func conversationJoined(_ answer: Answer, at now: Instant) {
    guard
      let reply = succeed(
        answer, doing: "letting us into the conversation", at: now, { $0.joinFailure($1) })
    else { return }
    guard let joined = try? OCSEnvelope<Conversation>(body: reply.body).data, let session = joined.sessionId,
      !session.isEmpty, session != "0"
    else { return stop(.serverError(doing: "letting us into the conversation", status: reply.status), at: now) }
    conversation = joined
    permissions = joined.isModerator ? .publishAudio : resolved(joined.permissions ?? [])
    lobbyIsClosed = joined.lobbyState == 1
    if !hasEnteredRoom {
      let name = joined.displayName.flatMap { $0.isEmpty ? nil : $0 } ?? joined.name
      outbox.report(.conversationJoined(name: name))
    }
    if joined.remoteServer?.isEmpty == false { return stop(.federated, at: now) }
    if joined.isClosedByLobby, !configuration.waitsInLobby { return stop(.lobby, at: now) }
    let isGuest = joined.actorType.map { $0 == "guests" } ?? true
    guard isGuest, let nick else { return fetchSettings(at: now) }
    stage = .naming(
      request(
        .setGuestName, .post, address.talkURL("v1/guest/\(address.token)/name"), ["displayName": .string(nick)],
        timeout: .seconds(8)))
  }

  private func joinFailure(_ reply: HTTPReply) -> CallFailure? {
    switch reply.status {
    case 401: return .loginNeeded
    case 403:
      switch reason(in: reply) {
      case "password": return configuration.password == nil ? .passwordNeeded : .passwordWrong
      case "ban": return .banned
      default: return .conversationForbidden
      }
    case 404: return hasEnteredRoom ? .conversationGone : .unknownConversation
    case 406, 422: return .federated
    default: return nil
    }
  }

  // MARK: Signaling settings

  /// Just before hello: its token lives for a minute.
  mutating func fetchSettings(at now: Instant) {
    if !hasEnteredRoom { enter(.connectingSignaling) }
    var proof: SecretProof?
    switch configuration.internalAccess?.settings {
    case .given(let settings): return connect(settings(), at: now)
    case .asked(let prove): proof = prove()
    case nil: break
    }
    stage = .fetchingSettings(
      request(
        .readSignalingSettings, .get, address.talkURL("v3/signaling/settings") + "?token=\(address.token)",
        proof: proof))
  }

  private mutating func settingsReceived(_ answer: Answer, at now: Instant) {
    guard
      let reply = succeed(
        answer, doing: "giving its signaling settings", at: now,
        { session, reply in
          if session.isInternal, reply.status == 401 { return .recordingSecretRefused }
          return [401, 403, 404].contains(reply.status) ? .unknownConversation : nil
        })
    else { return }
    guard let received = try? OCSEnvelope<SignalingSettings>(body: reply.body).data else {
      return stop(.serverError(doing: "giving its signaling settings", status: reply.status), at: now)
    }
    connect(received, at: now)
  }

  private mutating func connect(_ received: SignalingSettings, at now: Instant) {
    guard received.usesSignalingServer else { return stop(.noSignalingServer, at: now) }
    guard received.federation == nil else { return stop(.federated, at: now) }
    settings = received
    stage = .connecting
    linkChanged(link.open(received, at: now, &outbox), at: now)
  }

  // MARK: Is there a call?

  /// We are in the room, with everything bound that has to be.
  mutating func roomEntered(at now: Instant) {
    hasEnteredRoom = true
    enteredAt = now
    failures = 0
    unconfirmed = 0
    tokenRejections = 0
    hasPosted = false
    isConfirmed = false
    awaitsFirstList = true
    if isKeptOutByLobby, configuration.waitsInLobby { waitInLobby(at: now) } else { approachCall(at: now) }
  }

  /// Nothing is between us and the call: enters it, or waits for it.
  mutating func approachCall(at now: Instant) {
    let isRunning = conversation?.hasCall == true || isCallRunning
    let until = isReturning && hadCompany ? now + timing.callReturn : nil
    // Nextcloud tells an internal client nothing of calls, and may have none for it to start.
    if isInternal { return isRunning ? enterCall(at: now) : wait(.nobodyInCall, until: until, checkAt: nil) }
    switch configuration.role {
    case .participant where configuration.startsCall:
      // After a reconnect a call that others were in may have ended, and entering it would start a new one.
      if let until, !isRunning { lookForEnd(until: until) } else { enterCall(at: now) }
    case .participant, .listener:
      if isRunning {
        lookForCall(while: .nobodyInCall, until: until)
      } else {
        waitAndLook(until: until, at: now)
      }
    }
  }

  /// The call that we come back to has nobody in it. Either it was ended, which the chat tells, or the others lost it as we
  /// did, when a signaling server restarts for instance: then whoever is back first starts it again, as browsers do.
  private mutating func lookForEnd(until: Instant) {
    var request = ChatRequest.history(before: 0, limit: 100).httpRequest(at: address, number: outbox.nextNumber())
    request.timeout = .seconds(9)
    outbox.emit(.request(request))
    stage = .lookingForEnd(request.id, until: until)
  }

  private mutating func endLookedFor(_ answer: Answer, until: Instant, at now: Instant) {
    guard case .success(let reply) = answer, let page = ChatPage(reply) else {
      return waitAndLook(until: until, at: now)
    }
    let newest = page.messages.filter {
      ["call_started", "call_ended", "call_ended_everyone"].contains($0.systemMessage)
    }
    .max { $0.id ?? 0 < $1.id ?? 0 }
    if newest?.systemMessage == "call_ended_everyone" { depart(.callEnded, at: now) } else { enterCall(at: now) }
  }

  /// Looks at once: the call may have begun after we joined the conversation and before we entered the room, when nobody
  /// told us.
  private mutating func waitAndLook(until: Instant?, at now: Instant) {
    wait(.nobodyInCall, until: until, checkAt: now)
  }

  private mutating func wait(_ reason: CallPhase.Wait, until: Instant?, at now: Instant) {
    wait(reason, until: until, checkAt: now + timing.callCheck)
  }

  private mutating func wait(_ reason: CallPhase.Wait, until: Instant?, checkAt: Instant?) {
    isSettled = true
    interruptedSince = nil
    conversation?.hasCall = false
    stage = .waitingForCall(reason, checkAt: checkAt, until: until)
    enter(.waitingForCall(reason))
  }

  mutating func lookForCall(while reason: CallPhase.Wait, until: Instant?) {
    let id = request(.listCall, .get, address.talkURL("v4/call/\(address.token)"), timeout: .seconds(9))
    stage = .lookingForCall(id, reason, until: until)
  }

  private mutating func callListed(
    _ answer: Answer, _ reason: CallPhase.Wait, until: Instant?, at now: Instant
  ) {
    if case .success(let reply) = answer, reply.status == 412 { return lobbyClosed(at: now) }
    let peers = callPeers(in: answer) ?? []
    outbox.report(roster.name(from: peers))
    let isRunning = peers.contains { peer in
      peer.sessionId.map { $0 != conversation?.sessionId && !formerIDs.contains($0) } ?? false
    }
    if isRunning || isCallRunning {
      enterCall(at: now)
    } else {
      wait(reason, until: until, at: now)
    }
  }

  private func callPeers(in answer: Answer) -> [CallPeer]? {
    guard case .success(let reply) = answer, reply.status == 200 else { return nil }
    return try? OCSEnvelope<[CallPeer]>(body: reply.body).data
  }

  // MARK: The call

  var wantedFlags: CallFlags { configuration.role == .participant ? [.inCall, .audio] : .inCall }

  mutating func enterCall(at now: Instant) {
    switch phase {
    case .inCall, .reconnecting: break
    default: enter(.enteringCall)
    }
    if isInternal { return enterCallAsInternal(at: now) }
    hasPosted = true
    isConfirmed = false
    var body: [String: JSONValue] = [
      "flags": .number(Double(wantedFlags.rawValue)),
      // Whoever comes back rings nobody.
      "silent": .bool(configuration.role == .listener || !configuration.ringsOthers || isReturning),
    ]
    if configuration.consentsToRecording { body["recordingConsent"] = true }
    stage = .enteringCall(request(.joinCall, .post, address.talkURL("v4/call/\(address.token)"), .object(body)))
  }

  private mutating func callEntered(_ answer: Answer, at now: Instant) {
    let reply: HTTPReply
    switch answer {
    case .failure(let failure): return retryCall(transport(failure), at: now)
    case .success(let received): reply = received
    }
    switch reply.status {
    case 200:
      failures = 0
      stage = .awaitingConfirmation(until: now + timing.confirmation * (1 << max(0, unconfirmed - 1)))
    case 400:
      let reason = reason(in: reply)
      stop(reason == "consent" ? .consentNeeded : .callRefused(reason: reason ?? "HTTP status 400"), at: now)
    case 403: callForbidden(at: now)
    case 404:
      // The session in Nextcloud is gone: join once more, then give up.
      rejoin(orStopWith: .conversationGone, at: now)
    case 412: lobbyClosed(at: now)
    default:
      retryCall(failure(for: reply, doing: "letting us into the call"), retryAfter: reply.retryAfter, at: now)
    }
  }

  private mutating func callForbidden(at now: Instant) {
    if conversation?.readOnly == true { return stop(.readOnly, at: now) }
    // Without the right to start a call, this is the answer as long as there is none.
    if isCallRunning || conversation?.hasCall == true { return stop(.callForbidden, at: now) }
    hasPosted = false
    wait(configuration.role == .participant ? .mayNotStartCall : .nobodyInCall, until: nil, at: now)
  }

  private mutating func retryCall(_ failure: CallFailure, retryAfter: Duration? = nil, at now: Instant) {
    failures += 1
    // A server that wants to be left alone for minutes is not asked again within seconds.
    let isPatient = failure != .rateLimited && failure != .maintenance
    guard failure.isTransient, failures <= 3, isPatient else { return stop(failure, retryAfter: retryAfter, at: now) }
    stage = .retryingCall(at: now + timing.rung(failures - 1))
  }

  /// The same socket cannot be used: the new session in Nextcloud ends the old one, and with it the socket.
  mutating func rejoin(orStopWith failure: CallFailure, at now: Instant) {
    guard rejoins < 1 else { return stop(failure, at: now) }
    rejoins += 1
    link.close(&outbox)
    approachConversation(at: now)
  }

  // MARK: Names

  mutating func lookUpNames(at now: Instant) {
    guard isInCall, nameLookup == nil, let next = nextNameLookup, next <= now else { return }
    nextNameLookup = nil
    guard roster.hasUnnamed else { return }
    nameLookup = request(.listCall, .get, address.talkURL("v4/call/\(address.token)"))
  }

  private mutating func namesReceived(_ answer: Answer, at now: Instant) {
    if let peers = callPeers(in: answer) { outbox.report(roster.name(from: peers)) }
    guard roster.hasUnnamed else { return }
    nextNameLookup = now + .seconds(1 << min(nameLookups, 6))
    nameLookups += 1
  }

  /// The bits, where none means the default.
  func resolved(_ permissions: Permissions) -> Permissions {
    permissions.isEmpty ? [.publishAudio, .joinCall] : permissions
  }

  // MARK: Failures

  private func reason(in reply: HTTPReply) -> String? {
    (try? OCSEnvelope<TalkErrorBody>(body: reply.body))?.data?.error
  }

  /// The reply, if the step succeeded. Otherwise the session stops, or tries again later.
  private mutating func succeed(
    _ answer: Answer, doing step: String, at now: Instant, _ known: (CallSession, HTTPReply) -> CallFailure?
  ) -> HTTPReply? {
    switch answer {
    case .failure(let failure):
      stop(transport(failure), at: now)
    case .success(let reply) where reply.status == 200: return reply
    case .success(let reply):
      let general = failure(for: reply, doing: step)
      if case .serverError = general {
        stop(known(self, reply) ?? general, at: now)
      } else {
        stop(general, retryAfter: reply.retryAfter, at: now)
      }
    }
    return nil
  }

  private func failure(for reply: HTTPReply, doing step: String) -> CallFailure {
    switch reply.status {
    case 429: .rateLimited
    case 503 where reply.isMaintenance: .maintenance
    default: .serverError(doing: step, status: reply.status)
    }
  }

  private func transport(_ failure: TransportFailure) -> CallFailure {
    switch failure {
    case .unreachable(let detail): .hostUnreachable(host: address.host, detail: detail)
    case .tls(let detail): .tlsFailure(host: address.host, detail: detail)
    case .timedOut: .noAnswer(host: address.host)
    }
  }
}
