internal import DTLSSRTP
internal import DataChannel
internal import GLibLoop
internal import Glibc
package import ICE
public import RTP
internal import SDP

/// One WebRTC peer: a path (ICE), its encryption (DTLS, SRTP), one audio stream in each direction, data channels.
///
/// It knows nothing of who is at the other end and why. It lives on the network loop; media passes through it there
/// without suspension. Make it, call `offer` or `answer(to:)`, carry descriptions and candidates, follow `events`, and
/// always `close` it.
public actor Peer {
  public nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  /// How long the handshake may take once a path is there.
  static let handshakePatience = Duration.seconds(8)
  /// Handshake datagrams that are kept while the description that says what to do with them is still on its way.
  private static let mostEarlyDatagrams = 16
  private static let reportInterval = Duration.seconds(1)

  private enum Phase: Equatable {
    /// Nothing was offered or answered.
    case new
    case connecting
    case connected
    /// `failed` or `closed` was reported.
    case ended
  }

  /// What happens to this peer. For one reader; it ends after `failed` or `closed`.
  public nonisolated let events: AsyncStream<PeerEvent>
  private let eventContinuation: AsyncStream<PeerEvent>.Continuation

  private let configuration: PeerConfiguration
  private let ice: ICEAgent
  private let sendQueue = AudioSendQueue()
  private var phase = Phase.new
  private var isClosing = false

  private var sessionVersion: UInt64 = 0
  private var localOffer: SessionDescription?
  private var session: NegotiatedSession?
  private var transport = (mid: "0", index: 0)

  private var selectedPair: ICESelectedPair?
  /// When media or a report came last that proved to be the other side's; nil before the first.
  public private(set) var lastArrival: ContinuousClock.Instant?
  private var handshakeDeadline: ContinuousClock.Instant?
  private var earlyDatagrams: [[UInt8]] = []
  private var dtls: DTLSEndpoint?
  private var media: MediaSession?
  private var discardedBeforeMedia = PeerStatistics.Discarded()
  private var channels: SCTPAssociation?
  private var ownChannel: UInt16?
  private var channelsToOpen: [String] = []

  private var timer: LoopTimer?
  private var reports: RTCPScheduler?
  private var randomness = SystemRandomNumberGenerator()
  private var nextSequenceNumber: UInt16
  private var nextTimestamp: UInt32
  private let scratch: UnsafeMutableBufferPointer<UInt8>

  /// - Throws: `PeerError.localAddress` when the ICE configuration names an address that is none.
  public init(_ configuration: PeerConfiguration) throws(PeerError) {
    do { ice = try ICEAgent(configuration.ice, on: .network) } catch { throw .localAddress(error) }
    self.configuration = configuration
    // Bounded for the case that nobody reads; 4096 events are a chatty hour.
    (events, eventContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(4096))
    // Random starts (RFC 3550 §5.1).
    nextSequenceNumber = .random(in: 0..<0x8000)
    nextTimestamp = .random(in: 0...(.max))
    scratch = .allocate(capacity: AudioSendQueue.slotSize)
    scratch.initialize(repeating: 0)
  }

  isolated deinit {
    scratch.deallocate()
    eventContinuation.finish()
  }

  // MARK: Descriptions

  /// An offer of what the configuration says we send. A later call offers the same again on the same transport.
  public func offer() throws(PeerError) -> String {
    guard phase != .ended, !isClosing else { throw .outOfOrder("the peer has ended") }
    guard configuration.audioSource != nil || configuration.offersDataChannel else {
      throw .outOfOrder("there is nothing to offer")
    }
    let description = SessionDescription.makeOffer(
      audio: configuration.audioSource, dataChannel: configuration.offersDataChannel, local: nextLocalEndpoint())
    localOffer = description
    begin(.controlling)
    return description.text
  }

  /// Takes the other side's answer to `offer`.
  public func accept(answer text: String) throws(PeerError) {
    guard let localOffer, phase != .ended, !isClosing else { throw .outOfOrder("an answer without an offer of ours") }
    let answer = try Self.parse(text)
    do { try take(NegotiatedSession(answer: answer, to: localOffer)) } catch let error as NegotiationError {
      throw .unusableDescription(error)
    } catch { throw error as? PeerError ?? .outOfOrder("\(error)") }
    self.localOffer = nil
  }

  /// Takes an offer of the other side and returns our answer, which receives its audio. A later offer on the same
  /// transport is answered anew.
  public func answer(to text: String) throws(PeerError) -> String {
    guard phase != .ended, !isClosing else { throw .outOfOrder("the peer has ended") }
    guard localOffer == nil else { throw .outOfOrder("an offer crossed ours") }
    let offer = try Self.parse(text)
    let negotiated: NegotiatedSession
    let answer: SessionDescription
    do {
      negotiated = try NegotiatedSession(offer: offer)
      answer = try SessionDescription.makeAnswer(to: offer, local: nextLocalEndpoint())
    } catch { throw .unusableDescription(error) }
    begin(negotiated.remoteIsICELite ? .controlling : .controlled)
    try take(negotiated)
    ice.assumeIsolated { $0.answerSent() }
    return answer.text
  }

  /// Takes a `candidate:` line of the other side, early ones too. All media shares one transport, so the media line it
  /// belongs to does not matter.
  public func addRemoteCandidate(_ line: String, mid: String? = nil, index: Int? = nil) {
    ice.assumeIsolated { $0.addRemoteCandidate(line) }
  }

  private static func parse(_ text: String) throws(PeerError) -> SessionDescription {
    do { return try SessionDescription(parsing: text) } catch { throw .unreadableDescription(error) }
  }

  private func nextLocalEndpoint() -> LocalEndpoint {
    sessionVersion += 1
    let credentials = ice.localCredentials
    let fingerprint = Fingerprint("sha-256 \(configuration.identity.fingerprint)")
    return LocalEndpoint(
      sessionID: configuration.sessionID, sessionVersion: sessionVersion,
      credentials: SDP.ICECredentials(
        usernameFragment: credentials.usernameFragment, password: credentials.password),
      fingerprint: fingerprint!)  // our own text, always well-formed
  }

  private func begin(_ role: ICERole) {
    guard phase == .new else { return }
    phase = .connecting
    timer = LoopTimer(on: .network) { [weak self] in self?.assumeIsolated { $0.timePassed() } }
    sendQueue.wakes(LoopTimer(on: .network) { [weak self] in self?.assumeIsolated { $0.sendQueuedAudio() } })
    channelsToOpen += [configuration.dataChannelLabel].compactMap { $0 }
    ice.assumeIsolated { $0.start(role: role, delegate: self) }
  }

  /// Applies what the other side's description says: all of it the first time, later what may change on the way.
  private func take(_ negotiated: NegotiatedSession) throws(PeerError) {
    let previous = session
    if let previous {
      guard previous.remoteCredentials == negotiated.remoteCredentials,
        previous.remoteFingerprint == negotiated.remoteFingerprint
      else { throw .transportChanged }
    }
    session = negotiated
    if previous == nil {
      transport = (negotiated.transportMid, negotiated.transportIndex)
      try makeDTLS(negotiated)
      let credentials = ICE.ICECredentials(
        usernameFragment: negotiated.remoteCredentials.usernameFragment,
        password: negotiated.remoteCredentials.password)
      ice.assumeIsolated { $0.setRemoteCredentials(credentials) }
    } else if let audio = negotiated.audio {
      media?.update(audio)
    }
    for candidate in negotiated.remoteCandidates { addRemoteCandidate(candidate) }
    if phase == .connected { startMedia() }
  }

  // MARK: The encrypted connection

  private func makeDTLS(_ negotiated: NegotiatedSession) throws(PeerError) {
    do {
      dtls = try DTLSEndpoint(
        role: negotiated.dtlsRole == .client ? .client : .server, identity: configuration.identity)
    } catch { throw .notSecured(error.description) }
    let digest = "\(negotiated.remoteFingerprint)".split(separator: " ").last ?? ""
    guard let expected = CertificateFingerprint(sha256: digest) else {
      throw .unusableDescription(.noFingerprint(offered: []))
    }
    dtls?.expect([expected])
    let now = ContinuousClock.now
    if selectedPair != nil { startHandshake(at: now) }
    let early = earlyDatagrams
    earlyDatagrams = []
    for datagram in early { dtls?.receive(datagram.span, at: now) }
    advance(at: now)
  }

  private func startHandshake(at now: ContinuousClock.Instant) {
    guard dtls != nil, handshakeDeadline == nil else { return }
    handshakeDeadline = now + Self.handshakePatience
    dtls?.start(at: now)
  }

  /// To be called after whatever may have moved DTLS or SCTP on: takes what came, sends what is to be sent.
  private func advance(at now: ContinuousClock.Instant) {
    guard dtls != nil else { return }
    if phase == .connecting, dtls?.state == .connected { connected(at: now) }
    while let message = dtls?.nextMessage() { channels?.receive(message.span) }
    advanceChannels()
    flush()
    switch dtls?.state {
    case .failed(let error): end(.failed(.notSecured(error.description)))
    case .closed: end(.closed)
    case .handshaking, .connected, nil: scheduleTimer()
    }
  }

  /// Sends what DTLS has ready; before there is a path it keeps it.
  private func flush() {
    guard selectedPair != nil else { return }
    dtls?.drain { datagram in datagram.withUnsafeBufferPointer { _ = transmit($0) } }
  }

  private func transmit(_ datagram: UnsafeBufferPointer<UInt8>) -> Bool {
    nonisolated(unsafe) let datagram = datagram  // used before the call returns, on this very thread
    return ice.assumeIsolated { $0.send(datagram) }
  }

  private func connected(at now: ContinuousClock.Instant) {
    guard let selectedPair else { return }
    phase = .connected
    handshakeDeadline = nil
    startMedia()
    emit(.connected(selectedPair))
  }

  /// Makes what the session has asked for and is not there yet.
  private func startMedia() {
    if media == nil, let audio = session?.audio {
      do throws(DTLSError) {
        guard let srtp = try dtls?.makeSRTPSession() else { return }
        let source = configuration.audioSource
        media = MediaSession(
          srtp, audio: audio, ssrc: source?.ssrc ?? configuration.reporterSSRC,
          canonicalName: source?.canonicalName ?? configuration.canonicalName)
        reports = RTCPScheduler(
          interval: Self.reportInterval, at: .now, random: .random(in: 0..<1, using: &randomness))
      } catch {
        return end(.failed(.notSecured(error.description)))
      }
    }
    if channels == nil, let remote = session?.dataChannel {
      do throws(DataChannelError) {
        let association = try SCTPAssociation(isDTLSClient: dtls?.role == .client) { [weak self] in
          self?.assumeIsolated { $0.advance(at: .now) }
        }
        if let size = remote.maximumMessageSize { association.remoteMaximumMessageLength = size }
        channels = association
        let labels = channelsToOpen
        channelsToOpen = []
        for label in labels { try openChannel(label) }
      } catch {
        // Without its data channel a call still carries sound.
        channels = nil
      }
    }
    scheduleTimer()
  }

  private func timePassed() {
    let now = ContinuousClock.now
    if let handshakeDeadline, phase == .connecting, now >= handshakeDeadline {
      return end(.failed(.handshakeTimedOut(after: Self.handshakePatience)))
    }
    dtls?.handleTimeout(at: now)
    if reports?.takeDue(at: now, random: .random(in: 0..<1, using: &randomness)) == true {
      sendReport(at: now, goodbye: false)
    }
    advance(at: now)
  }

  private func scheduleTimer() {
    guard phase != .ended else { return }
    let deadlines = (dtls?.deadline, handshakeDeadline, reports?.deadline)
    var next = deadlines.0
    if let other = deadlines.1 { next = min(next ?? other, other) }
    if let other = deadlines.2 { next = min(next ?? other, other) }
    if let next { timer?.schedule(at: next) }
  }

  // MARK: Media

  /// Sends a packet of audio. From any thread; it neither waits nor allocates. Packets that come before the connection,
  /// or while the other side does not want to hear us, are dropped, but their time passes.
  /// - Parameters:
  ///   - payload: One Opus packet of at most 1275 bytes; empty for a pause, in which only time passes.
  ///   - samples: What it holds, at 48 kHz.
  ///   - level: Its loudness, for those who show who speaks.
  ///   - marker: Whether it begins a talkspurt after a pause (RFC 7587 §4.1).
  /// - Returns: False when the payload is too long.
  @discardableResult
  public nonisolated func sendAudio(
    _ payload: Span<UInt8>, samples: Int, level: AudioLevel?, marker: Bool = false
  ) -> Bool {
    sendQueue.append(payload, samples: UInt32(truncatingIfNeeded: samples), level: level, marker: marker)
  }

  private func sendQueuedAudio() {
    let now = ContinuousClock.now
    var buffer = scratch.mutableSpan
    while let (entry, skipped) = sendQueue.take(into: &buffer) {
      nextTimestamp &+= skipped
      if entry.size > 0 {
        let payload = UnsafeBufferPointer(rebasing: scratch[..<entry.size]).span
        let isSent = send(
          payload, sequenceNumber: nextSequenceNumber, timestamp: nextTimestamp, marker: entry.marker,
          level: entry.level, at: now)
        if isSent { nextSequenceNumber &+= 1 } else { discardedBeforeMedia.unsent += 1 }
      }
      nextTimestamp &+= entry.samples
    }
  }

  /// Sends a packet under the numbers given, for a forwarder that keeps its own. Call it on the network loop, as from an
  /// `RTPReceiver` of another peer. It neither waits nor allocates.
  /// - Returns: False when it could not be sent.
  @discardableResult
  public nonisolated func forward(
    _ payload: Span<UInt8>, sequenceNumber: UInt16, timestamp: UInt32, marker: Bool, level: AudioLevel?
  ) -> Bool {
    assumeIsolated { peer in
      peer.send(
        payload, sequenceNumber: sequenceNumber, timestamp: timestamp, marker: marker, level: level, at: .now)
    }
  }

  private func send(
    _ payload: Span<UInt8>, sequenceNumber: UInt16, timestamp: UInt32, marker: Bool, level: AudioLevel?,
    at now: ContinuousClock.Instant
  ) -> Bool {
    guard phase == .connected, media?.sends == true else { return false }
    return media?.send(
      payload, sequenceNumber: sequenceNumber, timestamp: timestamp, marker: marker, level: level, at: now,
      { transmit($0) }) ?? false
  }

  private func sendReport(at now: ContinuousClock.Instant, goodbye: Bool) {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let wallClock = NTPTimestamp(sinceUnixEpoch: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
    media?.report(at: now, wallClock: wallClock, goodbye: goodbye) { transmit($0) }
  }

  private func receive(_ datagram: UnsafeMutableBufferPointer<UInt8>) {
    guard phase != .ended else { return }
    let now = ContinuousClock.now
    switch DatagramKind(of: datagram.span) {
    case .dtls:
      guard dtls != nil else {
        if earlyDatagrams.count < Self.mostEarlyDatagrams { earlyDatagrams.append(Array(datagram)) }
        return
      }
      dtls?.receive(datagram.span, at: now)
      advance(at: now)
    case .rtp: receiveRTP(datagram, at: now)
    case .rtcp: receiveRTCP(datagram, at: now)
    case .stun, .unknown: discardedBeforeMedia.malformed += 1
    }
  }

  private func receiveRTP(_ datagram: UnsafeMutableBufferPointer<UInt8>, at now: ContinuousClock.Instant) {
    guard media != nil else {
      discardedBeforeMedia.early += 1
      return
    }
    var bytes = datagram.mutableSpan
    guard let packet = media?.receiveRTP(&bytes, arrival: now) else { return }
    lastArrival = now
    configuration.receiver?.received(
      packet.header, payload: datagram.span.extracting(packet.header.payloadRange), audioLevel: packet.audioLevel,
      arrival: now)
  }

  private func receiveRTCP(_ datagram: UnsafeMutableBufferPointer<UInt8>, at now: ContinuousClock.Instant) {
    guard media != nil else {
      discardedBeforeMedia.early += 1
      return
    }
    let receiver = configuration.receiver
    var bytes = datagram.mutableSpan
    media?.receiveRTCP(&bytes, arrival: now) { statement in
      lastArrival = now
      switch statement {
      case .senderInfo(let source, let info): receiver?.receivedSenderReport(info, source: source, arrival: now)
      case .goodbye(let source): emit(.goodbye(source: source))
      case .report, .canonicalName, .skipped: break
      }
    }
  }

  // MARK: Data channels

  /// Sends text to the other side.
  /// - Parameter channel: From `dataChannelOpened`; the configuration's own channel unless given.
  public func send(_ text: String, on channel: UInt16? = nil) throws(PeerError) {
    guard let channels, let id = channel ?? ownChannel else { throw .dataChannel("There is no data channel yet.") }
    do { try channels.send(text: text, on: id) } catch { throw .dataChannel(error.description) }
    advance(at: .now)
  }

  /// Opens a further channel as soon as the other side is connected; `dataChannelOpened` tells its number.
  public func openDataChannel(label: String) throws(PeerError) {
    guard channels != nil else {
      channelsToOpen.append(label)
      return
    }
    do { try openChannel(label) } catch { throw .dataChannel(error.description) }
    advance(at: .now)
  }

  private func openChannel(_ label: String) throws(DataChannelError) {
    let id = try channels?.openChannel(label: label)
    if label == configuration.dataChannelLabel, ownChannel == nil { ownChannel = id }
  }

  private func advanceChannels() {
    guard let channels else { return }
    while let event = channels.nextEvent() {
      switch event {
      case .channelOpened(let id, let label, _): emit(.dataChannelOpened(id: id, label: label))
      case .text(let text, let channel): emit(.message(text, channel: channel))
      case .connected, .binary, .channelClosed: break
      case .closed: self.channels = nil
      }
    }
    channels.drain { packet in try? dtls?.send(packet) }
  }

  // MARK: End

  /// Says good-bye to the other side and gives everything back. A second call returns at once.
  public func close() async {
    guard !isClosing else { return }
    isClosing = true
    if phase == .connected {
      sendReport(at: .now, goodbye: true)
      channels?.close()
      advanceChannels()
    }
    dtls?.close()
    flush()
    end(.closed)
    await ice.close()
  }

  /// Reports the last event and stops all that runs by itself.
  private func end(_ event: PeerEvent) {
    guard phase != .ended else { return }
    phase = .ended
    timer?.invalidate()
    emit(event)
    eventContinuation.finish()
  }

  private func emit(_ event: PeerEvent) { eventContinuation.yield(event) }

  // MARK: Statistics

  /// What was counted until now.
  public func statistics() -> PeerStatistics {
    var discarded = media?.discarded ?? PeerStatistics.Discarded()
    discarded.malformed += discardedBeforeMedia.malformed
    discarded.early += discardedBeforeMedia.early
    discarded.unsent += discardedBeforeMedia.unsent + sendQueue.dropped
    return PeerStatistics(
      inbound: media?.inboundStatistics() ?? [], outbound: media?.outboundStatistics(), discarded: discarded,
      selectedCandidatePair: selectedPair, dtlsCipher: dtls?.cipher, srtpCipher: media?.srtpCipher)
  }
}

extension Peer: ICEAgentDelegate {
  package nonisolated func received(_ datagram: UnsafeMutableBufferPointer<UInt8>) {
    nonisolated(unsafe) let datagram = datagram  // used before the call returns, on this very thread
    assumeIsolated { $0.receive(datagram) }
  }

  package nonisolated func handle(_ event: ICEEvent) { assumeIsolated { $0.handlePath(event) } }

  private func handlePath(_ event: ICEEvent) {
    guard phase != .ended else { return }
    switch event {
    case .localCandidate(let line):
      emit(.localCandidate(TrickledCandidate(line: line, mid: transport.mid, index: transport.index)))
    case .gatheringDone: emit(.gatheringDone)
    case .selected(let pair):
      let isFirst = selectedPair == nil
      selectedPair = pair
      guard isFirst else { return emit(.pathChanged(pair)) }
      let now = ContinuousClock.now
      startHandshake(at: now)
      advance(at: now)
    case .failed(let failure): end(.failed(.noPath(failure)))
    }
  }
}
