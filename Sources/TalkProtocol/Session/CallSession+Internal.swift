// What is different for an internal client of the signaling server: it has no session in Nextcloud, so nobody tells it of
// the lobby, of rights, or of who is in the call; and nobody keeps it from listening.

extension CallSession {
  var isInternal: Bool { configuration.internalAccess != nil }

  /// Whether somebody is in the call, as far as we know.
  var isCallRunning: Bool {
    roster.inCall.contains { !$0.isInternal && !hearsay.contains($0.id) && !roster.isStale($0.id) }
  }

  /// Whether streams may be asked for.
  var isListening: Bool { isInCall || !hearsay.isEmpty }

  /// Enters the call: the signaling server alone has to know, and believes us.
  mutating func enterCallAsInternal(at now: Instant) {
    hearsay = []
    hasPosted = true
    ownFlags = wantedFlags
    announceOwnFlags(wantedFlags)
    callConfirmed(at: now)
  }

  mutating func announceOwnFlags(_ flags: CallFlags) {
    outbox.send(
      .internal(["type": "incall", "incall": ["incall": .number(Double(flags.rawValue))]]),
      MessageTag(.state, outbox.nextNumber()))
  }

  /// The signaling server answers an internal client's entering with the last list that Nextcloud sent, which it keeps when a
  /// call is ended for everybody. So what that list says of the call is tried: only whose stream can be had is in it.
  mutating func examine(_ update: ParticipantsUpdate) {
    guard isInternal, let users = update.users else { return }
    let listed = Dictionary(users.map { (ParticipantID(session: $0.sessionId), $0) }, uniquingKeysWith: { $1 })
    if awaitsFirstList {
      guard listed.keys.contains(where: { $0.session == link.session?.id }) else { return }
      awaitsFirstList = false
      hearsay = Set(listed.filter { $1.inCall?.contains(.inCall) == true && $1.internal != true }.keys)
      return
    }
    for id in hearsay {
      // Lists are complete: who is missing is not in the call.
      let flags = listed[id].map { $0.inCall ?? [] } ?? []
      guard flags != roster[id]?.flags else { continue }
      hearsay.remove(id)
      if listed[id] == nil {
        outbox.report(roster.merge(ParticipantsUpdate.User(sessionId: id.session, inCall: [])))
      }
    }
  }

  /// Asks for the streams of those of whom we have only heard that they are in the call.
  mutating func tryHearsay(at now: Instant) {
    guard case .waitingForCall = stage, isInternal else { return }
    let wanted = hearsay.filter { roster[$0]?.mayPublish == true }
    subscriptions.reconcile(wanted, at: now, &outbox)
  }
}
