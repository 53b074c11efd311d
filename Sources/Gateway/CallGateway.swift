internal import Audio
internal import DTLSSRTP
internal import FoundationEssentials
public import GLibLoop
package import ICE
internal import OpusCodec
internal import PeerConnection
internal import Playout
internal import RTP
public import TalkClient
package import TalkProtocol

/// One participation in a call: drives a `CallSession`, moves sound between its peer connections and the audio ends.
///
/// It lives on the network loop. Use it once: `run` returns when the call has been left and all files are complete.
public actor CallGateway {
  private nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// What happens, in order; ends with the participation. One reader.
  public nonisolated let events: AsyncStream<GatewayEvent>
  private let eventContinuation: AsyncStream<GatewayEvent>.Continuation

  let options: CallOptions
  let connection: TalkConnection
  private var session: CallSession
  private var timer: LoopTimer?
  /// Inactivity and reported loss, and the end by duration at its moment.
  private var housekeeping: LoopTimer?
  private static let housekeepingInterval = Duration.milliseconds(500)

  let mixes: [OutputMix]
  var microphone: Microphone?
  var peers: [PeerID: LivePeer] = [:]
  var sounds: [ParticipantID: ParticipantSound] = [:]
  var firstPacket: LoopTimer?
  /// What was tried where no network path was found.
  package internal(set) var pathFailure: ICEFailure?
  private var speechChanged: LoopTimer?
  /// Those who are or were in the call, in order of appearance; of those who left, how it went with them.
  private var known: [ParticipantID] = []
  private var participants: [ParticipantID: Participant] = [:]
  private var departed: [ParticipantID: ParticipantStatus] = [:]
  /// In a call that people enter and leave for days, the first of them are forgotten.
  private static let mostKnown = 1000
  private var certificate: DTLSIdentity?
  private var closingPeers: [Task<Void, Never>] = []

  private var ends: [Task<Void, Never>] = []
  private var isInputRunning = false
  private var areEndsStopping = false
  private var endFailure: (any Error)?
  private var reason: DepartureReason?

  private var joinedAt: ContinuousClock.Instant?
  private var firstHeardAt: ContinuousClock.Instant?
  private var heard: Set<ParticipantID> = []
  private var hadCompany = false
  /// Since when all others are gone.
  private var aloneSince: ContinuousClock.Instant?
  /// Others who go may have been sent to another conversation, where we are sent too, a moment later.
  private static let farewell = Duration.seconds(2)

  private var outcome: CallOutcome?
  private var finished: CheckedContinuation<CallOutcome, Never>?

  public init(_ options: CallOptions, connection: TalkConnection, on loop: GLibExecutor = .network) {
    self.options = options
    self.connection = connection
    self.loop = loop
    (events, eventContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(10_000))
    session = CallSession(configuration: options.call, random: SystemRandomNumberGenerator())
    mixes = options.outputs.map { _ in OutputMix() }
  }

  // MARK: Running

  /// Takes part until the user leaves, the call ends or nothing can be done any more.
  /// - Throws: What ended it; files are complete then, too.
  public func run() async throws(GatewayError) -> CallSummary {
    do {
      for end in options.outputs { try await end.output.open() }
      try await options.input?.open()
    } catch {
      eventContinuation.finish()
      throw .end(error)
    }
    if options.call.role == .participant {
      let timer = LoopTimer(on: loop, in: self) { $0.speechHasChanged() }
      speechChanged = timer
      do {
        microphone = try Microphone(
          isMuted: options.call.startsMuted, isDiscontinuous: options.sendsNothingInPauses, speechChanged: timer)
      } catch { throw .library(error) }
    }
    timer = LoopTimer(on: loop, in: self) { $0.timeIsUp() }
    housekeeping = LoopTimer(on: loop, in: self) { $0.keepHouse() }
    firstPacket = LoopTimer(on: loop, in: self) { $0.lookForFirstPackets() }
    housekeeping?.schedule(at: .now + Self.housekeepingInterval)
    let transport = Task { await connection.run { [weak self] event in await self?.feed(event) } }
    feed(.start)
    let outcome = await withCheckedContinuation { continuation in
      if let outcome = self.outcome { continuation.resume(returning: outcome) } else { finished = continuation }
    }
    stopEnds()
    for end in ends { await end.value }
    transport.cancel()
    await transport.value
    let summary = CallSummary(
      outcome: outcome, reason: reason, participants: known.compactMap { departed[$0] ?? status(of: $0) },
      outputs: outputStatus)
    for peer in Array(peers.keys) { close(peer) }
    for task in closingPeers { await task.value }
    for timer in [timer, housekeeping, firstPacket, speechChanged] { timer?.invalidate() }
    eventContinuation.finish()
    if let endFailure { throw .end(endFailure) }
    if case .failed(let failure) = outcome { throw .call(failure) }
    return summary
  }

  /// Leaves in the protocol's order; `run` returns soon after. Harmless when it is leaving already.
  public func leave() { leave(.requested) }

  private func leave(_ reason: DepartureReason) {
    guard self.reason == nil, outcome == nil else { return }
    self.reason = reason
    eventContinuation.yield(.leaving(reason))
    feed(.leave)
  }

  /// Turns our microphone off or on. A listener has none.
  public func setMuted(_ isMuted: Bool) {
    microphone?.isMuted = isMuted
    feed(.setMuted(isMuted))
  }

  /// Turns our microphone off if it is on, and on if it is off.
  public func toggleMuted() {
    if let microphone { setMuted(!microphone.isMuted) }
  }

  /// Raises our hand, or lowers it. A listener has none.
  public func toggleHand() {
    let milliseconds = Int(Date.now.timeIntervalSince1970 * 1000)
    feed(.setHand(raised: !session.hasRaisedHand, timestamp: milliseconds))
  }

  /// How things stand. Levels are those since the last call.
  public func status() -> GatewayStatus {
    GatewayStatus(
      phase: session.phase, participants: session.participants.map { status(of: $0) }, outputs: outputStatus,
      inputLevel: microphone?.takeLevel(), isMuted: microphone?.isMuted ?? true,
      hasRaisedHand: session.hasRaisedHand, outbound: outboundStatus)
  }

  private var outboundStatus: OutboundStatus? {
    guard let microphone, let sent = peers.values.lazy.compactMap(\.outbound).first else { return nil }
    let rate = microphone.rate
    return OutboundStatus(
      packetsSent: sent.packetsSent, bytesSent: sent.bytesSent, targetBitrate: rate.bitrate,
      expectedLoss: Double(rate.expectedLoss) / 100, fractionLost: sent.fractionLost,
      packetsLost: sent.remotePacketsLost, roundTripTime: sent.roundTripTime, jitter: sent.remoteJitter)
  }

  /// The conversation as it was when we joined it; nil before.
  package var conversation: Conversation? { session.conversation }

  /// Our own address in signaling, once there is one.
  package var ownID: ParticipantID? { session.ownID }

  /// The peer connections as they are now.
  package var connections: [ConnectionStatus] {
    peers.values.map { live in
      ConnectionStatus(
        participant: live.participant, statistics: live.peer.assumeIsolated { $0.statistics() })
    }
  }

  private var outputStatus: [OutputStatus] {
    zip(mixes, options.outputs).map { mix, end in
      OutputStatus(
        rendered: PCM.duration(of: mix.renderedSamples), dropped: PCM.duration(of: end.output.droppedSampleCount))
    }
  }

  private func status(of id: ParticipantID) -> ParticipantStatus? { participants[id].map { status(of: $0) } }

  private func status(of participant: Participant) -> ParticipantStatus {
    let sound = sounds[participant.id]
    let peer = peers.values.first { $0.participant == participant.id && $0.isConnected }
    return ParticipantStatus(
      participant: participant, isConnected: peer != nil, jitter: peer?.inbound?.jitter,
      packetsReceived: sound?.packets ?? 0, sound: sound?.feeds.first?.audibleDuration ?? .zero,
      level: sound?.feeds.first?.takeLevel() ?? .silence,
      playout: sound?.feeds.first?.statistics)
  }

  // MARK: Events and effects

  func feed(_ event: CallSession.Event) {
    if let observer = connection.observer, case .peer(let id, let event) = event { tell(observer, of: event, from: id) }
    perform(session.handle(event, at: .now))
  }

  private func timeIsUp() { perform(session.handleTimeout(.now)) }

  private func perform(_ effects: [CallEffect]) {
    for effect in effects {
      switch effect {
      case .request, .openSocket, .send, .closeSocket: connection.perform(effect)
      case .createPublisher(let id, let servers): createPublisher(id, servers)
      case .createSubscriber(let id, let participant, let offer, let servers):
        createSubscriber(id, participant, offer: offer, servers)
      case .applyOffer(let id, let sdp): apply(offer: sdp, to: id)
      case .applyAnswer(let id, let sdp): apply(answer: sdp, to: id)
      case .addCandidate(let id, let candidate): add(candidate, to: id)
      case .closePeer(let id): close(id)
      case .sendData(let id, let text): sendData(text, on: id)
      case .muteMicrophone: microphone?.isMuted = true
      case .report(let event): report(event)
      case .finish(let outcome): finish(outcome)
      }
    }
    if let deadline = session.deadline { timer?.schedule(at: deadline) } else { timer?.cancel() }
  }

  private func finish(_ outcome: CallOutcome) {
    self.outcome = outcome
    finished?.resume(returning: outcome)
    finished = nil
  }

  private func report(_ event: CallEvent) {
    switch event {
    case .phase(.inCall): entered()
    case .phase(.leaving): stopEnds()
    case .publishing: startInput()
    case .participantJoined(let participant):
      appeared(participant)
    case .participantLeft(let participant):
      disappeared(participant)
    case .participantRenamed(let id, let name): participants[id]?.name = name
    case .participantMuted(let id, let isMuted): participants[id]?.isMuted = isMuted
    default: break
    }
    eventContinuation.yield(.call(event))
    if session.participantCount > 0 || session.phase != .inCall {
      // Out of the call we know of nobody, because we are on our way: back, or to another conversation.
      hadCompany = hadCompany || session.participantCount > 0
      aloneSince = nil
    } else if hadCompany, case .participantLeft = event {
      aloneSince = .now
    }
  }

  // MARK: The audio ends

  /// We are in the call: from here on is played and recorded. After a reconnect the ends run already.
  private func entered() {
    guard joinedAt == nil else { return }
    joinedAt = .now
    for (end, mix) in zip(options.outputs, mixes) {
      ends.append(
        Task {
          do {
            try await end.output.run(mix)
            endStopped(nil)
          } catch { endStopped(error) }
        })
    }
    eventContinuation.yield(.started)
  }

  /// We can be heard: what is said before would be lost, and a file would be without its beginning.
  private func startInput() {
    guard let input = options.input, let microphone, !isInputRunning, !areEndsStopping else { return }
    isInputRunning = true
    ends.append(
      Task {
        do {
          try await input.run { microphone.push($0) }
          endStopped(nil)
        } catch { endStopped(error) }
      })
  }

  private func endStopped(_ failure: (any Error)?) {
    guard !areEndsStopping else {
      // A file that cannot be completed is a failure even when it is found at the very end.
      if let failure, !(failure is CancellationError) { endFailure = endFailure ?? failure }
      return
    }
    endFailure = endFailure ?? failure
    leave(failure == nil ? .readerGone : .endFailed)
  }

  /// Leaving begins: what comes from now on is no part of the call, and a recording is as long as was asked for.
  private func stopEnds() {
    areEndsStopping = true
    for end in ends { end.cancel() }
  }

  // MARK: Once in a while

  private func keepHouse() {
    let now = ContinuousClock.now
    var next = now + Self.housekeepingInterval
    for (id, peer) in peers {
      if let event = peer.activityChange(at: now) { feed(.peer(id, event)) }
      if peer.participant == nil, let report = peer.takeReport() { microphone?.adapt(to: report) }
    }
    if let duration = options.duration, let start = firstHeardAt ?? joinedAt {
      let end = start + duration
      if end <= now { leave(.durationReached) } else { next = min(next, end) }
    }
    if options.leavesWhenEmpty, let aloneSince, aloneSince + Self.farewell <= now { leave(.everybodyLeft) }
    housekeeping?.schedule(at: next)
  }

  private func lookForFirstPackets() {
    for (id, sound) in sounds where sound.packets > 0 && heard.insert(id).inserted {
      firstHeardAt = firstHeardAt ?? .now
      eventContinuation.yield(.heard(id))
    }
  }

  private func speechHasChanged() {
    guard let microphone else { return }
    feed(.setSpeaking(microphone.isSpeaking))
  }

  // MARK: Who is there

  private func appeared(_ participant: Participant) {
    participants[participant.id] = participant
    departed[participant.id] = nil
    guard !known.contains(participant.id) else { return }
    known.append(participant.id)
    if known.count > Self.mostKnown { departed[known.removeFirst()] = nil }
  }

  /// Its sound is no longer mixed, and its buffers are given back.
  private func disappeared(_ participant: Participant) {
    participants[participant.id] = participant
    if known.contains(participant.id) { departed[participant.id] = status(of: participant) }
    participants[participant.id] = nil
    guard let sound = sounds.removeValue(forKey: participant.id) else { return }
    heard.remove(participant.id)
    for (mix, feed) in zip(mixes, sound.feeds) { mix.remove(feed) }
  }

  /// Our certificate, one for all peer connections of the call.
  func identity() throws(DTLSError) -> DTLSIdentity {
    if let certificate { return certificate }
    let made = try DTLSIdentity()
    certificate = made
    return made
  }

  func keepUntilClosed(_ task: Task<Void, Never>) { closingPeers.append(task) }
}
