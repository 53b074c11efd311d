import Audio
import AudioFiles
import Foundation
import TestSupport
import Testing

struct FileInputTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func play(_ path: String, repeats: Bool = false, until count: Int, sound: Int = 0) async throws -> Listener {
    let listener = Listener()
    let input = FileInput(path: path, repeats: repeats)
    try await input.open()
    let task = Task { try await input.run(listener.receive) }
    try await eventually("\(count) samples") { listener.samples.count >= count }
    // The loops of a loaded machine may be late, and then there is silence in between.
    try await eventually("as much sound") { listener.sound.count >= sound }
    task.cancel()
    try await task.value
    return listener
  }

  @Test(arguments: Encoding.allCases)
  func `every encoding plays once, then silence`(encoding: Encoding) async throws {
    let path = folder.file("tone.wav")
    let signal = tone(440, at: 48_000, count: 5_000)
    try writeWAV(path, rate: 48_000, channels: 1, encoding: encoding, signal)
    let heard = try await play(path, until: 9_600, sound: 5_000).sound
    let tolerance: Float = encoding == .unsigned8 ? 0.01 : 0.0001
    #expect(signal.indices.allSatisfy { abs(heard[$0] - signal[$0]) < tolerance })
    #expect(heard[5_000...].allSatisfy { $0 == 0 })
  }

  @Test(arguments: [(8_000, 1), (16_000, 2), (44_100, 2), (96_000, 6)])
  func `any rate and number of channels comes out as 48 kHz mono`(rate: Int, channels: Int) async throws {
    let path = folder.file("tone.wav")
    let mono = tone(997, at: rate, count: rate / 2)
    try writeWAV(
      path, rate: rate, channels: channels, encoding: .float32, mono.flatMap { Array(repeating: $0, count: channels) })
    let heard = try await play(path, until: 28_800, sound: 24_000).sound
    let expected = tone(997, at: 48_000, count: 24_000)
    #expect((2_400..<21_600).allSatisfy { abs(heard[$0] - expected[$0]) < 0.002 })
    #expect(heard[24_000...].allSatisfy { $0 == 0 })
  }

  @Test func `what is in one channel only is heard at half its level`() async throws {
    let path = folder.file("left.wav")
    try writeWAV(path, rate: 48_000, channels: 2, encoding: .float32, (0..<2_000).flatMap { _ in [0.5, 0] as [Float] })
    let heard = try await play(path, until: 1_920, sound: 1_920).sound
    #expect(heard[..<1_920].allSatisfy { $0 == 0.25 })
  }

  @Test(arguments: [48_000, 44_100])
  func `a repeated file has no seam`(rate: Int) async throws {
    let path = folder.file("loop.wav")
    // 100 whole periods, so that the repetition is one endless tone.
    let period = rate / 300
    try writeWAV(
      path, rate: rate, channels: 1, encoding: .float32, tone(300, at: rate, count: period * 100, amplitude: 0.5))
    let heard = try await play(path, repeats: true, until: 48_000, sound: 48_000).sound
    let expected = tone(300, at: 48_000, count: heard.count)
    #expect((480..<48_000).allSatisfy { abs(heard[$0] - expected[$0]) < 0.001 })
  }

  @Test func `blocks come in order at the pace of the clock`() async throws {
    let path = folder.file("tone.wav")
    try writeWAV(path, rate: 48_000, channels: 1, tone(440, at: 48_000, count: 48_000))
    let listener = try await play(path, until: 28_800)
    #expect(listener.blockSizes == [960])
    let times = listener.times
    // Late is the scheduler's business; early is ours.
    for (index, time) in times.enumerated() {
      #expect(time - times[0] > .milliseconds(20) * index - .milliseconds(20))
    }
  }

  @Test func `a file without sound is silence, however often it is repeated`() async throws {
    let path = folder.file("empty.wav")
    try writeWAV(path, rate: 44_100, channels: 2, [])
    let heard = try await play(path, repeats: true, until: 4_800).samples
    #expect(heard.allSatisfy { $0 == 0 })
  }

  @Test func `samples that are no numbers are silence`() async throws {
    let path = folder.file("odd.wav")
    try writeWAV(path, rate: 48_000, channels: 1, encoding: .float32, [.nan, .infinity, 0.5, -.infinity, 0.25])
    let heard = try await play(path, until: 960).samples
    #expect(heard[..<5] == [0, 0, 0.5, 0, 0.25])
  }

  @Test func `a file that is cut short plays as far as it goes`() async throws {
    let path = folder.file("cut.wav")
    try writeWAV(path, rate: 48_000, channels: 1, encoding: .float32, Array(repeating: 0.5, count: 4_000))
    truncate(path, 44 + 4 * 1_000)
    let heard = try await play(path, until: 1_920).samples
    #expect(heard[..<1_000].allSatisfy { $0 == 0.5 })
    #expect(heard[1_000...].allSatisfy { $0 == 0 })
  }

  @Test func `what cannot be played is told before the call`() async throws {
    await #expect(throws: AudioFileError.missing(path: folder.file("none.wav"))) {
      try await FileInput(path: folder.file("none.wav")).open()
    }
    let pipe = folder.file("pipe")
    mkfifo(pipe, 0o600)
    for path in [folder.path, pipe, "/dev/null"] {
      do {
        try await FileInput(path: path).open()
        Issue.record("\(path) was opened")
      } catch {
        guard case .unreadable = error else {
          Issue.record("\(path): \(error)")
          continue
        }
      }
    }
    let contents = ["", "hello", "RIFF\u{0}\u{0}\u{0}\u{0}WAVE", String(repeating: "no sound ", count: 1_000)]
    for content in contents {
      let path = folder.file("text.wav")
      try Data(content.utf8).write(to: URL(fileURLWithPath: path))
      do {
        try await FileInput(path: path).open()
        Issue.record("\(content.prefix(20)) was opened")
      } catch {
        guard case .notAudio = error else {
          Issue.record("\(error)")
          continue
        }
      }
    }
    let path = folder.file("rate.wav")
    try writeWAV(path, rate: 1, channels: 1, [0, 0, 0])
    await #expect(throws: AudioFileError.self) { try await FileInput(path: path).open() }
  }
}
