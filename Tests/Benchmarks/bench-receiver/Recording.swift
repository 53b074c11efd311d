import Audio
import AudioFiles
import GLibLoop
import Gateway
import Playout

/// A recording as the product makes it, and when which sample of it left.
final class Recording: SampleProvider {
  /// What stands beside the WAV file, in `.wav.json`.
  struct Report: Encodable {
    let kind = "clock"
    /// When sample 0 of the speech left the publisher; this and all times are in seconds since 1970.
    let t0: Double
    /// When the recording had so many samples.
    let marks: [[Double]]
    /// When each stream was first heard.
    let first: [Double?]
    /// When each stream was asked for.
    let asked: [Double]
    let tStart: Double
    let stats: [Figures]
    /// Samples that leave at a time.
    let pull: Int

    enum CodingKeys: String, CodingKey {
      case kind, t0, marks, first, asked, stats, pull
      case tStart = "t_start"
    }
  }

  private struct Progress {
    var marks: [(time: Double, samples: Int)] = []
    var samples = 0
    var firstSounds: [Double?]
    var silentStreams: Int
  }

  let path: String
  private let recorder: WAVRecorder
  private let feeds: [Feed]
  private let mix = OutputMix()
  private let progress: Locked<Progress>

  init(path: String, turn: Int, of feeds: [Feed], duration: Duration) {
    self.path = path
    self.feeds = feeds
    recorder = WAVRecorder(path: path, turn: turn)
    var progress = Progress(firstSounds: feeds.map { _ in nil }, silentStreams: feeds.count)
    progress.marks.reserveCapacity(Int(duration / PCM.blockDuration) + 100)
    self.progress = Locked(progress)
    for feed in feeds { mix.add(feed) }
  }

  func open() async throws { try await recorder.open() }

  /// Records until the task is cancelled.
  func run() async throws { try await recorder.run(self) }

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    mix.render(into: &samples, at: now)
    let count = samples.count
    let time = WallClock.now
    progress.withLock { progress in
      progress.samples += count
      progress.marks.append((time, progress.samples))
      guard progress.silentStreams > 0 else { return }
      for (index, feed) in feeds.enumerated()
      where progress.firstSounds[index] == nil && feed.statistics.jitterBufferEmittedCount > 0 {
        progress.firstSounds[index] = time
        progress.silentStreams -= 1
      }
    }
  }

  var marks: [[Double]] { progress.withLock { $0.marks.map { [$0.time, Double($0.samples)] } } }

  var firstSounds: [Double?] { progress.withLock { $0.firstSounds } }
}
