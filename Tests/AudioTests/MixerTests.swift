import Audio
import Testing

/// Gives the same sample for ever.
final class Constant: SampleProvider {
  let value: Float
  init(_ value: Float) { self.value = value }
  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    samples.update(repeating: value)
  }
}

@Suite struct MixerTests {
  func mix(_ values: [Float], count: Int) -> [Float] {
    var mixer = Mixer()
    var samples = [Float](repeating: 9, count: count)
    var span = samples.mutableSpan
    mixer.mix(values.map { Constant($0) }, into: &span, at: ContinuousClock.now)
    return samples
  }

  @Test(arguments: [1, 240, 960, 961, 5_000])
  func `the sum of what the providers give, for any number of samples`(count: Int) {
    #expect(mix([0.25, 0.125, -0.5], count: count) == [Float](repeating: -0.125, count: count))
  }

  @Test func `nobody is silence`() {
    #expect(mix([], count: 100) == [Float](repeating: 0, count: 100))
  }

  @Test func `a mix of loud speakers stays within full scale`() {
    #expect(mix([0.9, 0.9, 0.9], count: 2_000).allSatisfy { abs($0) <= Limiter.threshold })
  }
}

@Suite struct LimiterTests {
  func limited(_ samples: [Float]) -> [Float] {
    var limiter = Limiter()
    var output = samples
    var span = output.mutableSpan
    limiter.process(&span)
    return output
  }

  @Test func `sound below the threshold passes bit for bit`() {
    let samples = (0..<4_800).map { (step: Int) -> Float in Float(step % 195 - 97) / 109 }
    #expect(limited(samples) == samples)
  }

  @Test func `what is too loud is bounded whatever it is`() {
    let samples: [Float] = [3, -8, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, -1, 0.5]
    let output = limited(samples)
    #expect(output.allSatisfy { abs($0) <= Limiter.threshold })
    #expect(output[4] == 0)
  }

  @Test func `after a peak the gain comes back to exactly one`() {
    let output = limited([2] + [Float](repeating: 0.5, count: 96_000))
    #expect(output[1] < 0.3)
    #expect(output.last == 0.5)
  }
}
