package import GLibLoop
internal import PeerConnection
internal import Playout
package import RTP

/// What comes in from one participant: hands each packet to the feeds of all outputs. It outlives the participant's peer
/// connections, so that a renewed one continues the same sound.
///
/// Packets come on the network loop; everything else may be asked from anywhere.
package final class ParticipantSound: RTPReceiver {
  private struct Reception {
    var lastArrival: ContinuousClock.Instant?
    var packets = 0
  }

  /// One for each output, in the same order.
  let feeds: [Feed]
  private let reception = Locked(Reception())
  /// Woken by the first packet of all.
  private let firstPacket: LoopTimer

  package init(feeds: [Feed], firstPacket: LoopTimer) {
    self.feeds = feeds
    self.firstPacket = firstPacket
  }

  package func received(
    _ header: RTPHeader, payload: Span<UInt8>, audioLevel: AudioLevel?, arrival: ContinuousClock.Instant
  ) {
    // Telephone events, comfort noise and padding that carries nothing are no Opus.
    guard payload.count > 0 else { return }
    let isFirst = reception.withLock { reception in
      reception.lastArrival = arrival
      reception.packets += 1
      return reception.packets == 1
    }
    let packet = ReceivedPacket(
      sequenceNumber: header.sequenceNumber, timestamp: header.timestamp, arrival: arrival)
    for feed in feeds { feed.push(packet, synchronizationSource: header.ssrc, payload: payload) }
    if isFirst { firstPacket.wake() }
  }

  var lastArrival: ContinuousClock.Instant? { reception.withLock { $0.lastArrival } }

  /// Packets that were decrypted and handed on.
  var packets: Int { reception.withLock { $0.packets } }
}
