import Audio
import GLibLoop
import Glibc

/// A 1 kHz tone at half level that goes on whoever asks; counts what it gave.
final class Tone: SampleProvider {
  private let position = Locked(0)

  var count: Int { position.withLock { $0 } }

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    let first = position.withLock { position in
      defer { position += samples.count }
      return position
    }
    for index in 0..<samples.count { samples[index] = Self.value(at: first + index) }
  }

  /// 48 samples are a period.
  static func value(at index: Int) -> Float { Float(0.5 * sin(2 * .pi * Double(index % 48) / 48)) }
}

/// Silence with a click each second, and when each click was asked for.
final class Clicks: SampleProvider {
  private let state = Locked<(position: Int, times: [ContinuousClock.Instant])>((0, []))

  var times: [ContinuousClock.Instant] { state.withLock { $0.times } }

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    let count = samples.count
    let first = state.withLock { state in
      let first = state.position
      state.position += count
      if (first + 12_000 - 1) / 12_000 != (first + count + 12_000 - 1) / 12_000, first > 0 { state.times.append(now) }
      return first
    }
    for index in 0..<count { samples[index] = first + index > 0 && (first + index) % 12_000 == 0 ? 0.9 : 0 }
  }
}

/// Keeps what an input hands out, and when.
final class Listener: Sendable {
  private let heard = Locked<(samples: [Float], sizes: Set<Int>, clicks: [ContinuousClock.Instant])>(([], [], []))

  var receive: @Sendable (Span<Float>) -> Void {
    { block in
      let now = ContinuousClock.now
      var samples: [Float] = []
      for index in block.indices { samples.append(block[index]) }
      self.heard.withLock { [samples] heard in
        heard.samples += samples
        heard.sizes.insert(samples.count)
        if samples.contains(where: { abs($0) > 0.3 }) { heard.clicks.append(now) }
      }
    }
  }

  var samples: [Float] { heard.withLock { $0.samples } }
  var blockSizes: Set<Int> { heard.withLock { $0.sizes } }
  var clicks: [ContinuousClock.Instant] { heard.withLock { $0.clicks } }
  var count: Int { heard.withLock { $0.samples.count } }

  /// Whether the last `count` samples are the tone, without a break.
  func endsInTone(_ count: Int) -> Bool {
    let tail = samples.suffix(count)
    guard tail.count == count else { return false }
    // A sine that is sampled evenly obeys x[n+1] + x[n-1] = 2 cos(w) x[n]; a break of any kind does not.
    let factor = Float(2 * cos(2 * Double.pi / 48))
    let loud = tail.map(abs).max()! > 0.4
    return loud
      && (tail.startIndex + 1..<tail.endIndex - 1).allSatisfy {
        abs(tail[$0 + 1] + tail[$0 - 1] - factor * tail[$0]) < 0.001
      }
  }
}

/// Keeps what is reported.
final class Reports<Event: Sendable & Equatable>: Sendable {
  private let kept = Locked<[Event]>([])
  var report: @Sendable (Event) -> Void { { event in self.kept.withLock { $0.append(event) } } }
  var all: [Event] { kept.withLock { $0 } }
}
