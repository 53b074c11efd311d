internal import DTLSSRTP
internal import GLibLoop
internal import ICE
internal import PeerConnection
internal import RTP
internal import SDP

/// A peer connection of a guest, with what went through it.
final class MediaPeer: Sendable {
  /// What happened so far.
  private struct Record {
    var isConnected = false
    var hasEnded = false
    var channels: [UInt16: String] = [:]
    var texts: [(text: String, label: String)] = []

    mutating func note(_ event: PeerEvent) {
      switch event {
      case .connected: isConnected = true
      case .closed, .failed: hasEnded = true
      case .dataChannelOpened(let id, let label): channels[id] = label
      case .message(let text, let channel): texts.append((text, channels[channel] ?? ""))
      default: break
      }
    }
  }

  private static let identity = try! DTLSIdentity()  // a certificate from nothing but random numbers

  let peer: Peer
  let heard = HeardPackets()
  private let record = Locked(Record())
  private let follower = Locked<Task<Void, Never>?>(nil)
  private let speaker = Locked<Task<Void, Never>?>(nil)

  /// - Parameter channel: The label of a data channel to open; nil for none.
  init(sends: Bool, channel: String?, address: String) throws {
    var ice = ICEConfiguration()
    ice.localAddresses = [address]
    let name = "guest\(UInt32.random(in: 0...(.max)))"
    let session = UInt64.random(in: 1..<1 << 62)
    peer = try Peer(
      sends
        ? PeerConfiguration(
          identity: Self.identity, ice: ice,
          sending: AudioSource(
            ssrc: .random(in: 1...(.max)), canonicalName: name, streamID: name, trackID: "microphone"),
          sessionID: session, dataChannelLabel: channel)
        : PeerConfiguration(
          identity: Self.identity, ice: ice, receivingWith: heard, reporterSSRC: .random(in: 1...(.max)),
          canonicalName: name, sessionID: session, dataChannelLabel: channel))
  }

  var isConnected: Bool { record.withLock { $0.isConnected } }
  var hasEnded: Bool { record.withLock { $0.hasEnded } }
  /// The texts that came, with the labels of their channels.
  var texts: [(text: String, label: String)] { record.withLock { $0.texts } }
  func hasChannel(_ label: String) -> Bool { record.withLock { $0.channels.values.contains(label) } }

  /// Begins to take in events; candidates go to `trickle`.
  func start(trickle: @escaping @Sendable (TrickledCandidate) async -> Void) {
    let task = Task { [peer, record] in
      for await event in peer.events {
        if case .localCandidate(let candidate) = event { await trickle(candidate) }
        record.withLock { $0.note(event) }
      }
    }
    follower.withLock { $0 = task }
  }

  /// Sends a packet of four bytes, all of them `mark`, every 20 ms.
  func speak(_ mark: UInt8) {
    let task = Task { [peer] in
      while !Task.isCancelled {
        let payload = [UInt8](repeating: mark, count: 4)
        peer.sendAudio(payload.span, samples: 960, level: AudioLevel(voice: true, attenuation: 20))
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
    let old = speaker.withLock { speaker in
      let old = speaker
      speaker = task
      return old
    }
    old?.cancel()
  }

  func close() async {
    speaker.withLock { $0 }?.cancel()
    await peer.close()
    follower.withLock { $0 }?.cancel()
  }
}

extension MediaPeer {
  /// Counts what is received.
  final class HeardPackets: RTPReceiver {
    private struct Counts {
      var packets = 0
      var marks: Set<UInt8> = []
      var levels: Set<UInt8> = []
      var sources: Set<UInt32> = []
      var breaks = 0
      var last: RTPHeader?
    }

    private let counts = Locked(Counts())

    var packets: Int { counts.withLock { $0.packets } }
    /// The different contents heard.
    var marks: Set<UInt8> { counts.withLock { $0.marks } }
    var levels: Set<UInt8> { counts.withLock { $0.levels } }
    var sources: Int { counts.withLock { $0.sources.count } }
    /// How often a packet's number did not follow on the one before.
    var breaks: Int { counts.withLock { $0.breaks } }

    func received(
      _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant
    ) {
      let mark = payload.isEmpty ? nil : payload[0]
      counts.withLock { counts in
        counts.packets += 1
        if let mark { counts.marks.insert(mark) }
        if let audioLevel { counts.levels.insert(audioLevel.attenuation) }
        counts.sources.insert(header.ssrc)
        if let last = counts.last, header.sequenceNumber != last.sequenceNumber &+ 1 { counts.breaks += 1 }
        counts.last = header
      }
    }
  }
}
