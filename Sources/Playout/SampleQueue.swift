/// Decoded sound on its way out: what was played lately, then what is to be played next.
struct SampleQueue {
  /// So much of what was played stays within reach: 60 ms.
  static let history = 2_880
  /// Enough for what is within reach and for what a restored packet, a seam and a packet of 120 ms each add to it.
  private static let capacity = 16_384
  /// What there is to hold nearly always fits into so much; the memory behind it is not touched then.
  private static let usual = 8_192

  var storage = [Float](unsafeUninitializedCapacity: capacity) {
    $0[..<history].initialize(repeating: 0)
    // Written before it is read; what is never needed takes no memory.
    $1 = capacity
  }
  /// Where the sound to be played begins and ends.
  private(set) var head = history
  private(set) var tail = history

  /// Samples that wait to be played.
  var count: Int { tail - head }

  /// Makes room for `count` samples behind the last and returns where in `storage` it is. `append` makes use of it.
  mutating func room(for count: Int) -> Range<Int> {
    if tail + count > Self.usual { compact() }
    precondition(tail + count <= Self.capacity, "more sound was decoded than anybody asked for")
    return tail..<(tail + count)
  }

  /// Takes in `count` samples that were written to the room just made.
  mutating func append(_ count: Int) {
    tail += count
  }

  /// Moves the next samples, which must be there, into `output`.
  mutating func move(into output: inout MutableSpan<Float>) {
    for index in output.indices { output[index] = storage[head + index] }
    head += output.count
  }

  /// Multiplies the last `length` samples by a gain that goes from one value to another.
  mutating func fade(last length: Int, from start: Float, to end: Float) {
    guard start != 1 || end != 1 else { return }
    for index in 0..<min(length, count) {
      storage[tail - length + index] *= start + (end - start) * Float(index) / Float(length)
    }
  }

  /// Adds background noise to the last `length` samples, with a gain that goes from one value to another.
  mutating func add(_ noise: inout BackgroundNoise, last length: Int, from start: Float, to end: Float) {
    let amplitude = noise.amplitude
    guard amplitude > 0, start != 0 || end != 0 else { return }
    for index in 0..<min(length, count) {
      storage[tail - length + index] +=
        noise.next() * amplitude * (start + (end - start) * Float(index) / Float(length))
    }
  }

  /// Lets the last `count` samples begin in silence: they follow on something else.
  mutating func fadeIn(last count: Int, over length: Int) {
    let length = min(length, count)
    for index in 0..<length { storage[tail - count + index] *= Float(index) / Float(length) }
  }

  /// Makes what waits end in silence: what follows is something else.
  mutating func fadeOut(over length: Int) {
    let length = min(length, count)
    for index in 0..<length { storage[tail - 1 - index] *= Float(index) / Float(length) }
  }

  /// Takes the last `count` samples away again.
  mutating func removeLast(_ count: Int) {
    tail -= min(count, self.count)
  }

  /// Joins what begins after `start` waiting samples to what is before it: leaves out its first `omitted` samples, and
  /// fades into the rest over the `overlap` samples before it.
  mutating func join(at start: Int, leavingOut omitted: Int, overlap: Int) {
    let seam = head + start
    let overlap = min(overlap, start, tail - seam - omitted)
    guard overlap > 0 else { return }
    for index in 0..<overlap {
      let share = (Float(index) + 0.5) / Float(overlap)
      let old = storage[seam - overlap + index]
      storage[seam - overlap + index] = old * (1 - share) + storage[seam + omitted + index] * share
    }
    for index in (seam + omitted + overlap)..<tail { storage[index - omitted - overlap] = storage[index] }
    tail -= omitted + overlap
  }

  /// Leaves out `lag` samples after the next `overlap`, or repeats the last −`lag` played, with a crossfade of `overlap`
  /// samples that begins with the next one.
  mutating func splice(lag: Int, overlap: Int) {
    if tail - lag > Self.usual { compact() }
    precondition(overlap > 0 && head + lag >= 0 && head + lag + overlap <= tail && head + overlap <= tail)
    var seam = InlineArray<480, Float>(repeating: 0)
    for index in 0..<min(overlap, 480) {
      let share = (Float(index) + 0.5) / Float(overlap)
      seam[index] = storage[head + index] * (1 - share) + storage[head + lag + index] * share
    }
    let source = head + lag + overlap
    let target = head + overlap
    let length = tail - source
    if lag > 0 {
      for index in 0..<length { storage[target + index] = storage[source + index] }
    } else {
      for index in stride(from: length - 1, through: 0, by: -1) { storage[target + index] = storage[source + index] }
    }
    for index in 0..<overlap { storage[head + index] = seam[index] }
    tail -= lag
  }

  private mutating func compact() {
    let offset = head - Self.history
    guard offset > 0 else { return }
    let length = tail - offset
    storage.withUnsafeMutableBufferPointer { $0.baseAddress!.update(from: $0.baseAddress! + offset, count: length) }
    head -= offset
    tail -= offset
  }
}
