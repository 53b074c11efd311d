internal import Audio
internal import GLibLoop
package import OpusCodec
package import Playout

/// One participant's sound on its way to one output: packets in on the network loop, samples out on the output's loop.
///
/// Every output has feeds of its own, because each weighs delay against completeness in its own way and runs by its own
/// clock.
package final class Feed: SampleProvider {
  private struct Inbox {
    var ring = PacketRing(capacity: 128)
    /// The stream that the packets in the ring belong to.
    var synchronizationSource: UInt32?
    var isRestarted = false
  }

  private struct Outlet: ~Copyable {
    var playout: PlayoutBuffer<OpusDecoder>
    var meter = LevelMeter()
    var audibleSamples = 0
  }

  /// In dBFS: what is softer counts as silence.
  private static let audible: Float = -60

  /// Shared by the two loops; held while a packet is copied in, or all are taken over.
  private let inbox = Locked(Inbox())
  /// Used by the output's loop; the lock is for those who read figures.
  private let outlet: Locked<Outlet>

  package init(_ configuration: PlayoutConfiguration) throws(OpusError) {
    outlet = Locked(Outlet(playout: PlayoutBuffer(decoder: try OpusDecoder(), configuration: configuration)))
  }

  /// Takes a packet; on the network loop.
  func push(_ packet: ReceivedPacket, synchronizationSource: UInt32, payload: Span<UInt8>) {
    inbox.withLock { inbox in
      if inbox.synchronizationSource != synchronizationSource {
        // What waits of the old stream would be taken for the new one's.
        inbox.ring.removeAll()
        inbox.isRestarted = inbox.synchronizationSource != nil
        inbox.synchronizationSource = synchronizationSource
      }
      inbox.ring.push(packet, payload: payload)
    }
  }

  package func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    outlet.withLock { outlet in
      inbox.withLock { inbox in
        if inbox.isRestarted {
          inbox.isRestarted = false
          outlet.playout.restart()
        }
        outlet.playout.insert(from: &inbox.ring)
      }
      outlet.playout.pull(into: &samples, at: now)
      if outlet.meter.process(samples.span).rms > Self.audible { outlet.audibleSamples += samples.count }
    }
  }

  /// The least delay after the fastest packets; may be changed at any time.
  package var minimumDelay: Duration {
    get { outlet.withLock { $0.playout.minimumDelay } }
    set { outlet.withLock { $0.playout.minimumDelay = newValue } }
  }

  package var statistics: PlayoutStatistics { outlet.withLock { $0.playout.statistics } }

  /// How much of what was rendered could be heard.
  var audibleDuration: Duration { PCM.duration(of: outlet.withLock { $0.audibleSamples }) }

  /// The level since the last call.
  func takeLevel() -> LevelMeter.Level { outlet.withLock { $0.meter.take() } }
}
