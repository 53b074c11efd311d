import Audio
import DTLSSRTP
import FoundationEssentials
import Gateway
import Glibc

/// One run: N connections, one recording of all or one of each, and what is known of them at the end.
struct Reception {
  private static let statisticsInterval = Duration.milliseconds(500)

  private static let stepInterval = Duration.seconds(2)
  private static let steps: [Duration] = [.milliseconds(120), .milliseconds(20)]

  private let order: Order
  private let publisher: Publisher

  init(_ order: Order) {
    self.order = order
    publisher = Publisher(port: order.port)
  }

  /// Ends the process when all files are complete.
  func run() async throws -> Never {
    let start = WallClock.processStart
    let identity = try DTLSIdentity()
    let streams = try (0..<order.streamCount).map { index in
      try Stream(index: index, identity: identity, playout: order.playout)
    }
    let recordings =
      order.isMixed
      ? [recording("mix", of: streams)] : streams.map { recording("\($0.index)", of: [$0]) }
    for recording in recordings { try await recording.open() }
    let writers = recordings.map { recording in Task { try await recording.run() } }

    let mediaStart = try await publisher.mediaStart()
    var asked: [Double] = []
    for stream in streams {
      asked.append(WallClock.now)
      try await stream.connect(to: publisher)
    }
    if let index = order.steppedStream, streams.indices.contains(index) {
      Task { try await Self.step(streams[index].feed) }
    }
    let figures = try await watch(streams, until: start + order.duration / .seconds(1))
    for writer in writers { writer.cancel() }
    for writer in writers { try await writer.value }

    let first = recordings.flatMap(\.firstSounds)
    for (index, recording) in recordings.enumerated() {
      let report = Recording.Report(
        t0: mediaStart, marks: recording.marks, first: first, asked: asked, tStart: start,
        stats: order.isMixed ? [] : figures[index], pull: order.turn * PCM.blockSize)
      try JSONEncoder().encode(report).write(to: URL(filePath: recording.path + ".json"))
    }
    // The connections stay open to the last, as those of a killed browser: a publisher is still asked for what it sent.
    withExtendedLifetime(streams) { exit(0) }
  }

  private func recording(_ name: String, of streams: [Stream]) -> Recording {
    Recording(
      path: "\(order.prefix)_\(name).wav", turn: order.turn, of: streams.map(\.feed), duration: order.duration)
  }

  /// Asks for another delay every two seconds, for ever.
  private static func step(_ feed: Feed) async throws {
    while true {
      for delay in steps {
        try await Task.sleep(for: stepInterval)
        feed.minimumDelay = delay
      }
    }
  }

  /// The streams' figures over time; a mix is left alone, as its cost is measured.
  private func watch(_ streams: [Stream], until end: Double) async throws -> [[Recording.Figures]] {
    var figures: [[Recording.Figures]] = streams.map { _ in [] }
    while WallClock.now < end {
      let rest = Duration.seconds(max(0, end - WallClock.now))
      try await Task.sleep(for: order.isMixed ? rest : min(rest, Self.statisticsInterval))
      guard !order.isMixed else { continue }
      for stream in streams {
        figures[stream.index].append(Recording.Figures(time: WallClock.now, stream.feed.statistics))
      }
    }
    return figures
  }
}
