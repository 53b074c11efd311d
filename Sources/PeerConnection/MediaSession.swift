internal import DTLSSRTP
internal import RTP
internal import SDP

/// The media of one connected peer: SRTP, RTP and RTCP in both directions, without I/O and clock.
///
/// Everything but the first packet of a source and the reports is done without allocation.
struct MediaSession: ~Copyable {
  /// Sources of the peer that are told apart; beyond, the one that was silent longest is forgotten.
  private static let mostSources = 32
  /// Room for the longest RTP packet of ours and SRTP's trailer.
  private static let bufferSize = 2048
  /// How long after the last packet our reports are still those of a sender (RFC 3550 §6.4: two intervals).
  private static let senderHold = Duration.seconds(2)

  struct ReceivedPacket {
    let header: RTPHeader
    let audioLevel: AudioLevel?
  }

  private(set) var discarded = PeerStatistics.Discarded()
  private(set) var sender: SenderStatistics
  /// One for each source; few, so an array: a dictionary's entry cannot be changed without allocation.
  private(set) var receptions: [ReceptionStatistics] = []
  private var audio: AudioSession
  private let canonicalName: String
  private var srtp: SRTPSession
  private let buffer = PacketBuffer(capacity: bufferSize)
  private var reportBlocks: [ReportBlock] = []
  private var lastSending: ContinuousClock.Instant?

  init(_ srtp: consuming SRTPSession, audio: AudioSession, ssrc: UInt32, canonicalName: String) {
    self.srtp = srtp
    self.audio = audio
    self.canonicalName = canonicalName
    sender = SenderStatistics(source: ssrc)
  }

  /// The peer's description was renewed on the same transport.
  mutating func update(_ audio: AudioSession) { self.audio = audio }

  var srtpCipher: String { srtp.profile.description }

  private var extensionIDs: HeaderExtensionIDs {
    HeaderExtensionIDs(audioLevel: audio.audioLevelExtensionID, mid: audio.midExtensionID)
  }

  /// Whether the peer wants to hear us.
  var sends: Bool { audio.remoteDirection == .recvonly || audio.remoteDirection == .sendrecv }

  // MARK: Receiving

  /// Decrypts an RTP packet in place and counts it; nil when it is not to be used.
  mutating func receiveRTP(_ datagram: inout MutableSpan<UInt8>, arrival: ContinuousClock.Instant) -> ReceivedPacket? {
    do {
      let size = try srtp.unprotectRTP(&datagram, count: datagram.count)
      let packet = datagram.span.extracting(first: size)
      let header = try RTPHeader(parsing: packet)
      guard header.payloadType == audio.payloadType else {
        discarded.malformed += 1
        return nil
      }
      count(header, arrival: arrival)
      return ReceivedPacket(header: header, audioLevel: header.audioLevel(extensionIDs, in: packet))
    } catch {
      discard(error)
      return nil
    }
  }

  /// Decrypts RTCP in place, counts it, and gives its statements to `body`.
  mutating func receiveRTCP(
    _ datagram: inout MutableSpan<UInt8>, arrival: ContinuousClock.Instant, _ body: (RTCPStatement) -> Void
  ) {
    do {
      let size = try srtp.unprotectRTCP(&datagram, count: datagram.count)
      try RTCP.read(datagram.span.extracting(first: size)) { statement in
        switch statement {
        case .senderInfo(let source, let info):
          if let index = receptions.firstIndex(where: { $0.source == source }) {
            receptions[index].receive(info, arrival: arrival)
          }
        case .report(_, let block): sender.receive(block, arrival: arrival)
        case .canonicalName, .goodbye, .skipped: break
        }
        body(statement)
      }
    } catch {
      discard(error)
    }
  }

  private mutating func count(_ header: RTPHeader, arrival: ContinuousClock.Instant) {
    let index = receptions.firstIndex { $0.source == header.ssrc } ?? admit(header.ssrc)
    receptions[index].receive(
      sequenceNumber: header.sequenceNumber, timestamp: header.timestamp, payloadSize: header.payloadRange.count,
      arrival: arrival)
  }

  /// Begins to count a new source, in the place of the one that was silent longest when there are too many.
  private mutating func admit(_ source: UInt32) -> Int {
    let statistics = ReceptionStatistics(source: source)
    guard receptions.count >= Self.mostSources,
      let oldest = receptions.indices.min(by: { receptions[$0].isOlder(than: receptions[$1]) })
    else {
      receptions.append(statistics)
      return receptions.count - 1
    }
    receptions[oldest] = statistics
    return oldest
  }

  private mutating func discard(_ error: any Error) {
    switch error as? SRTPError {
    case .replayed: discarded.replayed += 1
    case .notAuthentic: discarded.notAuthentic += 1
    default: discarded.malformed += 1
    }
  }

  // MARK: Sending

  /// Writes and encrypts an RTP packet and hands it to `transmit`, which says whether the network took it.
  mutating func send(
    _ payload: Span<UInt8>, sequenceNumber: UInt16, timestamp: UInt32, marker: Bool, level: AudioLevel?,
    at now: ContinuousClock.Instant, _ transmit: (UnsafeBufferPointer<UInt8>) -> Bool
  ) -> Bool {
    let packet = OutgoingRTPPacket(
      marker: marker, payloadType: audio.payloadType, sequenceNumber: sequenceNumber, timestamp: timestamp,
      ssrc: sender.source, extensionIDs: extensionIDs, audioLevel: level, mid: audio.mid)
    let bytes = buffer.bytes
    var span = bytes.mutableSpan
    guard payload.count + SRTPSession.trailerRoom < Self.bufferSize,
      let written = try? packet.write(payload: payload, into: &span),
      let size = try? srtp.protectRTP(&span, count: written)
    else { return false }
    guard transmit(UnsafeBufferPointer(rebasing: bytes[..<size])) else { return false }
    sender.packetSent(timestamp: timestamp, payloadSize: payload.count, at: now)
    lastSending = now
    return true
  }

  /// Writes, encrypts and hands out our report on everything that was received and sent.
  mutating func report(
    at now: ContinuousClock.Instant, wallClock: NTPTimestamp, goodbye: Bool,
    _ transmit: (UnsafeBufferPointer<UInt8>) -> Bool
  ) {
    reportBlocks.removeAll(keepingCapacity: true)
    for index in receptions.indices {
      if let block = receptions[index].takeReportBlock(at: now) { reportBlocks.append(block) }
    }
    let isSending = lastSending.map { now - $0 < Self.senderHold } ?? false
    let packet = OutgoingRTCPPacket(
      source: sender.source, senderInfo: isSending ? sender.takeSenderInfo(at: now, wallClock: wallClock) : nil,
      canonicalName: canonicalName, goodbye: goodbye)
    let bytes = buffer.bytes
    var span = bytes.mutableSpan
    guard let written = try? packet.write(reports: reportBlocks.span, into: &span),
      let size = try? srtp.protectRTCP(&span, count: written)
    else { return }
    _ = transmit(UnsafeBufferPointer(rebasing: bytes[..<size]))
  }
}

extension ReceptionStatistics {
  fileprivate func isOlder(than other: ReceptionStatistics) -> Bool {
    guard let mine = lastArrival else { return true }
    guard let others = other.lastArrival else { return false }
    return mine < others
  }
}

extension MediaSession {
  func inboundStatistics() -> [PeerStatistics.Inbound] {
    receptions.map {
      PeerStatistics.Inbound(
        ssrc: $0.source, packetsReceived: $0.packetsReceived, packetsLost: $0.packetsLost,
        bytesReceived: $0.bytesReceived, jitter: $0.jitter / .seconds(1))
    }.sorted { $0.ssrc < $1.ssrc }
  }

  /// Nil as long as nothing was sent.
  func outboundStatistics() -> PeerStatistics.Outbound? {
    guard sender.packetsSent > 0 else { return nil }
    return PeerStatistics.Outbound(
      ssrc: sender.source, packetsSent: sender.packetsSent, bytesSent: sender.bytesSent,
      roundTripTime: sender.roundTripTime.map { $0 / .seconds(1) },
      fractionLost: sender.remoteReport.map { Double($0.fractionLost) / 256 },
      remotePacketsLost: sender.remoteReport.map { Int($0.cumulativeLost) },
      remoteJitter: sender.remoteJitter.map { $0 / .seconds(1) }, reportsReceived: sender.reportsReceived)
  }
}
