internal import Audio
internal import GLibLoop

/// What one output plays: the sum of its participants' feeds.
package final class OutputMix: SampleProvider {
  private struct Mixing {
    var mixer = Mixer()
    var renderedSamples = 0
  }

  /// Replaced as a whole when somebody comes or goes, read once a block.
  private let feeds = Locked<[any SampleProvider]>([])
  /// Used by the output's loop; the lock is for those who read figures.
  private let mixing: Locked<Mixing>

  package init() { mixing = Locked(Mixing()) }

  package func add(_ feed: Feed) { feeds.withLock { $0.append(feed) } }

  func remove(_ feed: Feed) { feeds.withLock { $0.removeAll { $0 === feed } } }

  package func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    let feeds = feeds.withLock { $0 }
    mixing.withLock { mixing in
      mixing.mixer.mix(feeds, into: &samples, at: now)
      mixing.renderedSamples += samples.count
    }
  }

  /// How many samples the output has taken.
  var renderedSamples: Int { mixing.withLock { $0.renderedSamples } }
}
