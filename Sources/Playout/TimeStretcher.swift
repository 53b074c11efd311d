/// Finds where sound can be shortened or lengthened unheard: by whole pitch periods, or anywhere where it is quiet.
///
/// The method is waveform similarity overlap-add (WSOLA): the place to continue at is the one that looks most like what
/// would have come.
struct TimeStretcher {
  /// The shortest and longest piece left out or repeated: 2.5 and 15 ms, pitches of 400 and 67 Hz.
  static let shortestLag = 120
  static let longestLag = 720
  /// The length compared and cross-faded: 10 ms at most, 5 ms at least.
  private static let longestOverlap = 480
  static let shortestOverlap = 240
  private static let decimation = 4
  /// So many times as strong as before is an attack.
  private static let onset: Float = 10
  /// Samples that suffice for any cut.
  static let reach = longestLag + longestOverlap

  /// A cut: jump by `lag` samples (back, if negative) while fading over `overlap`.
  struct Cut {
    var lag: Int
    var overlap: Int
  }

  private var coarse = [Float](repeating: 0, count: (2 * longestLag + longestOverlap) / decimation)

  /// The mean square of the sound lately, slowly followed: what is quiet is judged by it.
  private var usualPower: Float = 0

  /// Learns how loud the sound usually is. Returns the mean square of `samples`.
  mutating func follow(_ samples: Span<Float>) -> Float {
    var energy: Float = 0
    for index in samples.indices { energy += samples[index] * samples[index] }
    let power = energy / Float(max(samples.count, 1))
    usualPower += (power - usualPower) * (power > usualPower ? 0.05 : 0.005)
    return power
  }

  /// How to take out about `wanted` samples at the head of `queue`, or put them in if negative; nil if it would be heard.
  ///
  /// `likeness` is how alike the two ends of a cut must be, from 0 to 1; nil allows cuts in pauses alone.
  mutating func cut(_ queue: borrowing SampleQueue, wanted: Int, likeness: Float?) -> Cut? {
    let removes = wanted > 0
    let furthest = min(Self.longestLag, abs(wanted))
    let overlap = min(Self.longestOverlap, removes ? queue.count - Self.shortestLag : queue.count)
    guard furthest >= Self.shortestLag, overlap >= Self.shortestOverlap else { return nil }
    let longest = removes ? min(furthest, queue.count - Self.shortestOverlap) : furthest
    guard longest >= Self.shortestLag else { return nil }

    if isQuiet(queue, from: removes ? 0 : -longest, count: longest + Self.shortestOverlap) {
      return Cut(lag: removes ? longest : -longest, overlap: Self.shortestOverlap)
    }
    guard let likeness else { return nil }
    let usable = removes ? min(overlap, queue.count - longest) : overlap
    let lag = similarLag(queue, removes: removes, longest: longest, overlap: usable)
    guard similarity(queue, lag: lag, overlap: usable) >= likeness, !hasOnset(queue, count: usable) else { return nil }
    return Cut(lag: lag, overlap: usable)
  }

  /// Whether the high frequencies of the next `count` samples begin in their midst: the attack of a drum, say, which a
  /// cut there would leave out or let be heard twice, however alike the low frequencies are.
  private func hasOnset(_ queue: borrowing SampleQueue, count: Int) -> Bool {
    var energies: (first: Float, last: Float) = (1e-7, 0)
    for index in 1..<count {
      let step = queue.storage[queue.head + index] - queue.storage[queue.head + index - 1]
      if index < count / 4 { energies.first += step * step } else { energies.last += step * step }
    }
    return energies.last > energies.first * 3 * Self.onset
  }

  /// Quiet is below −60 dBFS, or 30 dB below what is usual.
  private func isQuiet(_ queue: borrowing SampleQueue, from start: Int, count: Int) -> Bool {
    var energy: Float = 0
    for index in start..<(start + count) {
      let sample = queue.storage[queue.head + index]
      energy += sample * sample
    }
    return energy / Float(count) < max(1e-6, usualPower * 1e-3)
  }

  private mutating func similarLag(
    _ queue: borrowing SampleQueue, removes: Bool, longest: Int, overlap: Int
  ) -> Int {
    // First a search on every fourth sample (means of four), then the neighbourhood of the best exactly.
    let step = Self.decimation
    let start = queue.head - (removes ? 0 : longest)
    let length = (longest + overlap) / step
    for index in 0..<length {
      let at = start + index * step
      coarse[index] =
        queue.storage[at] + queue.storage[at + 1] + queue.storage[at + 2] + queue.storage[at + 3]
    }
    let template = removes ? 0 : longest / step
    let count = overlap / step - 1
    var best = Self.shortestLag / step
    var highest = -Float.infinity
    for lag in (Self.shortestLag / step)...(longest / step) {
      let other = removes ? lag : template - lag
      guard other >= 0, max(other, template) + count <= length else { continue }
      var product: Float = 0
      var energy: Float = 1e-9
      for index in 0..<count {
        product += coarse[template + index] * coarse[other + index]
        energy += coarse[other + index] * coarse[other + index]
      }
      let score = product / energy.squareRoot()
      if score > highest { (highest, best) = (score, lag) }
    }
    let sign = removes ? 1 : -1
    var lag = sign * min(best * step, longest)
    highest = -.infinity
    for candidate in max(Self.shortestLag, best * step - 4)...max(Self.shortestLag, min(longest, best * step + 4)) {
      let score = similarity(queue, lag: sign * candidate, overlap: overlap)
      if score > highest { (highest, lag) = (score, sign * candidate) }
    }
    return lag
  }

  /// The normalised correlation of the next `overlap` samples with those `lag` later.
  private func similarity(_ queue: borrowing SampleQueue, lag: Int, overlap: Int) -> Float {
    var product: Float = 0
    var energy: Float = 1e-9
    var otherEnergy: Float = 1e-9
    for index in queue.head..<(queue.head + overlap) {
      let sample = queue.storage[index]
      let other = queue.storage[index + lag]
      product += sample * other
      energy += sample * sample
      otherEnergy += other * other
    }
    return product / (energy * otherEnergy).squareRoot()
  }
}
