internal import Audio
internal import CPulse

/// A playback or record stream of 48 kHz mono Float32, asked to be 20 ms from the device.
///
/// Lives on the loop's thread alone, as its client does. `close` it before the last reference goes.
final class PulseStream {
  enum Direction {
    case playback, record
  }

  /// What happens to a stream that goes on.
  enum Incident {
    case moved, suspended, resumed
  }

  private static let bytesPerSample = MemoryLayout<Float>.size
  private static let target = UInt32(PCM.blockSize * bytesPerSample)

  private let direction: Direction
  private var stream: OpaquePointer?
  private let onTransfer: (Int) -> Void
  private let onIncident: (Incident) -> Void
  private var waiting: CheckedContinuation<Void, Never>?

  private(set) var underflowCount = 0
  private(set) var overflowCount = 0

  /// - Parameters:
  ///   - onTransfer: Called in the media path with the number of samples that the server wants or has.
  ///   - onIncident: Called when the server has moved or suspended the stream.
  init(
    _ direction: Direction, onTransfer: @escaping (Int) -> Void, onIncident: @escaping (Incident) -> Void
  ) {
    self.direction = direction
    self.onTransfer = onTransfer
    self.onIncident = onIncident
  }

  deinit { precondition(stream == nil, "a PulseAudio stream must be closed") }

  /// Connects to a device and returns when sound flows.
  /// - Parameter device: nil for the default one.
  /// - Throws: `failed`.
  nonisolated(nonsending) func connect(_ client: PulseClient, device: String?) async throws(PulseError) {
    guard let context = client.context else { throw .failed(reason: client.reason) }
    let properties = PulseProperties.make([("media.role", "phone")])
    defer { pa_proplist_free(properties) }
    var format = pa_sample_spec(format: PA_SAMPLE_FLOAT32LE, rate: UInt32(PCM.sampleRate), channels: 1)
    guard let stream = pa_stream_new_with_proplist(context, "talkbridge", &format, nil, properties) else {
      throw .failed(reason: client.reason)
    }
    self.stream = stream
    install(on: stream)
    if start(stream, device) >= 0 { await change(while: PA_STREAM_CREATING) }
    guard self.stream != nil, pa_stream_get_state(stream) == PA_STREAM_READY else {
      let reason = client.reason
      close()
      throw .failed(reason: reason)
    }
  }

  private func start(_ stream: OpaquePointer, _ device: String?) -> Int32 {
    let flags = pa_stream_flags_t(
      PA_STREAM_ADJUST_LATENCY.rawValue | PA_STREAM_AUTO_TIMING_UPDATE.rawValue
        | PA_STREAM_INTERPOLATE_TIMING.rawValue)
    // Without pre-buffering an underrun costs what was late, and no more: playing goes on in time.
    var buffering = pa_buffer_attr(
      maxlength: .max, tlength: Self.target, prebuf: 0, minreq: Self.target / 4, fragsize: Self.target)
    return switch direction {
    case .playback: pa_stream_connect_playback(stream, device, &buffering, flags, nil, nil)
    case .record: pa_stream_connect_record(stream, device, &buffering, flags)
    }
  }

  private func install(on stream: OpaquePointer) {
    let me = Unmanaged.passUnretained(self).toOpaque()
    pa_stream_set_state_callback(stream, { _, me in PulseStream.of(me).resume() }, me)
    let transfer: pa_stream_request_cb_t = { _, bytes, me in
      PulseStream.of(me).onTransfer(bytes / PulseStream.bytesPerSample)
    }
    switch direction {
    case .playback: pa_stream_set_write_callback(stream, transfer, me)
    case .record: pa_stream_set_read_callback(stream, transfer, me)
    }
    pa_stream_set_underflow_callback(stream, { _, me in PulseStream.of(me).underflowCount += 1 }, me)
    pa_stream_set_overflow_callback(stream, { _, me in PulseStream.of(me).overflowCount += 1 }, me)
    pa_stream_set_moved_callback(stream, { _, me in PulseStream.of(me).onIncident(.moved) }, me)
    pa_stream_set_suspended_callback(
      stream,
      { stream, me in PulseStream.of(me).onIncident(pa_stream_is_suspended(stream) > 0 ? .suspended : .resumed) }, me)
  }

  /// Returns when the stream has ended: by `close`, by the server, or with the connection.
  nonisolated(nonsending) func end() async {
    await change(while: PA_STREAM_READY)
  }

  private nonisolated(nonsending) func change(while state: pa_stream_state_t) async {
    while let stream, pa_stream_get_state(stream) == state {
      await withCheckedContinuation { waiting = $0 }
    }
  }

  private func resume() {
    waiting?.resume()
    waiting = nil
  }

  func close() {
    guard let stream else { return }
    self.stream = nil
    pa_stream_set_state_callback(stream, nil, nil)
    pa_stream_set_write_callback(stream, nil, nil)
    pa_stream_set_read_callback(stream, nil, nil)
    pa_stream_set_underflow_callback(stream, nil, nil)
    pa_stream_set_overflow_callback(stream, nil, nil)
    pa_stream_set_moved_callback(stream, nil, nil)
    pa_stream_set_suspended_callback(stream, nil, nil)
    pa_stream_disconnect(stream)
    pa_stream_unref(stream)
    resume()
  }

  /// The device that the stream is connected to.
  var device: String? {
    guard let stream, let name = pa_stream_get_device_name(stream) else { return nil }
    return String(cString: name)
  }

  /// From what we write until it is heard, or from what was heard until we read it; nil until measured.
  var latency: Duration? {
    var microseconds: pa_usec_t = 0
    var isNegative: Int32 = 0
    guard let stream, pa_stream_get_latency(stream, &microseconds, &isNegative) == 0 else { return nil }
    // Negative: a monitor gives what will be played only then.
    return .microseconds(Int64(clamping: microseconds) * (isNegative != 0 ? -1 : 1))
  }

  /// Has `render` fill a piece of the server's own memory, and plays it.
  /// - Parameters:
  ///   - count: How many samples there should be, at most.
  ///   - afterGap: Whether to play it next, whatever should have come before.
  /// - Returns: How many there were; 0 if the stream takes none.
  func write(_ count: Int, afterGap: Bool, _ render: (inout MutableSpan<Float>) -> Void) -> Int {
    guard let stream else { return 0 }
    var memory: UnsafeMutableRawPointer?
    var size = count * Self.bytesPerSample
    guard pa_stream_begin_write(stream, &memory, &size) == 0, let memory else { return 0 }
    let samples = min(count, size / Self.bytesPerSample)
    var span = UnsafeMutableBufferPointer(start: memory.bindMemory(to: Float.self, capacity: samples), count: samples)
      .mutableSpan
    render(&span)
    let seek = afterGap ? PA_SEEK_RELATIVE_ON_READ : PA_SEEK_RELATIVE
    return pa_stream_write(stream, memory, samples * Self.bytesPerSample, nil, 0, seek) == 0 ? samples : 0
  }

  /// Hands over all that the server has sent. A hole in it (the server had nothing) comes as nil and its length.
  func read(_ receive: (Span<Float>?, Int) -> Void) {
    while let stream {
      var memory: UnsafeRawPointer?
      var size = 0
      guard pa_stream_peek(stream, &memory, &size) == 0, size > 0 else { return }
      let samples = size / Self.bytesPerSample
      if let memory {
        let buffer = UnsafeBufferPointer(start: memory.bindMemory(to: Float.self, capacity: samples), count: samples)
        receive(buffer.span, samples)
      } else {
        receive(nil, samples)
      }
      pa_stream_drop(stream)
    }
  }

  private static func of(_ me: UnsafeMutableRawPointer?) -> PulseStream {
    Unmanaged<PulseStream>.fromOpaque(me!).takeUnretainedValue()
  }
}
