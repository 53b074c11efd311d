internal import CSpeexDSP

/// Two sampling rates between which there is no resampler, or no memory for one.
public struct ResamplerError: Error, Equatable, CustomStringConvertible {
  public let inputRate: Int
  public let outputRate: Int
  let reason: String

  public var description: String {
    "sound at \(inputRate) Hz cannot be converted to \(outputRate) Hz: \(reason)"
  }
}

/// Converts a continuous mono signal from one sampling rate to another.
///
/// Output sample *k* shows the input at the time *k* / `outputRate`: the filter's delay is taken out at the start, and
/// `flush` brings the end, so that *n* samples in give ⌈*n* · `outputRate` / `inputRate`⌉ out. Equal rates pass samples
/// on unchanged. Only the ratio of the rates matters to the filter; it need not be a simple one.
///
/// Not for two threads at once. `process` and `flush` allocate nothing.
public struct Resampler: ~Copyable {
  /// How long and steep the filter is. The names say where speexdsp's authors use the number.
  public enum Quality: Int, Sendable {
    case voip = 3
    case desktop = 5
    /// Inaudible on anything; what files are read with.
    case high = 8
    case best = 10
  }

  public let inputRate: Int
  public let outputRate: Int
  /// How many input samples must follow one before the output it belongs to comes out. 0 for equal rates.
  public let inputLatency: Int
  /// nil where the rates are equal.
  private let state: OpaquePointer?
  private var consumed = 0
  private var produced = 0

  /// - Parameters:
  ///   - inputRate: Samples per second, 1 000 … 1 000 000.
  ///   - outputRate: Likewise.
  public init(from inputRate: Int, to outputRate: Int, quality: Quality = .high) throws(ResamplerError) {
    let filter = try Self.makeFilter(from: inputRate, to: outputRate, quality)
    self.inputRate = inputRate
    self.outputRate = outputRate
    state = filter
    inputLatency = filter.map { Int(speex_resampler_get_input_latency($0)) } ?? 0
  }

  private static func makeFilter(
    from inputRate: Int, to outputRate: Int, _ quality: Quality
  ) throws(ResamplerError) -> OpaquePointer? {
    // Beyond these the filter would need memory by the gigabyte, and nothing that makes sound works there.
    guard 1_000...1_000_000 ~= inputRate, 1_000...1_000_000 ~= outputRate else {
      throw ResamplerError(
        inputRate: inputRate, outputRate: outputRate, reason: "rates between 1000 and 1000000 Hz are supported")
    }
    if inputRate == outputRate { return nil }
    var status: Int32 = 0
    let filter = speex_resampler_init(1, UInt32(inputRate), UInt32(outputRate), Int32(quality.rawValue), &status)
    guard let filter else {
      throw ResamplerError(
        inputRate: inputRate, outputRate: outputRate, reason: String(cString: speex_resampler_strerror(status)))
    }
    speex_resampler_skip_zeros(filter)
    return filter
  }

  deinit {
    if let state { speex_resampler_destroy(state) }
  }

  /// Takes as much of `input` and fills as much of `output` as the other allows.
  ///
  /// Call it again with the rest of the one or room in the other until all input is consumed.
  public mutating func process(
    _ input: Span<Float>, into output: inout MutableSpan<Float>
  ) -> (consumed: Int, produced: Int) {
    let step = convert(input, into: &output, 0..<output.count)
    consumed += step.consumed
    produced += step.produced
    return step
  }

  /// After the last input, fills `output` with what the filter still holds.
  /// - Returns: How many samples were written; fewer than `output` holds (perhaps none) when that was all.
  public mutating func flush(into output: inout MutableSpan<Float>) -> Int {
    let (whole, rest) = (consumed * outputRate).quotientAndRemainder(dividingBy: inputRate)
    let remaining = min(whole + (rest > 0 ? 1 : 0) - produced, output.count)
    guard remaining > 0 else { return 0 }
    let silence: InlineArray<256, Float> = .init(repeating: 0)
    var written = 0
    while written < remaining {
      written += convert(silence.span, into: &output, written..<remaining).produced
    }
    produced += written
    return written
  }

  /// Forgets the signal, as if newly made.
  public mutating func reset() {
    consumed = 0
    produced = 0
    guard let state else { return }
    speex_resampler_reset_mem(state)
    speex_resampler_skip_zeros(state)
  }

  private func convert(
    _ input: Span<Float>, into output: inout MutableSpan<Float>, _ room: Range<Int>
  ) -> (consumed: Int, produced: Int) {
    guard let state else {
      let count = min(input.count, room.count)
      for index in 0..<count { output[room.lowerBound + index] = input[index] }
      return (count, count)
    }
    // speexdsp takes no null pointers, not even for nothing.
    guard !room.isEmpty, !input.isEmpty else { return (0, 0) }
    var inputCount = UInt32(clamping: input.count)
    var outputCount = UInt32(clamping: room.count)
    input.withUnsafeBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output in
        _ = speex_resampler_process_float(
          state, 0, input.baseAddress, &inputCount, output.baseAddress! + room.lowerBound, &outputCount)
      }
    }
    return (Int(inputCount), Int(outputCount))
  }
}
