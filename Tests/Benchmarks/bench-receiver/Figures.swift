import Glibc
import Playout

extension Recording {
  /// A stream's figures at one moment, under the names of webrtc-stats: written as `[time, {name: value}]`.
  struct Figures: Encodable {
    private let time: Double
    private let values: [String: Double]

    init(time: Double, _ statistics: PlayoutStatistics) {
      self.time = time
      let counters = [
        "packetsReceived": statistics.packetsReceived, "packetsLost": statistics.packetsLost,
        "packetsDiscarded": statistics.packetsDiscarded, "fecPacketsUsed": statistics.fecPacketsUsed,
        "totalSamplesReceived": statistics.totalSamplesReceived, "concealedSamples": statistics.concealedSamples,
        "silentConcealedSamples": statistics.silentConcealedSamples,
        "concealmentEvents": statistics.concealmentEvents,
        "insertedSamplesForDeceleration": statistics.insertedSamplesForDeceleration,
        "removedSamplesForAcceleration": statistics.removedSamplesForAcceleration,
        "jitterBufferEmittedCount": statistics.jitterBufferEmittedCount,
      ]
      var values = counters.mapValues { Double($0) }
      values["jitterBufferDelay"] = statistics.jitterBufferDelay / .seconds(1)
      values["jitterBufferTargetDelay"] = statistics.jitterBufferTargetDelay / .seconds(1)
      values["targetDelay"] = statistics.targetDelay / .seconds(1)
      self.values = values
    }

    func encode(to encoder: any Encoder) throws {
      var pair = encoder.unkeyedContainer()
      try pair.encode(time)
      try pair.encode(values)
    }
  }
}

/// The clock that all processes of a benchmark share, in seconds since 1970.
enum WallClock {
  static var now: Double { seconds(of: CLOCK_REALTIME) }

  /// When this process was started, to 10 ms: field 22 of /proc/self/stat, in clock ticks since boot.
  static var processStart: Double {
    var text = [UInt8](repeating: 0, count: 4_096)
    let file = open("/proc/self/stat", O_RDONLY)
    let count = read(file, &text, text.count)
    close(file)
    let fields = String(decoding: text.prefix(max(0, count)), as: UTF8.self).split(separator: ")").last?.split(
      separator: " ")
    guard let fields, fields.count > 19, let ticks = Double(fields[19]) else { return now }
    return now - (seconds(of: CLOCK_BOOTTIME) - ticks / Double(sysconf(Int32(_SC_CLK_TCK))))
  }

  private static func seconds(of clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
