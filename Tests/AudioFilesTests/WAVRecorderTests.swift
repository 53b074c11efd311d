import Audio
import AudioFiles
import Foundation
import GLibLoop
import TestSupport
import Testing

struct WAVRecorderTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  @Test func `a recording is as long as it took, and every sample is in its place`() async throws {
    let path = folder.file("call.wav")
    let provider = Counter()
    let recorder = WAVRecorder(path: path)
    try await recorder.open()
    let start = ContinuousClock.now
    let task = Task { try await recorder.run(provider) }
    try await eventually("half a second of sound") { await recorder.sampleCount >= 24_000 }
    task.cancel()
    let asked = ContinuousClock.now - (try #require(provider.firstAsked))
    try await task.value
    let took = ContinuousClock.now - start

    let file = try ParsedWAV(path)
    #expect(file.identifier == "RIFF")
    #expect(file.riffSize == file.fileSize - 8)
    #expect(file.dataSize == file.fileSize - file.dataOffset)
    #expect((file.format, file.sampleRate, file.channels, file.bits) == (1, 48_000, 1, 16))
    #expect(file.samples.indices.allSatisfy { file.samples[$0] == Counter.value(at: $0) })
    #expect(file.samples.count == provider.count)
    #expect(file.samples.count <= PCM.samples(in: took))
    #expect(file.samples.count >= PCM.samples(in: asked) - 960)
  }

  @Test func `what is on disk during a recording is a whole file`() async throws {
    let path = folder.file("call.wav")
    let recorder = WAVRecorder(path: path)
    try await recorder.open()
    let task = Task { try await recorder.run(Counter()) }
    // The header on disk must be at most a second (and a block) behind the data, at any moment. Before there is any
    // data, libsndfile writes an RF64 header and corrects it at once.
    var hasBegun = false
    try await eventually("two seconds of sound") {
      let file = try ParsedWAV(path)
      hasBegun = hasBegun || file.identifier == "RIFF"
      if hasBegun {
        #expect((file.identifier, file.format) == ("RIFF", 1))
        #expect(file.riffSize == file.dataOffset - 8 + file.dataSize)
        #expect(file.dataSize <= file.fileSize - file.dataOffset)
      }
      return file.dataSize >= 2 * 96_000
    }
    task.cancel()
    try await task.value
  }

  @Test func `a loop that was held up leaves no gap`() async throws {
    let path = folder.file("call.wav")
    let loop = GLibExecutor(name: "slow disk")
    let provider = Counter()
    let recorder = WAVRecorder(path: path, on: loop)
    try await recorder.open()
    let task = Task { try await recorder.run(provider) }
    try await eventually("the first block") { await recorder.sampleCount > 0 }
    let hold = LoopTimer(on: loop) { usleep(300_000) }
    hold.wake()
    try await eventually("a second of sound") { await recorder.sampleCount >= 48_000 }
    let elapsed = ContinuousClock.now - (try #require(provider.firstAsked))
    task.cancel()
    try await task.value
    let file = try ParsedWAV(path)
    #expect(file.samples.indices.allSatisfy { file.samples[$0] == Counter.value(at: $0) })
    #expect(file.samples.count >= PCM.samples(in: elapsed) - 960)
  }

  @Test func `a file beyond 4 GiB is RF64`() throws {
    let path = folder.file("long.wav")
    let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
    let file = try WAVFile(descriptor: descriptor, path: path)
    let first = [Float](repeating: 0.5, count: 960)
    let last = [Float](repeating: -0.5, count: 960)
    try file.append(first.span)
    try file.updateHeader()
    #expect(try ParsedWAV(path).identifier == "RIFF")
    #expect(try ParsedWAV(path).chunks.contains("JUNK"))
    let hole = 2_200_000_000
    file.appendHole(of: hole)
    try file.append(last.span)
    try file.close()

    let parsed = try ParsedWAV(path, withSamples: false)
    #expect((parsed.identifier, parsed.format) == ("RF64", 1))
    #expect(parsed.chunks.first == "ds64")
    #expect(parsed.dataSize == 2 * (hole + 1_920))
    #expect(parsed.riffSize == parsed.fileSize - 8)
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    try handle.seek(toOffset: UInt64(parsed.dataOffset))
    #expect(try handle.read(upToCount: 2).map(Array.init) == [0, 0x40])
    try handle.seek(toOffset: UInt64(parsed.fileSize - 2))
    #expect(try handle.read(upToCount: 2).map(Array.init) == [0, 0xc0])
  }

  @Test func `an old recording is replaced only when the new one starts`() async throws {
    let path = folder.file("call.wav")
    try Data(repeating: 7, count: 200_000).write(to: URL(fileURLWithPath: path))
    let recorder = WAVRecorder(path: path)
    try await recorder.open()
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 200_000)
    let task = Task { try await recorder.run(Counter()) }
    try await eventually("sound") { await recorder.sampleCount > 0 }
    task.cancel()
    try await task.value
    let file = try ParsedWAV(path)
    #expect(file.dataSize == file.fileSize - file.dataOffset)
    #expect(file.samples.indices.allSatisfy { file.samples[$0] == Counter.value(at: $0) })
  }

  @Test func `a full disk is told as such`() async throws {
    let recorder = WAVRecorder(path: "/dev/full")
    try await recorder.open()
    await #expect(throws: AudioFileError.diskFull(path: "/dev/full", written: .zero)) {
      try await recorder.run(Counter())
    }
  }

  @Test func `a device that takes everything is a fine place`() async throws {
    let recorder = WAVRecorder(path: "/dev/null")
    try await recorder.open()
    let task = Task { try await recorder.run(Counter()) }
    try await eventually("more than a second, over a header's renewal") { await recorder.sampleCount > 50_000 }
    task.cancel()
    try await task.value
  }

  @Test func `what cannot be written is told before the call`() async throws {
    let pipe = folder.file("pipe")
    mkfifo(pipe, 0o600)
    for path in [folder.path, folder.file("no/such/folder.wav"), "", pipe] {
      do {
        try await WAVRecorder(path: path).open()
        Issue.record("\(path) was opened")
      } catch {
        guard case .notWritable = error else {
          Issue.record("\(path): \(error)")
          continue
        }
      }
    }
    let path = folder.file("twice.wav")
    let first = WAVRecorder(path: path)
    try await first.open()
    await #expect(throws: AudioFileError.inUse(path: path)) { try await WAVRecorder(path: path).open() }
    withExtendedLifetime(first) {}
  }

  @Test func `a recording cancelled before it starts is an empty file`() async throws {
    let path = folder.file("call.wav")
    let recorder = WAVRecorder(path: path)
    try await recorder.open()
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await recorder.run(Counter())
    }
    try await task.value
    let file = try ParsedWAV(path)
    #expect(file.sampleRate == 48_000)
    #expect(file.dataSize == file.fileSize - file.dataOffset)
  }
}
