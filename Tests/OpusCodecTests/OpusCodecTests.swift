import Audio
import OpusCodec
import Playout
import Testing

/// Speech and its Opus packets.
struct Encoded {
  var samples: [Float]
  var packets: [[UInt8]] = []

  init(blocks: Int, _ configuration: OpusEncoder.Configuration = .init(), voice: SyntheticVoice? = .bass) throws {
    samples = [Float](repeating: 0, count: blocks * PCM.blockSize)
    if let voice {
      var signal = SpeechLikeSignal(voice: voice)
      var span = samples.mutableSpan
      signal.render(into: &span)
    }
    var encoder = try OpusEncoder(configuration)
    for block in 0..<blocks {
      var packet = [UInt8](repeating: 0, count: OpusEncoder.maximumPacketSize)
      var span = packet.mutableSpan
      let start = block * PCM.blockSize
      let size = try encoder.encode(samples.span.extracting(start..<(start + PCM.blockSize)), into: &span)
      packets.append(Array(packet.prefix(size)))
    }
  }
}

@Suite struct OpusCodecTests {
  func decode(_ packets: [[UInt8]]) throws -> [Float] {
    var decoder = try OpusDecoder()
    var output: [Float] = []
    for packet in packets {
      var samples = [Float](repeating: 0, count: 5_760)
      var span = samples.mutableSpan
      let count = decoder.decode(packet.span, into: &span)
      output += samples.prefix(try #require(count))
    }
    return output
  }

  /// How alike two stretches of sound are: 1 for equal up to a factor, 0 for unrelated.
  func likeness(_ reference: ArraySlice<Float>, _ samples: ArraySlice<Float>) -> Float {
    var product: Float = 0
    var energy: Float = 0
    var other: Float = 0
    for (a, b) in zip(reference, samples) {
      product += a * b
      energy += a * a
      other += b * b
    }
    return product / (energy * other).squareRoot()
  }

  @Test func `speech comes back as it went in, later by the codec's look-ahead`() throws {
    let encoded = try Encoded(blocks: 100)
    let decoded = try decode(encoded.packets)
    #expect(decoded.count == encoded.samples.count)
    #expect(likeness(encoded.samples[0..<90_000], decoded[312..<90_312]) > 0.85)
  }

  @Test func `a lost block is restored from the copy in the next packet`() throws {
    var configuration = OpusEncoder.Configuration()
    configuration.expectedLoss = 20
    let encoded = try Encoded(blocks: 60, configuration)
    var decoder = try OpusDecoder()
    let copies = encoded.packets.map { decoder.carriesRedundancy($0.span) }
    let lost = try #require((20..<60).first { copies[$0] }) - 1
    let whole = try decode(encoded.packets)
    for packet in encoded.packets[..<lost] {
      var samples = [Float](repeating: 0, count: 5_760)
      var span = samples.mutableSpan
      _ = decoder.decode(packet.span, into: &span)
    }
    var restored = [Float](repeating: 0, count: 960)
    var span = restored.mutableSpan
    let next = encoded.packets[lost + 1]
    let done = decoder.decodeRedundancy(of: next.span, into: &span)
    #expect(done)
    #expect(likeness(whole[(lost * 960)..<(lost * 960 + 960)], restored[...]) > 0.9)
  }

  @Test func `without expected loss packets carry no copies, with it they do`() throws {
    let decoder = try OpusDecoder()
    var configuration = OpusEncoder.Configuration()
    configuration.expectedLoss = 0
    let plain = try Encoded(blocks: 100, configuration)
    #expect(plain.packets.allSatisfy { !decoder.carriesRedundancy($0.span) })
    configuration.expectedLoss = 20
    let protected = try Encoded(blocks: 100, configuration)
    #expect(protected.packets.filter { decoder.carriesRedundancy($0.span) }.count > 50)
  }

  @Test(arguments: [24_000, 32_000, 48_000, 64_000])
  func `copies are there at all rates that losses alone bring a call to`(bitrate: Int) throws {
    var configuration = OpusEncoder.Configuration()
    configuration.bitrate = bitrate
    configuration.expectedLoss = 10
    let encoded = try Encoded(blocks: 200, configuration)
    let decoder = try OpusDecoder()
    // Of what is spoken, that is: pauses have none.
    #expect(encoded.packets.count { decoder.carriesRedundancy($0.span) } > 80)
  }

  @Test func `concealment goes on where the sound broke off and fades`() throws {
    let encoded = try Encoded(blocks: 12)
    var decoder = try OpusDecoder()
    for packet in encoded.packets {
      var samples = [Float](repeating: 0, count: 5_760)
      var span = samples.mutableSpan
      _ = decoder.decode(packet.span, into: &span)
    }
    var levels: [Float] = []
    for _ in 0..<50 {
      var samples = [Float](repeating: 9, count: 960)
      var span = samples.mutableSpan
      decoder.conceal(into: &span)
      levels.append(LevelMeter.level(of: samples.span).rms)
    }
    #expect(levels[0] > -40)
    #expect(levels[49] < levels[0] - 20)
  }

  @Test func `silence in discontinuous transmission is announced`() throws {
    var configuration = OpusEncoder.Configuration()
    configuration.discontinuous = true
    let encoded = try Encoded(blocks: 100, configuration, voice: nil)
    let decoder = try OpusDecoder()
    #expect(encoded.packets.filter { decoder.announcesSilence($0.span) }.count > 40)
    #expect(encoded.packets.allSatisfy { decoder.duration(of: $0.span) == 960 })
  }

  @Test func `durations follow the first byte`() throws {
    let decoder = try OpusDecoder()
    func duration(_ packet: [UInt8]) -> Int? { decoder.duration(of: packet.span) }
    // RFC 6716 §3.1: configuration 16 is CELT of 2.5 ms, 19 of 20 ms; 3 is SILK of 60 ms; code 1 means two frames.
    #expect(duration([16 << 3]) == 120)
    #expect(duration([19 << 3]) == 960)
    #expect(duration([3 << 3]) == 2_880)
    #expect(duration([3 << 3 | 1, 0, 0]) == 5_760)
    #expect(duration([]) == nil)
    #expect(duration([3 << 3 | 1, 0]) == nil)
  }

  @Test func `garbage is refused or decoded, and never traps`() throws {
    var decoder = try OpusDecoder()
    var random: UInt32 = 7
    func next() -> Int {
      random = random &* 1_664_525 &+ 1_013_904_223
      return Int(random >> 8)
    }
    var samples = [Float](repeating: 0, count: 5_760)
    for _ in 0..<20_000 {
      let packet = (0..<(next() % 60)).map { _ in UInt8(truncatingIfNeeded: next()) }
      let duration = decoder.duration(of: packet.span)
      _ = decoder.carriesRedundancy(packet.span)
      var span = samples.mutableSpan
      let count = decoder.decode(packet.span, into: &span)
      #expect(count == nil || count == duration)
      var part = span._mutatingExtracting(0..<960)
      _ = decoder.decodeRedundancy(of: packet.span, into: &part)
      if next() % 8 == 0 { decoder.conceal(into: &part) }
    }
    #expect(samples.allSatisfy { $0.isFinite })
  }

  @Test func `bitrate and expected loss can change on the way`() throws {
    var encoder = try OpusEncoder()
    var signal = SpeechLikeSignal(voice: .tenor)
    func bytes() throws -> Int {
      var total = 0
      for _ in 0..<100 {
        var samples = [Float](repeating: 0, count: 960)
        var block = samples.mutableSpan
        signal.render(into: &block)
        var packet = [UInt8](repeating: 0, count: OpusEncoder.maximumPacketSize)
        var span = packet.mutableSpan
        total += try encoder.encode(samples.span, into: &span)
      }
      return total
    }
    let before = try bytes()
    encoder.setBitrate(64_000)
    encoder.setExpectedLoss(-5)
    #expect(try bytes() > before * 3 / 2)
  }

  @Test func `the library tells its version`() {
    #expect(OpusLibrary.version.hasPrefix("libopus"))
  }
}
