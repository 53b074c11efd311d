internal import CNice
public import GLibLoop

/// Finds a path to a peer and keeps it: one ICE agent with one stream and one component (RFC 8445, trickled candidates
/// by RFC 8838, consent by RFC 7675), through libnice.
///
/// Order of calls: `start`, then `setRemoteCredentials` and `addRemoteCandidate` (in any order: early candidates wait),
/// `exchangeCompleted`, `send` as soon as a path is selected, and always `close` before the last reference goes.
public actor ICEAgent {
  public nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// What the peer needs to know to check us; in the session description.
  public nonisolated let localCredentials: ICECredentials

  private enum Phase {
    case idle, searching, connected, failed, closed
  }

  private static let component: UInt32 = 1
  /// More than any browser sends; the rest is passed over.
  private static let mostRemoteCandidates = 64

  private let configuration: ICEConfiguration
  /// Given back wherever this actor ends: by then, nothing of libnice's runs for it.
  private let reference: GObjectReference
  private let agent: OpaquePointer
  private let stream: UInt32
  private weak var delegate: (any ICEAgentDelegate)?
  private var phase = Phase.idle

  private var pendingEvents: [ICEEvent] = []
  private var eventTimer: LoopTimer?
  private var deadlineTimer: LoopTimer?
  private var isDeadlineSet = false

  private var gathering: Task<Void, Never>?
  private var areServersKnown = false
  private var hasGathered = false
  private var hasSaidGatheringDone = false
  private var tunnels: [TLSRelayTunnel] = []
  private var relayProtocols: [String: Set<String>] = [:]

  private var hasRemoteCredentials = false
  private var earlyCandidates: [String] = []
  private var localCandidates: [ICECandidate] = []
  private var remoteCandidates: [ICECandidate] = []
  private var serverProblems: [String] = []

  /// The pair in use.
  public private(set) var selectedPair: ICESelectedPair?

  /// - Throws: `ICEConfigurationError` when a local address is none.
  public init(_ configuration: ICEConfiguration, on loop: GLibExecutor = .network) throws(ICEConfigurationError) {
    for address in configuration.localAddresses where !NameLookup.isAddress(address) {
      throw ICEConfigurationError(address: address)
    }
    self.loop = loop
    self.configuration = configuration
    let options = [
      NICE_AGENT_OPTION_REGULAR_NOMINATION, NICE_AGENT_OPTION_ICE_TRICKLE, NICE_AGENT_OPTION_CONSENT_FRESHNESS,
    ]
    agent = nice_agent_new_full(
      loop.context, NICE_COMPATIBILITY_RFC5245, NiceAgentOption(options.reduce(0) { $0 | $1.rawValue }))
    // Checks follow each other by as little as RFC 8445 §14.2 allows: it halves the time to the first sound.
    CNice_set_number(agent, "stun-pacing-timer", 5)
    CNice_set_flag(agent, "upnp", 0)
    CNice_set_flag(agent, "ice-tcp", 0)
    CNice_set_flag(agent, "force-relay", configuration.relayOnly ? 1 : 0)
    for text in configuration.localAddresses {
      var address = NiceAddress()
      nice_address_init(&address)
      guard nice_address_set_from_string(&address, text) != 0 else { continue }
      nice_agent_add_local_address(agent, &address)
    }
    stream = nice_agent_add_stream(agent, 1)
    if let ports = configuration.portRange {
      nice_agent_set_port_range(
        agent, stream, Self.component, UInt32(ports.lowerBound), UInt32(ports.upperBound))
    }
    reference = GObjectReference(owning: UnsafeMutableRawPointer(agent))
    var fragment: UnsafeMutablePointer<CChar>?
    var password: UnsafeMutablePointer<CChar>?
    let hasCredentials = nice_agent_get_local_credentials(agent, stream, &fragment, &password)
    precondition(hasCredentials != 0, "a new stream has credentials")
    localCredentials = ICECredentials(
      usernameFragment: String(cString: fragment!), password: String(cString: password!))
    g_free(fragment)
    g_free(password)
  }

  // Not `isolated`: with that, Swift 6.3 cannot optimise modules that use this one ("circular reference").
  deinit {
    // Signals carry a plain pointer to this object, and relays are given back in `close`.
    let phase = phase
    precondition(phase == .closed || phase == .idle, "an ICE agent must be closed before it is let go")
  }

  // MARK: Calls

  /// Starts to gather candidates; they come as events.
  /// - Parameter delegate: Held weakly.
  package func start(role: ICERole, delegate: any ICEAgentDelegate) {
    precondition(phase == .idle, "an ICE agent starts once")
    phase = .searching
    self.delegate = delegate
    eventTimer = LoopTimer(on: loop, in: self) { $0.deliverEvents() }
    deadlineTimer = LoopTimer(on: loop, in: self) { $0.giveUp() }
    CNice_set_flag(agent, "controlling-mode", role == .controlling ? 1 : 0)
    connectSignals()
    gathering = Task { await gather() }
  }

  /// Says how the peer's checks are to be recognised, and looks at the candidates that came before. A repeated call
  /// with the same values changes nothing.
  public func setRemoteCredentials(_ credentials: ICECredentials) {
    guard phase == .searching || phase == .connected else { return }
    nice_agent_set_remote_credentials(agent, stream, credentials.usernameFragment, credentials.password)
    hasRemoteCredentials = true
    let early = earlyCandidates
    earlyCandidates = []
    for candidate in early { addRemoteCandidate(candidate) }
  }

  /// Takes a `candidate:` line of the peer's (`a=` in front is allowed). What cannot be used (malformed, TCP, another
  /// component, a hidden `.local` name) and the empty line that ends candidates are passed over.
  public func addRemoteCandidate(_ line: String) {
    guard phase == .searching || phase == .connected else { return }
    guard hasRemoteCredentials else {
      if earlyCandidates.count < Self.mostRemoteCandidates { earlyCandidates.append(line) }
      return
    }
    let sdp = line.hasPrefix("a=") ? line : "a=" + line
    guard let described = ICECandidate(sdp: line), described.transport == .udp, described.port > 0,
      described.component == Self.component, described.kind != .prflx, NameLookup.isAddress(described.address),
      remoteCandidates.count < Self.mostRemoteCandidates, !remoteCandidates.contains(described),
      let candidate = nice_agent_parse_remote_candidate_sdp(agent, stream, sdp)
    else { return }
    defer { nice_candidate_free(candidate) }
    remoteCandidates.append(described)
    startDeadline()
    let list = g_slist_append(nil, candidate)
    nice_agent_set_remote_candidates(agent, stream, Self.component, list)
    g_slist_free(list)
  }

  /// Says that both descriptions have been exchanged, so that the time to find a path runs even if no candidate of the
  /// peer's comes.
  public func exchangeCompleted() {
    guard phase == .searching else { return }
    startDeadline()
  }

  /// Sends a datagram on the selected path. Call it on the loop's thread; it neither waits nor allocates.
  /// - Returns: False when there is no path, or the system did not take it.
  @discardableResult
  public nonisolated func send(_ datagram: UnsafeBufferPointer<UInt8>) -> Bool { Self.transmit(self, datagram) }

  private static let transmit = ActorEntry<ICEAgent, UnsafeBufferPointer<UInt8>, Bool> { agent, datagram in
    guard agent.phase == .connected, let bytes = datagram.baseAddress else { return false }
    return bytes.withMemoryRebound(to: CChar.self, capacity: datagram.count) {
      nice_agent_send(agent.agent, agent.stream, component, UInt32(datagram.count), $0) == Int32(datagram.count)
    }
  }

  /// Ends everything: relays are given back to their servers, which may take until a second if one does not answer.
  /// Nothing is heard from the agent afterwards. A second call returns at once.
  public func close() async {
    guard phase != .closed else { return }
    let wasStarted = phase != .idle
    phase = .closed
    guard wasStarted else { return }
    CGLib_signal_disconnect_by_data(
      UnsafeMutableRawPointer(agent), Unmanaged.passUnretained(self).toOpaque())
    delegate = nil
    eventTimer?.invalidate()
    deadlineTimer?.invalidate()
    pendingEvents = []
    gathering?.cancel()
    await gathering?.value
    gathering = nil
    await giveRelaysBack()
    // Only now: a detached agent would not hear the servers' answers either.
    nice_agent_attach_recv(agent, stream, Self.component, loop.context, nil, nil)
    for tunnel in tunnels { await tunnel.close() }
    tunnels = []
  }

  private func giveRelaysBack() async {
    // Whichever comes first: libnice's word (its task keeps the agent alive) or the second.
    let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
    let timer = LoopTimer(on: loop) { continuation.finish() }
    timer.schedule(at: .now + .seconds(1))
    nice_agent_close_async(
      agent, { _, _, end in Unmanaged<ClosingCall>.fromOpaque(end!).takeRetainedValue().end.finish() },
      Unmanaged.passRetained(ClosingCall(continuation)).toOpaque())
    for await _ in ends {}
    timer.invalidate()
  }

  // MARK: Servers

  private func gather() async {
    let plan = ServerPlan(configuration.servers, relayOnly: configuration.relayOnly)
    serverProblems = plan.problems
    let wantsIPv4 = NameLookup.usesIPv4(configuration.localAddresses)
    await withDiscardingTaskGroup { group in
      for relay in plan.relays {
        if relay.url.scheme == .turns {
          await addTunnel(for: relay, overIPv4: wantsIPv4)
        } else if NameLookup.isAddress(relay.url.host) {
          add(relay, at: relay.url.host, port: relay.url.port, protocolName: relay.url.transport.rawValue)
        } else {
          group.addTask { await self.lookUp(relay, wantsIPv4: wantsIPv4) }
        }
      }
      // Host candidates need no server, but libnice can be told of a STUN server only before it gathers.
      if let server = await firstResolved(plan.stun, wantsIPv4: wantsIPv4) {
        CNice_set_text(agent, "stun-server", server.address)
        CNice_set_number(agent, "stun-server-port", UInt32(server.port))
      }
      guard phase == .searching else { return }
      if nice_agent_gather_candidates(agent, stream) == 0 { fail(.noLocalSocket) }
    }
    areServersKnown = true
    sayGatheringDone()
  }

  private func firstResolved(_ servers: [ICEServerURL], wantsIPv4: Bool) async -> (address: String, port: UInt16)? {
    guard !servers.isEmpty else { return nil }
    let loop = loop
    let found = await withTaskGroup(of: (String, UInt16)?.self) { group in
      for server in servers {
        group.addTask {
          let address = await self.lookUp(server.host, wantsIPv4: wantsIPv4, within: .seconds(1), on: loop)
          return address.map { ($0, server.port) }
        }
      }
      for await case let found? in group {
        group.cancelAll()
        return Optional(found)
      }
      return nil
    }
    if found == nil {
      serverProblems.append("No STUN server's name could be resolved: \(servers.map(\.host).joined(separator: ", ")).")
    }
    return found.map { (address: $0.0, port: $0.1) }
  }

  private func lookUp(_ host: String, wantsIPv4: Bool, within limit: Duration, on loop: GLibExecutor) async -> String? {
    await NameLookup.address(of: host, wantsIPv4: wantsIPv4, within: limit, on: loop)
  }

  private func lookUp(_ relay: ServerPlan.Relay, wantsIPv4: Bool) async {
    let url = relay.url
    guard let address = await lookUp(url.host, wantsIPv4: wantsIPv4, within: .seconds(5), on: loop) else {
      serverProblems.append("\(url) cannot be used: its name could not be resolved.")
      return
    }
    add(relay, at: address, port: url.port, protocolName: url.transport.rawValue)
  }

  private func addTunnel(for relay: ServerPlan.Relay, overIPv4: Bool) async {
    do throws(GIOError) {
      let tunnel = try TLSRelayTunnel(
        to: relay.url, certificateAuthorityFile: configuration.certificateAuthorityFile, overIPv4: overIPv4, on: loop)
      tunnels.append(tunnel)
      await tunnel.serve()
      add(relay, at: tunnel.address, port: tunnel.port, protocolName: "tls")
    } catch {
      serverProblems.append("\(relay.url) cannot be used: \(error.message).")
    }
  }

  private func add(_ relay: ServerPlan.Relay, at address: String, port: UInt16, protocolName: String) {
    guard phase == .searching || phase == .connected else { return }
    relayProtocols["\(address) \(port)", default: []].insert(protocolName)
    nice_agent_set_relay_info(
      agent, stream, Self.component, address, UInt32(port), relay.username, relay.credential,
      protocolName == "udp" ? NICE_RELAY_TYPE_TURN_UDP : NICE_RELAY_TYPE_TURN_TCP)
  }

  // MARK: What libnice reports

  private func connectSignals() {
    let me = Unmanaged.passUnretained(self).toOpaque()
    CNice_on_candidate(
      agent,
      { _, candidate, me in
        nonisolated(unsafe) let candidate = candidate!
        ICEAgent.from(me).assumeIsolated { $0.gathered(candidate) }
      }, me)
    CNice_on_gathering_done(agent, { _, _, me in ICEAgent.from(me).assumeIsolated { $0.gatheringEnded() } }, me)
    CNice_on_selected_pair(
      agent,
      { _, _, _, local, remote, me in
        nonisolated(unsafe) let (local, remote) = (local!, remote!)
        ICEAgent.from(me).assumeIsolated { $0.selected(local, remote) }
      }, me)
    CNice_on_state(
      agent,
      { _, _, _, state, me in
        guard state == NICE_COMPONENT_STATE_FAILED.rawValue else { return }
        ICEAgent.from(me).assumeIsolated { $0.componentFailed() }
      }, me)
    nice_agent_attach_recv(
      agent, stream, Self.component, loop.context,
      { _, _, _, length, bytes, me in
        ICEAgent.keepSourcePolled()
        guard let bytes, length > 0 else { return }
        bytes.withMemoryRebound(to: UInt8.self, capacity: Int(length)) { bytes in
          ICEAgent.deliver(ICEAgent.from(me), UnsafeMutableBufferPointer(start: bytes, count: Int(length)))
        }
      }, me)
  }

  /// Spares the loop four system calls a packet: GLib takes a source's descriptor out of those it waits for while the source
  /// runs, and wakes itself up both times, unless the source may run within itself. This never does: nobody runs the loop
  /// from inside a callback.
  private static func keepSourcePolled() {
    guard let source = g_main_current_source(), g_source_get_can_recurse(source) == 0 else { return }
    g_source_set_can_recurse(source, 1)
  }

  private static let deliver = ActorEntry<ICEAgent, UnsafeMutableBufferPointer<UInt8>, Void> { agent, datagram in
    agent.delegate?.received(datagram)
  }

  /// The agent is alive while its signals are connected: `close` disconnects them, and comes before the last release.
  private static func from(_ pointer: UnsafeMutableRawPointer?) -> ICEAgent {
    Unmanaged<ICEAgent>.fromOpaque(pointer!).takeUnretainedValue()
  }

  private func gathered(_ candidate: UnsafeMutablePointer<NiceCandidate>) {
    guard let text = nice_agent_generate_local_candidate_sdp(agent, candidate) else { return }
    defer { g_free(text) }
    let line = String(cString: text + 2)  // without "a="
    if let described = ICECandidate(sdp: line), !localCandidates.contains(described) {
      localCandidates.append(described)
    }
    report(.localCandidate(configuration.relayOnly ? Self.withoutRelatedAddress(line) : line))
  }

  /// A relayed candidate tells the address behind it, which relay-only is to hide (RFC 8839 §5.1 allows this form).
  static func withoutRelatedAddress(_ line: String) -> String {
    var fields = line.split(separator: " ")
    if let name = fields.firstIndex(of: "raddr"), name + 1 < fields.count {
      fields[name + 1] = fields[name + 1].contains(":") ? "::" : "0.0.0.0"
    }
    if let name = fields.firstIndex(of: "rport"), name + 1 < fields.count { fields[name + 1] = "9" }
    return fields.joined(separator: " ")
  }

  private func gatheringEnded() {
    hasGathered = true
    sayGatheringDone()
  }

  private func sayGatheringDone() {
    guard hasGathered, areServersKnown, !hasSaidGatheringDone else { return }
    hasSaidGatheringDone = true
    report(.gatheringDone)
    // Without a socket of ours no candidate of the peer's can help.
    if phase == .searching, localCandidates.isEmpty { fail(.noCandidates) }
  }

  private func selected(_ local: UnsafeMutablePointer<NiceCandidate>, _ remote: UnsafeMutablePointer<NiceCandidate>) {
    guard phase == .searching || phase == .connected else { return }
    let pair = ICESelectedPair(
      local: ICECandidate(local.pointee), remote: ICECandidate(remote.pointee), relayProtocol: relayProtocolInUse())
    guard phase == .searching || pair != selectedPair else { return }
    phase = .connected
    selectedPair = pair
    deadlineTimer?.cancel()
    report(.selected(pair))
  }

  /// Only the loss of a path that was in use counts: while we search, more candidates may come, and time decides.
  private func componentFailed() {
    if phase == .connected { fail(.consentLost) }
  }

  /// The signal brings copies, which do not know their TURN server any more (and libnice would follow a null pointer);
  /// the agent's own candidate does.
  private func relayProtocolInUse() -> String? {
    var local: UnsafeMutablePointer<NiceCandidate>?
    var remote: UnsafeMutablePointer<NiceCandidate>?
    guard nice_agent_get_selected_pair(agent, stream, Self.component, &local, &remote) != 0, let local,
      local.pointee.type == NICE_CANDIDATE_TYPE_RELAYED
    else { return nil }
    var server = NiceAddress()
    nice_address_init(&server)
    nice_candidate_relay_address(local, &server)
    let (address, port) = server.parts
    let protocols = relayProtocols["\(address) \(port)"] ?? []
    return protocols.count == 1 ? protocols.first : nil
  }

  // MARK: Time and events

  private func startDeadline() {
    guard phase == .searching, !isDeadlineSet else { return }
    isDeadlineSet = true
    deadlineTimer?.schedule(at: .now + configuration.patience)
  }

  private func giveUp() {
    if phase == .searching { fail(.noPath(after: configuration.patience)) }
  }

  private func fail(_ reason: ICEFailure.Reason) {
    phase = .failed
    deadlineTimer?.cancel()
    var problems = serverProblems
    for tunnel in tunnels {
      // The tunnels live on the same loop.
      if let problem = tunnel.assumeIsolated({ $0.problem }) { problems.append(problem) }
    }
    if configuration.relayOnly, relayProtocols.isEmpty, problems.isEmpty {
      problems.append("Only relayed candidates are wanted, and the server names no TURN server.")
    }
    if !relayProtocols.isEmpty, !localCandidates.contains(where: { $0.kind == .relay }) {
      problems.append("No TURN server gave a relayed address.")
    }
    report(
      .failed(
        ICEFailure(
          reason: reason, localCandidates: localCandidates, remoteCandidates: remoteCandidates,
          serverProblems: problems)))
  }

  /// libnice reports from inside our calls to it, which may come from inside the delegate's: events wait for the loop.
  private func report(_ event: ICEEvent) {
    guard phase != .closed else { return }
    pendingEvents.append(event)
    eventTimer?.wake()
  }

  private func deliverEvents() {
    let events = pendingEvents
    pendingEvents = []
    for event in events { delegate?.handle(event) }
  }
}

private final class ClosingCall: Sendable {
  let end: AsyncStream<Void>.Continuation
  init(_ end: AsyncStream<Void>.Continuation) { self.end = end }
}
