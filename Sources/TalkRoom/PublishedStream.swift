internal import GLibLoop
internal import PeerConnection
internal import RTP

/// What one publisher sends, and who gets it. Lives on the network loop; a packet passes in one go.
actor PublishedStream: RTPReceiver {
  nonisolated var unownedExecutor: UnownedSerialExecutor { GLibExecutor.network.asUnownedSerialExecutor() }

  /// The connection to a subscriber, which sends.
  final class Subscription {
    let peer: Peer
    /// Where states (mute, name, speaking) go; nil until the subscriber has opened a channel of its own.
    var channel: UInt16?
    var isOpeningChannel = false

    init(_ peer: Peer) { self.peer = peer }
  }

  /// The label under which Janus hands a publisher's states on: the publisher's number in its room.
  private static let channelLabel = "1"

  /// Of the publisher. Replaced when it publishes with another connection.
  private(set) var peer: Peer?
  let offersDataChannel: Bool
  private var subscriptions: [String: Subscription] = [:]
  private var faults: RoomFaults
  private var loss: LossGenerator
  private var numbers = ContinuousNumbers()
  /// Packets that at least one subscriber got.
  private(set) var packetsForwarded = 0

  init(offersDataChannel: Bool, faults: RoomFaults, loss: LossGenerator) {
    self.offersDataChannel = offersDataChannel
    self.faults = faults
    self.loss = loss
  }

  func setPeer(_ peer: Peer) { self.peer = peer }

  func setFaults(_ faults: RoomFaults) { self.faults = faults }

  // MARK: Subscriptions

  func add(_ peer: Peer, as handle: String) { subscriptions[handle] = Subscription(peer) }

  func remove(_ handle: String) { subscriptions[handle] = nil }

  // MARK: Sound

  nonisolated func received(
    _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant
  ) {
    assumeIsolated { $0.forward(header, payload, audioLevel) }
  }

  private func forward(_ header: RTPHeader, _ payload: Span<UInt8>, _ level: AudioLevel?) {
    let (sequenceNumber, timestamp) = numbers.next(header)
    guard faults.forwardsMedia else { return }
    var isForwarded = false
    for subscription in subscriptions.values where !loss.loses(faults.packetLoss) {
      let isSent = subscription.peer.forward(
        payload, sequenceNumber: sequenceNumber, timestamp: timestamp, marker: header.marker, level: level)
      isForwarded = isForwarded || isSent
    }
    if isForwarded { packetsForwarded += 1 }
  }

  // MARK: States

  /// Hands a publisher's text to the subscribers that have a channel; it is not kept for the others.
  func relay(_ text: String) {
    guard faults.forwardsMedia else { return }
    for subscription in subscriptions.values {
      guard let channel = subscription.channel else { continue }
      // A channel that is gone is as good as none.
      try? subscription.peer.assumeIsolated { try $0.send(text, on: channel) }
    }
  }

  /// As Janus, answers a subscriber's first channel by opening its own, unless the subscriber's has its label.
  func channelOpened(_ id: UInt16, _ label: String, by handle: String) {
    guard let subscription = subscriptions[handle], subscription.channel == nil else { return }
    if label == Self.channelLabel {
      subscription.channel = id
    } else if !subscription.isOpeningChannel {
      subscription.isOpeningChannel = true
      try? subscription.peer.assumeIsolated { try $0.openDataChannel(label: Self.channelLabel) }
    }
  }
}

/// Sequence numbers and timestamps that go on when the publisher's begin anew.
///
/// Gaps stay gaps: what is lost on the way to us is lost for the subscribers too.
struct ContinuousNumbers {
  private var source: UInt32?
  private var sequenceOffset: UInt16 = 0
  private var timestampOffset: UInt32 = 0
  private var lastSequenceNumber: UInt16 = 0
  private var lastTimestamp: UInt32 = 0

  /// One packet of 20 ms at 48 kHz.
  private static let step: UInt32 = 960

  mutating func next(_ header: RTPHeader) -> (sequenceNumber: UInt16, timestamp: UInt32) {
    next(source: header.ssrc, sequenceNumber: header.sequenceNumber, timestamp: header.timestamp)
  }

  mutating func next(
    source new: UInt32, sequenceNumber: UInt16, timestamp: UInt32
  ) -> (sequenceNumber: UInt16, timestamp: UInt32) {
    let begins = source != new
    if begins, source != nil {
      sequenceOffset = lastSequenceNumber &+ 1 &- sequenceNumber
      timestampOffset = lastTimestamp &+ Self.step &- timestamp
    }
    source = new
    let result = (sequenceNumber &+ sequenceOffset, timestamp &+ timestampOffset)
    // A late packet does not take the end back (RFC 1982 comparison).
    if begins || Int16(bitPattern: result.0 &- lastSequenceNumber) > 0 { (lastSequenceNumber, lastTimestamp) = result }
    return result
  }
}

/// Decides which packets get lost: the same ones every time (SplitMix64).
struct LossGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func loses(_ share: Double) -> Bool {
    guard share > 0 else { return false }
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    value ^= value >> 31
    return Double(value >> 11) * 0x1p-53 < share
  }
}
