internal import GLibLoop

/// Keeps a stream to a device going, over the deaths of servers and devices.
///
/// Made, used and released on the thread of its loop alone. `close` it before the last reference goes.
final class PulseSession {
  private static let backoff: ClosedRange<Duration> = .milliseconds(100)...(.seconds(5))

  private let direction: PulseStream.Direction
  private let server: String?
  private let device: String?
  private let report: @Sendable (PulseEvent) -> Void
  private let client: PulseClient
  private var stream: PulseStream?
  private var isClosed = false
  private var past = PulseStatistics()

  /// - Parameters:
  ///   - device: nil for the default one.
  ///   - report: Told what happens on the way.
  init(
    _ direction: PulseStream.Direction, device: String?, server: String?, on loop: GLibExecutor,
    report: @escaping @Sendable (PulseEvent) -> Void
  ) {
    self.direction = direction
    self.device = device
    self.server = server
    self.report = report
    client = PulseClient(on: loop)
  }

  /// Connects to the server and checks that the device is there.
  nonisolated(nonsending) func open() async throws(PulseError) {
    try await client.connect(to: server)
    _ = try await findDevice()
  }

  /// The device to ask for.
  /// - Throws: `noSink` or `noSource` if it is not there.
  private nonisolated(nonsending) func findDevice() async throws(PulseError) -> String? {
    let devices = try await client.devices()
    let names = (direction == .playback ? devices.sinks : devices.sources).map(\.name)
    // Names such as @DEFAULT_SINK@ are the server's to understand.
    guard device.map({ names.contains($0) || $0.hasPrefix("@") }) ?? !names.isEmpty else {
      throw direction == .playback
        ? .noSink(name: device, available: names) : .noSource(name: device, available: names)
    }
    return device
  }

  /// Lets sound flow until `close`.
  /// - Parameter transfer: Called in the media path with the number of samples that the server wants or has.
  /// - Throws: What stands against it at the start; what comes later is waited out.
  nonisolated(nonsending) func run(
    _ transfer: @escaping (PulseStream, Int) -> Void
  ) async throws(PulseError) {
    // Between `open` and now the server may have gone and come.
    var isLost = !client.isConnected
    var hasRun = isLost
    var pause = Self.backoff.lowerBound
    while !isClosed {
      let reason: String
      do throws(PulseError) {
        reason = try await play(transfer) { device in
          hasRun = true
          pause = Self.backoff.lowerBound
          if isLost {
            past.reconnectionCount += 1
            report(.restored(device: device))
          }
          isLost = false
        }
      } catch {
        guard hasRun || isClosed else { throw error }
        reason = error.description
      }
      guard !isClosed else { return }
      if !isLost { report(.lost(reason: reason)) }
      isLost = true
      try? await Task.sleep(for: pause)
      pause = min(pause * 2, Self.backoff.upperBound)
    }
  }

  /// Connects whatever is not connected and lets sound flow as long as it will.
  /// - Returns: Why it ended.
  private nonisolated(nonsending) func play(
    _ transfer: @escaping (PulseStream, Int) -> Void, started: (String) -> Void
  ) async throws(PulseError) -> String {
    if !client.isConnected { try await client.connect(to: server) }
    let name: String?
    do throws(PulseError) {
      name = try await findDevice()
    } catch .noSink, .noSource {
      // It was there at first. As the server would do with streams that lose their device: take the default one.
      name = nil
    }
    let stream = makeStream(transfer)
    self.stream = stream
    defer { retire(stream) }
    try await stream.connect(client, device: name)
    started(stream.device ?? "")
    await stream.end()
    return client.reason
  }

  private func makeStream(_ transfer: @escaping (PulseStream, Int) -> Void) -> PulseStream {
    PulseStream(
      direction, onTransfer: { [unowned self] count in stream.map { transfer($0, count) } },
      onIncident: { [unowned self] incident in
        switch incident {
        case .moved: report(.moved(device: stream?.device ?? ""))
        case .suspended: report(.suspended)
        case .resumed: report(.resumed)
        }
      })
  }

  private func retire(_ stream: PulseStream) {
    past.underflowCount += stream.underflowCount
    past.overflowCount += stream.overflowCount
    stream.close()
    if self.stream === stream { self.stream = nil }
  }

  var statistics: PulseStatistics {
    var statistics = past
    guard let stream else { return statistics }
    statistics.device = stream.device
    statistics.latency = stream.latency
    statistics.underflowCount += stream.underflowCount
    statistics.overflowCount += stream.overflowCount
    return statistics
  }

  /// Ends everything; `open` and `run` return.
  func close() {
    isClosed = true
    stream?.close()
    client.close()
  }
}
