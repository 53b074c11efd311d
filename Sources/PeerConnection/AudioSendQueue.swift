internal import GLibLoop
internal import RTP

/// Audio on its way from whatever thread encodes it to the network loop: a ring of preallocated slots under a short lock.
///
/// When the loop does not keep up the oldest packet makes room, and is counted.
final class AudioSendQueue: Sendable {
  struct Entry {
    /// 0 for a pause: the media clock goes on, nothing is sent.
    var size = 0
    var samples: UInt32 = 0
    var level: AudioLevel?
    var marker = false
  }

  /// 32 packets of 20 ms are 640 ms: far more than the loop ever lags.
  static let slots = 32
  /// The longest Opus packet of one frame (RFC 6716 §3.4).
  static let slotSize = 1275

  private struct Ring {
    // Written before it is read; slots that are never needed take no memory.
    var bytes = [UInt8](unsafeUninitializedCapacity: slots * slotSize) { $1 = slots * slotSize }
    var entries = [Entry](repeating: Entry(), count: slots)
    var first = 0
    var count = 0
    var dropped = 0
    /// The samples of dropped packets, which still pass on the media clock.
    var skippedSamples: UInt32 = 0
    var timer: LoopTimer?
  }

  private let ring = Locked(Ring())

  /// Sets the timer to wake when there is something to take.
  func wakes(_ timer: LoopTimer) { ring.withLock { $0.timer = timer } }

  /// Appends a packet; false when it is too long for a slot.
  func append(_ payload: Span<UInt8>, samples: UInt32, level: AudioLevel?, marker: Bool) -> Bool {
    guard payload.count <= Self.slotSize else { return false }
    let timer = ring.withLock { ring in
      if ring.count == Self.slots {
        ring.skippedSamples &+= ring.entries[ring.first].samples
        ring.first = (ring.first + 1) % Self.slots
        ring.count -= 1
        ring.dropped += 1
      }
      if ring.count == 0 { ring.first = 0 }
      let slot = (ring.first + ring.count) % Self.slots
      let start = slot * Self.slotSize
      for index in 0..<payload.count { ring.bytes[start + index] = payload[index] }
      ring.entries[slot] = Entry(size: payload.count, samples: samples, level: level, marker: marker)
      ring.count += 1
      return ring.timer
    }
    timer?.wake()
    return true
  }

  /// Copies the oldest packet to the start of `buffer`, which holds a slot's size; nil when there is none.
  /// - Returns: The packet, and how many samples were dropped before it.
  func take(into buffer: inout MutableSpan<UInt8>) -> (entry: Entry, skippedSamples: UInt32)? {
    // The closure may not capture `buffer`, so the bytes are copied through a pointer that lives as long as the call.
    buffer.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let buffer = buffer
      return ring.withLock { ring in
        guard ring.count > 0 else { return nil }
        let entry = ring.entries[ring.first]
        let start = ring.first * Self.slotSize
        for index in 0..<entry.size { buffer[index] = ring.bytes[start + index] }
        let skipped = ring.skippedSamples
        ring.skippedSamples = 0
        ring.first = (ring.first + 1) % Self.slots
        ring.count -= 1
        return (entry, skipped)
      }
    }
  }

  var dropped: Int { ring.withLock { $0.dropped } }
}
