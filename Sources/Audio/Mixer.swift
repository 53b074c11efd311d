/// Adds up what several providers give and keeps the sum from clipping.
///
/// Owned by one consumer. The providers are an argument, so that whoever keeps the list decides how it is guarded.
public struct Mixer: Sendable {
  private var scratch: [Float]
  private var limiter = Limiter()

  public init() {
    scratch = [Float](repeating: 0, count: PCM.blockSize)
  }

  /// Fills `samples` with the sum of what `providers` give, limited to full scale; silence when there are none.
  ///
  /// One provider below −1 dBFS passes bit for bit. Does not allocate, whatever the length of `samples`.
  public mutating func mix(
    _ providers: [any SampleProvider], into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant
  ) {
    var start = 0
    while start < samples.count {
      let count = min(scratch.count, samples.count - start)
      var part = samples._mutatingExtracting(start..<(start + count))
      mixBlock(providers, into: &part, at: now)
      start += count
    }
    limiter.process(&samples)
  }

  private mutating func mixBlock(
    _ providers: [any SampleProvider], into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant
  ) {
    guard let first = providers.first else {
      samples.update(repeating: 0)
      return
    }
    first.render(into: &samples, at: now)
    var whole = scratch.mutableSpan
    for provider in providers.dropFirst() {
      var addend = whole._mutatingExtracting(0..<samples.count)
      provider.render(into: &addend, at: now)
      for index in samples.indices { samples[index] += addend[index] }
    }
  }
}
