import Audio
import Testing

@Suite struct PCMTests {
  @Test func `every 16-bit sample survives the way there and back`() {
    #expect((Int16.min...Int16.max).allSatisfy { PCM16.encode(PCM16.decode($0)) == $0 })
  }

  static let samples: [Float] = [1, -1, 5, -5, .nan, .infinity, -.infinity, 0.000_05, -0.000_05, 0.999_98]
  static let integers: [Int16] = [.max, .min, .max, .min, 0, .max, .min, 2, -2, .max]

  @Test(arguments: zip(samples, integers))
  func `samples are rounded and saturated`(sample: Float, expected: Int16) {
    #expect(PCM16.encode(sample) == expected)
  }

  @Test func `bytes are little-endian`() {
    var bytes = [UInt8](repeating: 0, count: 4)
    var span = bytes.mutableSpan
    PCM16.encode([0x0102 / 32_768.0, -1].span, intoLittleEndian: &span)
    #expect(bytes == [2, 1, 0, 0x80])
    var samples: [Float] = [9, 9, 9]
    var output = samples.mutableSpan
    PCM16.decode(littleEndian: (bytes + [7]).span, into: &output)
    #expect(samples == [0x0102 / 32_768.0, -1, 9])
  }

  @Test func `spans are converted as a whole`() {
    var integers = [Int16](repeating: 0, count: 3)
    var span = integers.mutableSpan
    PCM16.encode([0.5, -0.25].span, into: &span)
    #expect(integers == [16_384, -8_192, 0])
    var samples = [Float](repeating: 0, count: 3)
    var output = samples.mutableSpan
    PCM16.decode(integers.span, into: &output)
    #expect(samples == [0.5, -0.25, 0])
  }

  @Test func `durations and samples convert`() {
    #expect(PCM.duration(of: 960) == PCM.blockDuration)
    #expect(PCM.samples(in: .seconds(3_600)) == 172_800_000)
    #expect(PCM.samples(in: .milliseconds(-5)) == -240)
    #expect(PCM.samples(in: .seconds(Int64.max)) > 0)
    #expect(PCM.duration(of: 1) == .nanoseconds(20_833))
  }
}
