internal import TestSupport

/// What a network does to packets: the delay of each in seconds, or nil for a loss. Its least delay is 20 ms.
package struct Network {
  package static let leastDelay = 0.02

  /// Asked for each packet once, in the order of sending.
  package var delay: (_ index: Int, _ sent: Double) -> Double?

  package init(delay: @escaping (_ index: Int, _ sent: Double) -> Double?) { self.delay = delay }

  package static var clean: Network { Network { _, _ in leastDelay } }

  /// Independent delays, spread evenly over so many milliseconds, and independent losses.
  package static func jitter(_ milliseconds: Double, loss: Double = 0, seed: UInt64 = 1) -> Network {
    var noise = SeededRandom(seed: seed)
    return Network { _, _ in
      let delay = leastDelay + noise.uniform() * milliseconds / 1_000
      return noise.uniform() < loss ? nil : delay
    }
  }

  /// Losses in bursts of a mean length (Gilbert–Elliott), with jitter as above.
  package static func bursts(_ loss: Double, length: Double, jitter: Double = 0, seed: UInt64 = 1) -> Network {
    var noise = SeededRandom(seed: seed)
    var isBad = false
    return Network { _, _ in
      isBad = isBad ? noise.uniform() > 1 / length : noise.uniform() < loss / (1 - loss) / length
      let delay = leastDelay + noise.uniform() * jitter / 1_000
      return isBad ? nil : delay
    }
  }

  /// A queue somewhere on the way: every `period` seconds it is stopped for `height` milliseconds, and then lets go of
  /// what has gathered at once.
  package static func spikes(every period: Double, _ height: Double) -> Network {
    Network { _, sent in
      let phase = sent.truncatingRemainder(dividingBy: period)
      return leastDelay + max(0, height / 1_000 - max(0, phase - period / 2)) * (phase >= period / 2 ? 1 : 0)
    }
  }

  /// A way that changes: `step` seconds more between two times.
  package static func step(_ step: Double, from start: Double, to end: Double) -> Network {
    Network { _, sent in leastDelay + (sent >= start && sent < end ? step : 0) }
  }

  /// Nothing gets through between two times; what was sent then is lost, or comes all at once afterwards.
  package static func outage(from start: Double, to end: Double, isLost: Bool) -> Network {
    Network { _, sent in
      sent >= start && sent < end ? (isLost ? nil : end + leastDelay - sent) : leastDelay
    }
  }

  /// What both do: the losses of either, the delays of both together.
  package func followed(by other: Network) -> Network {
    Network { index, sent in
      let (first, second) = (delay(index, sent), other.delay(index, sent))
      guard let first, let second else { return nil }
      return first + second - Self.leastDelay
    }
  }
}
