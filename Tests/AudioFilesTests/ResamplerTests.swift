import Glibc
import Resampling
import Testing

struct ResamplerTests {
  private static func tone(_ frequency: Double, at rate: Int, count: Int) -> [Float] {
    (0..<count).map { Float(0.5 * sin(2 * .pi * frequency * Double($0) / Double(rate))) }
  }

  /// All of `input` through a resampler, in pieces of `piece` samples in and `room` out.
  private static func convert(
    _ input: [Float], from: Int, to: Int, piece: Int = 960, room: Int = 700, quality: Resampler.Quality = .high
  ) throws -> [Float] {
    var resampler = try Resampler(from: from, to: to, quality: quality)
    var output: [Float] = []
    var block = [Float](repeating: 0, count: room)
    var position = 0
    while position < input.count {
      let end = min(input.count, position + piece)
      var span = block.mutableSpan
      let step = resampler.process(input.span.extracting(position..<end), into: &span)
      position += step.consumed
      output += block[..<step.produced]
    }
    while true {
      var span = block.mutableSpan
      let count = resampler.flush(into: &span)
      if count == 0 { return output }
      output += block[..<count]
    }
  }

  @Test(arguments: [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
  func `a tone of any rate keeps its place in time and its level at 48 kHz`(rate: Int) throws {
    let seconds = 2
    let output = try Self.convert(Self.tone(997, at: rate, count: seconds * rate), from: rate, to: 48_000)
    #expect(output.count == seconds * 48_000)
    let expected = Self.tone(997, at: 48_000, count: output.count)
    // The ends, where the signal starts and stops at once, ring; the middle must agree.
    let deviation = (4_800..<(output.count - 4_800)).map { abs(output[$0] - expected[$0]) }.max()!
    #expect(deviation < 0.001)
  }

  @Test(arguments: [1, 479, 4_411, 44_100])
  func `the end is not cut off`(count: Int) throws {
    let output = try Self.convert([Float](repeating: 0.25, count: count), from: 44_100, to: 48_000)
    #expect(output.count == (count * 48_000 + 44_099) / 44_100)
  }

  @Test func `pieces of any size give the same samples`() throws {
    let input = Self.tone(440, at: 44_100, count: 20_000)
    let whole = try Self.convert(input, from: 44_100, to: 48_000, piece: 20_000, room: 30_000)
    #expect(try Self.convert(input, from: 44_100, to: 48_000, piece: 1, room: 3) == whole)
    #expect(try Self.convert(input, from: 44_100, to: 48_000, piece: 441, room: 480) == whole)
  }

  @Test func `equal rates pass every sample unchanged`() throws {
    let input = Self.tone(440, at: 48_000, count: 5_000)
    #expect(try Self.convert(input, from: 48_000, to: 48_000) == input)
  }

  @Test func `what is above half the new rate does not come back as another tone`() throws {
    let output = try Self.convert(Self.tone(30_000, at: 96_000, count: 96_000), from: 96_000, to: 48_000)
    #expect(output[4_800..<43_200].map(abs).max()! < 0.001)
  }

  @Test func `after a reset the old signal is gone`() throws {
    var resampler = try Resampler(from: 44_100, to: 48_000)
    var block = [Float](repeating: 0, count: 2_000)
    let loud = [Float](repeating: 1, count: 1_000)
    let silence = [Float](repeating: 0, count: 1_000)
    var span = block.mutableSpan
    _ = resampler.process(loud.span, into: &span)
    resampler.reset()
    span = block.mutableSpan
    let produced = resampler.process(silence.span, into: &span).produced
    #expect(produced > 0)
    #expect(block[..<produced].allSatisfy { $0 == 0 })
  }

  @Test(arguments: [(0, 48_000), (-1, 48_000), (48_000, 0), (1, 48_000), (48_000, Int.max)])
  func `rates that no sound has are refused`(from: Int, to: Int) {
    #expect(throws: ResamplerError.self) { _ = try Resampler(from: from, to: to) }
  }
}
