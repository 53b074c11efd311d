internal import AudioFiles
internal import Gateway
internal import ICE
internal import PeerConnection
internal import TalkClient
internal import TalkProtocol
internal import Transport

/// Takes part in the conversation's call for a moment, muted, to see whether sound gets through; where nobody is to be
/// heard, with a second guest of ours who speaks (silence) for the first to hear.
///
/// It is what `join` does, in small: the same gateway in the same order.
struct CallProbe {
  /// How long others have for being heard before our second guest comes.
  private static let patience = Duration.milliseconds(1200)
  /// What is enough of anybody's sound.
  private static let enough = 20

  private let inspection: Inspection
  /// When leaving begins at the latest.
  private let deadline: ContinuousClock.Instant

  init(_ inspection: Inspection, until deadline: ContinuousClock.Instant) {
    self.inspection = inspection
    self.deadline = deadline
  }

  func run() async -> CallSight {
    let gateway = gateway(name: inspection.name, startsCall: inspection.startsCall)
    let progress = Progress()
    let following = Task { for await event in gateway.events { await progress.take(event) } }
    let watching = Task { await watch(gateway, progress) }
    let result: Result<CallSummary, GatewayError>
    do { result = .success(try await gateway.run()) } catch { result = .failure(error) }
    await following.value
    watching.cancel()
    var sight = await watching.value
    if case .failure(.call(let failure)) = result { sight.failure = failure }
    sight.pathFailure = await gateway.pathFailure
    if sight.conversation == nil { sight.conversation = await gateway.conversation }
    return sight
  }

  /// Looks on until everything is known, or time is up, and has the gateway leave.
  private func watch(_ gateway: CallGateway, _ progress: Progress) async -> CallSight {
    var second: Companion?
    var sight = CallSight()
    while !Task.isCancelled {
      sight = await look(gateway, progress, second, before: sight)
      if sight.foundNoCall || isComplete(sight, hasSecond: second != nil) { break }
      if ContinuousClock.now >= deadline {
        sight.ranOutOfTime = true
        break
      }
      if second == nil, await isAlone(progress, sight) {
        second = Companion(self.gateway(name: inspection.name + " 2", startsCall: false))
      }
      try? await Task.sleep(for: .milliseconds(50))
    }
    async let leaving: Void = gateway.leave()
    await second?.leave()
    await leaving
    return sight
  }

  private func isAlone(_ progress: Progress, _ sight: CallSight) async -> Bool {
    guard let since = await progress.inCallSince, sight.publication != .forbidden else { return false }
    if case .connected = sight.publication {
      return sight.others == 0
        || (ContinuousClock.now - since > Self.patience && !sight.heard.contains { $0.packets > 0 })
    }
    return false
  }

  private func isComplete(_ sight: CallSight, hasSecond: Bool) -> Bool {
    let hears = sight.heard.contains { $0.packets >= Self.enough }
    switch sight.publication {
    case .connected(let packets, .some, _): return hears && packets >= Self.enough
    case .forbidden: return hears || sight.wasInCall && sight.others == 0
    case .failed: return hears
    case .connected(_, nil, _), nil: return false
    }
  }

  private func look(
    _ gateway: CallGateway, _ progress: Progress, _ second: Companion?, before: CallSight
  ) async -> CallSight {
    var sight = before
    sight.conversation = await gateway.conversation
    sight.wasInCall = await progress.inCallSince != nil
    sight.foundNoCall = await progress.foundNoCall
    let secondID = await second?.gateway.ownID
    let others = await gateway.status().participants
    let connections = await gateway.connections
    sight.others = others.count { $0.participant.id != secondID }
    let heard = others.map { status in
      CallSight.Heard(
        name: status.participant.name, packets: status.packetsReceived,
        isOurs: status.participant.id == secondID)
    }
    if !heard.isEmpty { sight.heard = heard }
    switch await progress.publication {
    case .connected(_, _, _)?:
      let outbound = connections.first { $0.participant == nil }?.statistics.outbound
      if let outbound {
        sight.publication = .connected(
          packets: outbound.packetsSent, lost: outbound.fractionLost,
          roundTripTime: outbound.roundTripTime.map { .seconds($0) })
      } else if sight.publication == nil {
        sight.publication = .connected(packets: 0, lost: nil, roundTripTime: nil)
      }
    case let other?: sight.publication = other
    case nil: break
    }
    let paths = connections.sorted { ($0.participant == nil ? 0 : 1) < ($1.participant == nil ? 0 : 1) }
    if let path = paths.lazy.compactMap(\.statistics.selectedCandidatePair).first { sight.path = path }
    return sight
  }

  private func gateway(name: String, startsCall: Bool) -> CallGateway {
    var call = CallSession.Configuration(address: inspection.address, role: .participant, displayName: name)
    call.startsCall = startsCall
    call.startsMuted = true
    call.password = inspection.password
    call.consentsToRecording = inspection.consentsToRecording
    call.usesAccount = inspection.account != nil
    call.timing.handshake = .seconds(5)
    call.timing.leaveStep = .milliseconds(600)
    var options = CallOptions(call: call)
    options.input = GeneratedInput()
    options.iceAddresses = inspection.iceAddresses
    options.icePatience = .seconds(5)
    options.caFile = inspection.transport.caFile
    return CallGateway(
      options,
      connection: TalkConnection(
        account: inspection.account, settings: inspection.transport, logger: inspection.logger))
  }

  /// What the gateway has reported.
  private actor Progress {
    private(set) var inCallSince: ContinuousClock.Instant?
    private(set) var foundNoCall = false
    private(set) var publication: CallSight.Publication?

    func take(_ event: GatewayEvent) {
      guard case .call(let event) = event else { return }
      switch event {
      case .phase(.inCall): inCallSince = inCallSince ?? .now
      case .phase(.waitingForCall): foundNoCall = inCallSince == nil
      case .publishing: publication = .connected(packets: 0, lost: nil, roundTripTime: nil)
      case .publishingForbidden: publication = .forbidden
      case .publishingFailed(let reason): publication = .failed(reason)
      default: break
      }
    }
  }

  /// Our second guest.
  private struct Companion {
    let gateway: CallGateway
    private let running: Task<Void, Never>

    init(_ gateway: CallGateway) {
      self.gateway = gateway
      running = Task {
        // That it cannot come shows in its not being heard.
        _ = try? await gateway.run()
      }
    }

    func leave() async {
      await gateway.leave()
      await running.value
    }
  }
}
