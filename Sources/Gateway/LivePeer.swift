internal import PeerConnection
internal import TalkProtocol

/// A peer connection of the call, and what its driver remembers of it. Confined to the gateway.
final class LivePeer {
  /// A living connection brings RTP or at least a report each second; a muted browser may be silent for longer, which the
  /// session tells apart.
  private static let patience = Duration.seconds(5)

  let peer: Peer
  /// Whose sound it carries; nil for our own.
  let participant: ParticipantID?
  private let sound: ParticipantSound?
  private(set) var connectedAt: ContinuousClock.Instant?
  /// When inactivity was told last; nil while there is none.
  private var inactivityTold: ContinuousClock.Instant?
  private var reportsTaken = 0

  init(_ peer: Peer, participant: ParticipantID?, sound: ParticipantSound?) {
    self.peer = peer
    self.participant = participant
    self.sound = sound
  }

  var isConnected: Bool { connectedAt != nil }

  /// What was sent, and what the media server reports of it; nil as long as nothing was sent.
  var outbound: PeerStatistics.Outbound? { peer.assumeIsolated { $0.statistics().outbound } }

  /// `outbound` when a report has come since this was asked for last.
  func takeReport() -> PeerStatistics.Outbound? {
    guard let outbound, outbound.reportsReceived > reportsTaken else { return nil }
    reportsTaken = outbound.reportsReceived
    return outbound
  }

  /// What came on the stream that brought most.
  var inbound: PeerStatistics.Inbound? {
    peer.assumeIsolated { $0.statistics().inbound.max { $0.packetsReceived < $1.packetsReceived } }
  }

  func connected(at now: ContinuousClock.Instant) { connectedAt = now }

  /// `inactive` when nothing has come for a while, again and again while that lasts; `active` when it is over.
  func activityChange(at now: ContinuousClock.Instant) -> TalkProtocol.PeerEvent? {
    guard let connectedAt else { return nil }
    let heardOf = sound?.lastArrival ?? peer.assumeIsolated { $0.lastArrival } ?? connectedAt
    if now - max(heardOf, connectedAt) < Self.patience {
      guard inactivityTold != nil else { return nil }
      inactivityTold = nil
      return .active
    }
    guard inactivityTold.map({ now - $0 >= Self.patience }) ?? true else { return nil }
    inactivityTold = now
    return .inactive
  }
}
