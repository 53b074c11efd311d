import Audio
import AudioFiles
import Foundation
import GLibLoop
import TestSupport
import Testing

/// Both ends of a pipe, closed with the test.
private final class PipeEnds: @unchecked Sendable {
  // Used by one test at a time.
  private(set) var reading: Int32
  private(set) var writing: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    pipe(&ends)
    reading = ends[0]
    writing = ends[1]
  }

  deinit {
    closeReading()
    closeWriting()
  }

  func closeReading() {
    if reading >= 0 { close(reading) }
    reading = -1
  }

  func closeWriting() {
    if writing >= 0 { close(writing) }
    writing = -1
  }

  /// Reads until `count` bytes have come or the writer is gone.
  func read(_ count: Int) async -> [UInt8] {
    await waiting { [reading] in
      var bytes = [UInt8](repeating: 0, count: count)
      var done = 0
      while done < count {
        let got = bytes.withUnsafeMutableBytes { Glibc.read(reading, $0.baseAddress! + done, count - done) }
        if got <= 0 { break }
        done += got
      }
      return Array(bytes[..<done])
    }
  }

  /// Writes all of `bytes`, unless the reader goes away.
  func write(_ bytes: [UInt8]) async {
    await waiting { [writing] in
      var done = 0
      while done < bytes.count {
        let put = bytes.withUnsafeBytes { Glibc.write(writing, $0.baseAddress! + done, bytes.count - done) }
        if put <= 0 { break }
        done += put
      }
    }
  }

  /// Does what may have to wait on a thread of its own: Swift's few must stay free for the other side.
  private func waiting<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }
}

private func counted(_ range: Range<Int>) -> [UInt8] {
  range.flatMap { index in
    let value = UInt16(bitPattern: Counter.value(at: index))
    return [UInt8(value & 0xff), UInt8(value >> 8)]
  }
}

struct PipeOutputTests {
  @Test func `a reader gets the samples in order, at the pace of the clock`() async throws {
    let ends = PipeEnds()
    let output = PipeOutput(descriptor: ends.writing)
    try await output.open()
    let start = ContinuousClock.now
    let task = Task { try await output.run(Counter()) }
    let bytes = await ends.read(2 * 24_000)
    let elapsed = ContinuousClock.now - start
    #expect(bytes == counted(0..<24_000))
    #expect(elapsed >= .milliseconds(490))
    #expect(output.droppedSampleCount == 0)
    task.cancel()
    try await task.value
  }

  @Test func `a reader that goes away ends the run`() async throws {
    let ends = PipeEnds()
    let output = PipeOutput(descriptor: ends.writing)
    try await output.open()
    let task = Task { try await output.run(Counter()) }
    _ = await ends.read(1_920)
    ends.closeReading()
    try await task.value
    #expect(!task.isCancelled)
  }

  @Test func `for a reader that stands still a second is kept, the oldest goes`() async throws {
    let ends = PipeEnds()
    // F_SETPIPE_SZ
    #expect(fcntl(ends.writing, 1031, 4_096) == 4_096)
    let output = PipeOutput(descriptor: ends.writing)
    let provider = Counter()
    try await output.open()
    let task = Task { try await output.run(provider) }
    try await eventually("a quarter of a second to be dropped") { output.droppedSampleCount >= 12_000 }
    // Whatever the reader does, the provider is asked on.
    #expect(provider.count >= 48_000 + 12_000)
    let dropped = output.droppedSampleCount
    let bytes = await ends.read(2 * 60_000)
    // A page was in the pipe and a block on its way; what follows them is a second old at most.
    let samples = stride(from: 0, to: bytes.count, by: 2).map {
      Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)
    }
    let jumps = (1..<samples.count).filter { samples[$0] != samples[$0 - 1] + 1 && samples[$0] != 0 }
    #expect(jumps.count == 1)
    #expect(jumps.first.map { $0 <= 2_048 + 960 } == true)
    let skipped = jumps.first.map { (Int(samples[$0]) - $0 + 40_000) % 20_000 } ?? -1
    #expect(skipped >= dropped % 20_000)
    task.cancel()
    try await task.value
  }

  @Test func `a socket works as a pipe does`() async throws {
    var ends: [Int32] = [-1, -1]
    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
    let output = PipeOutput(descriptor: ends[1])
    try await output.open()
    let task = Task { try await output.run(Counter()) }
    var bytes = [UInt8](repeating: 0, count: 3_840)
    #expect(recv(ends[0], &bytes, bytes.count, Int32(MSG_WAITALL)) == bytes.count)
    #expect(bytes == counted(0..<1_920))
    close(ends[0])
    try await task.value
    close(ends[1])
  }

  @Test func `a full disk is told as such`() async throws {
    let full = open("/dev/full", O_WRONLY)
    let output = PipeOutput(descriptor: full)
    try await output.open()
    await #expect(throws: AudioFileError.self) { try await output.run(Counter()) }
    close(full)
  }

  @Test func `a terminal, a closed descriptor and one for reading are refused`() async throws {
    let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    let readable = open("/dev/null", O_RDONLY)
    for descriptor in [terminal, readable, 1_000_000] {
      await #expect(throws: AudioFileError.self) { try await PipeOutput(descriptor: descriptor).open() }
    }
    close(terminal)
    close(readable)
  }
}

struct PipeInputTests {
  @Test func `what is written is handed out in blocks, then silence`() async throws {
    let ends = PipeEnds()
    let listener = Listener()
    let input = PipeInput(descriptor: ends.reading)
    try await input.open()
    let task = Task { try await input.run(listener.receive) }
    let writer = Task.detached {
      // Odd pieces, so that samples are torn.
      let bytes = counted(0..<20_000)
      for first in stride(from: 0, to: bytes.count, by: 1_001) {
        await ends.write(Array(bytes[first..<min(bytes.count, first + 1_001)]))
      }
      ends.closeWriting()
    }
    await writer.value
    try await eventually("all of it and silence") {
      listener.sound.count >= 20_000 && listener.samples.suffix(960).allSatisfy { $0 == 0 }
    }
    task.cancel()
    try await task.value
    let heard = listener.sound.map(PCM16.encode)
    #expect((0..<20_000).allSatisfy { heard[$0] == Counter.value(at: $0) })
    #expect(heard[20_000...].allSatisfy { $0 == 0 })
    #expect(listener.blockSizes == [960])
  }

  @Test func `a fast writer is held back, so that what is sent is never old`() async throws {
    let ends = PipeEnds()
    let listener = Listener()
    let input = PipeInput(descriptor: ends.reading)
    try await input.open()
    let task = Task { try await input.run(listener.receive) }
    let written = Locked(0)
    let writer = Task.detached {
      for first in stride(from: 0, to: 48_000, by: 480) {
        await ends.write(counted(first..<(first + 480)))
        written.withLock { $0 = first + 480 }
      }
    }
    try await eventually("half a second of sound") {
      let ahead = written.withLock { $0 }
      let heard = listener.samples.count
      // The ring, a page in the pipe, a block in each hand; and two blocks for a glance at two moments.
      #expect(ahead - heard <= 4_800 + 2_048 + 2 * 960 + 1_920 || heard == 0)
      return heard >= 24_000
    }
    task.cancel()
    try await task.value
    ends.closeReading()
    await writer.value
  }

  @Test func `a regular file plays from where it stands`() async throws {
    let folder = try ScratchFolder()
    let path = folder.file("sound.raw")
    try Data(counted(0..<9_600)).write(to: URL(fileURLWithPath: path))
    let descriptor = open(path, O_RDONLY)
    lseek(descriptor, 200, SEEK_SET)
    let listener = Listener()
    let input = PipeInput(descriptor: descriptor)
    try await input.open()
    let task = Task { try await input.run(listener.receive) }
    try await eventually("the file and silence") {
      listener.sound.count >= 9_500 && listener.samples.suffix(960).allSatisfy { $0 == 0 }
    }
    task.cancel()
    try await task.value
    close(descriptor)
    let heard = listener.sound
    #expect((0..<9_500).allSatisfy { PCM16.encode(heard[$0]) == Counter.value(at: $0 + 100) })
    #expect(heard[9_500...].allSatisfy { $0 == 0 })
  }

  @Test func `an interruption of the writer is bridged by silence and counted`() async throws {
    let ends = PipeEnds()
    let listener = Listener()
    let input = PipeInput(descriptor: ends.reading)
    try await input.open()
    let task = Task { try await input.run(listener.receive) }
    await ends.write(counted(1..<2_881))
    try await eventually("the writer to be missed") { input.underrunCount == 1 }
    await ends.write(counted(1..<2_881))
    try await eventually("sound again") {
      listener.samples.filter { $0 == PCM16.decode(1_500) }.count == 2
    }
    task.cancel()
    try await task.value
  }

  @Test func `a descriptor that cannot be read is refused`() async throws {
    let writable = open("/dev/null", O_WRONLY)
    let folder = open("/tmp", O_RDONLY)
    for descriptor in [writable, folder, 1_000_000] {
      await #expect(throws: AudioFileError.self) { try await PipeInput(descriptor: descriptor).open() }
    }
    close(writable)
    close(folder)
  }
}
