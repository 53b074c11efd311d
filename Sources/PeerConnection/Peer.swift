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
  /// Events that wait for a reader; beyond, further ones are dropped, so that no peer fills our memory with messages.
  private static let mostWaitingEvents = 1024
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

  private var negotiation: Negotiation

  private var selectedPair: ICESelectedPair?
  /// When media or a report came last that proved to be the other side's; nil before the first.
  public private(set) var lastArrival: ContinuousClock.Instant?
  private var handshakeDeadline: ContinuousClock.Instant?
  private var earlyDatagrams: [[UInt8]] = []
  private var dtls: DTLSEndpoint?
  private var media: MediaSession?
  private var discardedBeforeMedia = PeerStatistics.Discarded()
  private var channels: PeerChannels

  private var timer: LoopTimer?
  private var reports: RTCPScheduler?
  private var randomness = SystemRandomNumberGenerator()
  private var nextSequenceNumber: UInt16
  private var nextTimestamp: UInt32
  private let scratch = PacketBuffer(capacity: AudioSendQueue.slotSize)

  /// - Throws: `PeerError.localAddress` when the ICE configuration names an address that is none.
  public init(_ configuration: PeerConfiguration) throws(PeerError) {
    do { ice = try ICEAgent(configuration.ice, on: .network) } catch { throw .localAddress(error) }
    self.configuration = configuration
    negotiation = Negotiation(configuration, credentials: ice.localCredentials)
    channels = PeerChannels(ownLabel: configuration.dataChannelLabel)
    (events, eventContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.mostWaitingEvents))
    // Random starts (RFC 3550 §5.1).
    nextSequenceNumber = .random(in: 0..<0x8000)
    nextTimestamp = .random(in: 0...(.max))
  }

  deinit { eventContinuation.finish() }

  // MARK: Descriptions

  /// An offer of what the configuration says we send. A later call offers the same again on the same transport.
  public func offer() throws(PeerError) -> String {
    try checkUsable()
    let offer = try negotiation.offer()
    begin(.controlling)
    return offer
  }

  /// Takes the other side's answer to `offer`.
  public func accept(answer: String) throws(PeerError) {
    try checkUsable()
    let isFirst = negotiation.session == nil
    try apply(negotiation.accept(answer: answer), isFirst: isFirst)
  }

  /// Takes an offer of the other side and returns our answer, which receives its audio. A later offer on the same
  /// transport is answered anew.
  public func answer(to offer: String) throws(PeerError) -> String {
    try checkUsable()
    let isFirst = negotiation.session == nil
    let (answer, session) = try negotiation.answer(to: offer)
    begin(session.remoteIsICELite ? .controlling : .controlled)
    try apply(session, isFirst: isFirst)
    return answer
  }

  /// Takes a `candidate:` line of the other side, early ones too. All media shares one transport, so the media line it
  /// belongs to does not matter.
  public func addRemoteCandidate(_ line: String, mid: String? = nil, index: Int? = nil) {
    ice.assumeIsolated { $0.addRemoteCandidate(line) }
  }

  private func checkUsable() throws(PeerError) {
    guard phase != .ended, !isClosing else { throw .outOfOrder("the peer has ended") }
  }

  private func begin(_ role: ICERole) {
    guard phase == .new else { return }
    phase = .connecting
    // A path and its encryption are found by asking and answering some five times.
    GLibExecutor.network.answerAtOnce(for: .seconds(2))
    timer = LoopTimer(on: .network, in: self) { $0.timePassed() }
    sendQueue.wakes(LoopTimer(on: .network, in: self) { $0.sendQueuedAudio() })
    ice.assumeIsolated { $0.start(role: role, delegate: self) }
  }

  /// Does what the descriptions say: all of it the first time, later what may change on the way.
  private func apply(_ session: NegotiatedSession, isFirst: Bool) throws(PeerError) {
    if isFirst {
      try makeDTLS(session)
      let credentials = ICE.ICECredentials(
        usernameFragment: session.remoteCredentials.usernameFragment, password: session.remoteCredentials.password)
      ice.assumeIsolated { $0.setRemoteCredentials(credentials) }
    } else if let audio = session.audio {
      media?.update(audio)
    }
    for candidate in session.remoteCandidates { addRemoteCandidate(candidate) }
    ice.assumeIsolated { $0.exchangeCompleted() }
    if phase == .connected { startMedia() }
  }

  // MARK: The encrypted connection

  private func makeDTLS(_ session: NegotiatedSession) throws(PeerError) {
    do {
      dtls = try DTLSEndpoint(
        role: session.dtlsRole == .client ? .client : .server, identity: configuration.identity)
    } catch { throw .notSecured(error.description) }
    let digest = "\(session.remoteFingerprint)".split(separator: " ").last ?? ""
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
    while let message = dtls?.nextMessage() { channels.receive(message.span) }
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

  private func transmit(_ datagram: UnsafeBufferPointer<UInt8>) -> Bool { ice.send(datagram) }

  private func connected(at now: ContinuousClock.Instant) {
    guard let selectedPair else { return }
    phase = .connected
    handshakeDeadline = nil
    startMedia()
    emit(.connected(selectedPair))
  }

  /// Makes what the session has asked for and is not there yet.
  private func startMedia() {
    if media == nil, let audio = negotiation.session?.audio {
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
    if !channels.isThere, let remote = negotiation.session?.dataChannel {
      do throws(DataChannelError) {
        try channels.start(
          isDTLSClient: dtls?.role == .client, remoteMaximumMessageLength: remote.maximumMessageSize
        ) { [weak self] in
          self?.assumeIsolated { $0.advance(at: .now) }
        }
      } catch { emit(.dataChannelsEnded(error.description)) }
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
    let bytes = scratch.bytes
    var buffer = bytes.mutableSpan
    while let (entry, skipped) = sendQueue.take(into: &buffer) {
      nextTimestamp &+= skipped
      if entry.size > 0 {
        let payload = UnsafeBufferPointer(rebasing: bytes[..<entry.size]).span
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
    payload.withUnsafeBufferPointer { payload in
      Self.forward(
        self,
        Forwarded(
          payload: payload, sequenceNumber: sequenceNumber, timestamp: timestamp, marker: marker, level: level))
    }
  }

  private struct Forwarded {
    let payload: UnsafeBufferPointer<UInt8>
    let sequenceNumber: UInt16
    let timestamp: UInt32
    let marker: Bool
    let level: AudioLevel?
  }

  private static let forward = ActorEntry<Peer, Forwarded, Bool> { peer, packet in
    peer.send(
      packet.payload.span, sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp, marker: packet.marker,
      level: packet.level, at: .now)
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
    try channels.send(text, on: channel)
    advance(at: .now)
  }

  /// Opens a further channel as soon as the other side is connected; `dataChannelOpened` tells its number.
  public func openDataChannel(label: String) throws(PeerError) {
    do { try channels.open(label) } catch { throw .dataChannel(error.description) }
    advance(at: .now)
  }

  private func advanceChannels() {
    channels.advance({ emit($0) }, send: { try? dtls?.send($0) })
  }

  // MARK: End

  /// Says good-bye to the other side and gives everything back. A second call returns at once.
  public func close() async {
    guard !isClosing else { return }
    isClosing = true
    if phase == .connected {
      sendReport(at: .now, goodbye: true)
      channels.close()
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
    Self.receive(self, datagram)
  }

  private static let receive = ActorEntry<Peer, UnsafeMutableBufferPointer<UInt8>, Void> { $0.receive($1) }

  package nonisolated func handle(_ event: ICEEvent) { assumeIsolated { $0.handlePath(event) } }

  private func handlePath(_ event: ICEEvent) {
    guard phase != .ended else { return }
    switch event {
    case .localCandidate(let line):
      // In our offers the first line, named 0, carries the transport.
      let session = negotiation.session
      emit(
        .localCandidate(
          TrickledCandidate(line: line, mid: session?.transportMid ?? "0", index: session?.transportIndex ?? 0)))
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
