import Audio
import Foundation
import GLibLoop
import Glibc
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// The ends of sound: readers that are slow or go away, writers that end, files of every kind.
@Suite struct SoundEndTests {
  private static let nothing = ["--input", "none", "--output", "none"]

  private static func number(_ value: JSONValue) -> Double? {
    if case .number(let number) = value { number } else { nil }
  }

  // MARK: Readers

  @Test func `for a reader that stops one second is held, the oldest goes, and what is lost is told`() async throws {
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        let arguments = ["record", url, "--output", "-"]
        let plain = try talkbridge(arguments, output: .pipe)
        let json = try talkbridge(arguments + ["--json"], output: .pipe)
        try await plain.says("ms of sound are lost so far")
        try await json.says(#""event":"sound-dropped""#, times: 2)
        for child in [plain, json] {
          child.send(SIGINT)
          #expect(try await child.exit() == .code(0), "\(child.errorOutput)")
        }
        #expect(await room.names(token) == ["Guest"])
        let loss = plain.errorOutput.firstMatch(of: /call; (\d{3,}) ms of it are lost/)
        #expect(loss != nil, "\(plain.errorOutput)")
        let end = try #require(json.errorOutput.split(separator: "\n").last.flatMap { EventSchema.object(String($0)) })
        let output = try #require(end["outputs"].array?.first)
        let rendered = try #require(Self.number(output["renderedSeconds"]))
        let dropped = try #require(Self.number(output["droppedSeconds"]))
        // F_GETPIPE_SZ of <linux/fcntl.h>, which the importer does not see.
        let inPipe = Double(fcntl(json.outputDescriptor, 1032)) / 96_000
        #expect(abs(rendered - dropped - inPipe - 1) < 0.15, "\(output)")
      }
    }
  }

  @Test(arguments: [["record"], ["join", "--input", "none"]])
  func `a reader that has enough ends the program in good order`(command: [String]) async throws {
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        let child = try talkbridge(command + [url, "--name", "Anna", "--output", "-"], output: .pipe)
        try await eventually("Anna in the call") { await room.namesInCall(token).contains("Anna") }
        child.closeOutput()
        #expect(try await child.exit() == .code(0), "\(child.errorOutput)")
        #expect(child.errorOutput.contains("leaving: nobody reads the output any more"))
        #expect(await room.names(token) == ["Guest"])
      }
    }
  }

  // MARK: Writers and files

  /// A recording that goes on, of whoever speaks.
  private static func withRecording(
    _ body: (_ recording: Recording, _ room: EmbeddedRoom, _ url: String) async throws -> Void
  ) async throws {
    let run = try RunDirectory()
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        let path = run.file("call.wav")
        let child = try talkbridge(["record", url, "--output", path])
        try await eventually("a recording") { FileManager.default.fileExists(atPath: path) }
        try await body(Recording(child: child, path: path), room, url)
        child.send(SIGINT)
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
      }
    }
  }

  private struct Recording {
    var child: ChildProcess
    var path: String

    var samples: [Float] { (try? WaveFile.read(path, isGrowing: true)) ?? [] }

    /// Waits until a participant is heard, and for so many seconds more; gives what was recorded meanwhile.
    func hears(_ name: String, andThen seconds: Int) async throws -> [Float] {
      let start = samples.count
      try await child.says("hearing \(name)")
      let end = samples.count + seconds * PCM.sampleRate
      try await eventually("\(seconds) s more") { samples.count >= end }
      return Array(samples[start...])
    }
  }

  private static func isSilent(_ samples: some Sequence<Float>) -> Bool { samples.allSatisfy { abs($0) < 0.001 } }

  @Test func `raw input that has ended is followed by silence, and we stay`() async throws {
    try await Self.withRecording { recording, room, url in
      let child = try talkbridge(
        ["join", url, "--name", "Anna", "--input", "-", "--output", "none"], input: .pipe)
      // More than the pipe holds is taken only when it is time for it.
      let writing = inTask { try? child.write(Speech.raw(Speech.samples(.alto, seconds: 4))) }
      let heard = try await recording.hears("Anna", andThen: 3)
      await writing.value
      child.closeInput()
      #expect(Speech.voices(in: heard) == [.alto])
      let after = recording.samples.count + 3 * PCM.sampleRate
      try await eventually("three seconds of silence") { recording.samples.count >= after }
      #expect(Self.isSilent(recording.samples.suffix(PCM.sampleRate)))
      #expect(child.exitStatus == nil)
      #expect(await room.namesInCall(token).contains("Anna"))
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
    }
  }

  @Test func `files of any rate, width and channels play once, then there is silence`() async throws {
    let run = try RunDirectory()
    try await Self.withRecording { recording, room, url in
      for (name, voice, format) in [
        ("Bruno", SyntheticVoice.bass, WaveFormat(rate: 8000, channels: 1, encoding: .unsigned8)),
        ("Timo", .tenor, WaveFormat(rate: 44_100, channels: 2, encoding: .signed24)),
        ("Alva", .alto, WaveFormat(rate: 96_000, channels: 6, encoding: .float32)),
      ] {
        let path = run.file("\(name).wav")
        try Data(format.file(Speech.samples(voice, seconds: 4))).write(to: URL(filePath: path))
        let child = try talkbridge(["join", url, "--name", name, "--input", path, "--output", "none"])
        let heard = try await recording.hears(name, andThen: 7)
        #expect(Speech.voices(in: heard) == [voice], "\(name)")
        #expect(Self.isSilent(heard.suffix(PCM.sampleRate)), "\(name)")
        #expect(child.exitStatus == nil)
        child.send(SIGINT)
        #expect(try await child.exit() == .code(0), "\(child.transcript)")
      }
    }
  }

  @Test(arguments: ["not a WAV file, but some words", "", "RIFF\u{24}\0\0\0WAVEfmt "])
  func `what is no sound file is told as such`(content: String) async throws {
    let run = try RunDirectory()
    let path = run.file("speech.wav")
    try Data(content.utf8).write(to: URL(filePath: path))
    try await withRoom { room, url in
      let child = try talkbridge(["join", url, "--input", path, "--output", "none"])
      #expect(try await child.exit() == .code(ExitCause.inputUnusable.rawValue), "\(child.transcript)")
      let line = child.errorOutput.split(separator: "\n").last ?? ""
      #expect(line.contains("\(path) holds no sound that can be played") && line.contains("give a WAV file"))
      #expect(await room.names(token).isEmpty)
    }
  }

  @Test func `a terminal carries no raw sound`() async throws {
    let terminal = try PseudoTerminal(columns: 80, rows: 24)
    try await withRoom { _, url in
      for (words, status) in [
        (["join", url, "--input", "-", "--output", "none"], ExitCause.inputUnusable),
        (["record", url, "--output", "-"], .outputUnwritable),
      ] {
        let child = try terminal.start("talkbridge", words)
        #expect(try await child.exit() == .code(status.rawValue), "\(terminal.text)")
      }
      try await terminal.settle()
      #expect(terminal.text.count(of: "it is a terminal") == 2)
    }
  }
}

/// Runs what blocks beside the test.
private func inTask(_ body: @escaping @Sendable () -> Void) -> Task<Void, Never> {
  Task.detached {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        body()
        continuation.resume()
      }
    }
  }
}

/// A kind of WAV file.
private struct WaveFormat {
  enum Encoding { case unsigned8, signed24, float32 }

  var rate: Int
  var channels: Int
  var encoding: Encoding

  /// A file of 48 kHz sound, the same in all channels.
  func file(_ sound: [Float]) -> [UInt8] {
    let bits = [Encoding.unsigned8: 8, .signed24: 24, .float32: 32][encoding]!
    var data: [UInt8] = []
    for sample in resampled(sound) {
      let bytes: [UInt8] =
        switch encoding {
        case .unsigned8: [UInt8(max(0, min(255, sample * 127 + 128)))]
        case .signed24: little(Int(sample * 8_388_607), 3)
        case .float32: little(Int(sample.bitPattern), 4)
        }
      for _ in 0..<channels { data += bytes }
    }
    let frame = channels * bits / 8
    return Array("RIFF".utf8) + little(36 + data.count, 4) + Array("WAVEfmt ".utf8) + little(16, 4)
      + little(encoding == .float32 ? 3 : 1, 2) + little(channels, 2) + little(rate, 4) + little(rate * frame, 4)
      + little(frame, 2) + little(bits, 2) + Array("data".utf8) + little(data.count, 4) + data
  }

  private func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// Good enough for speech: the mean where there are fewer samples, lines between where there are more.
  private func resampled(_ sound: [Float]) -> [Float] {
    let step = Double(PCM.sampleRate) / Double(rate)
    let width = max(1, Int(step))
    return (0..<Int(Double(sound.count - width - 1) / step)).map { index in
      let position = Double(index) * step
      let start = Int(position)
      if width > 1 { return sound[start..<start + width].reduce(0, +) / Float(width) }
      let share = Float(position - Double(start))
      return sound[start] * (1 - share) + sound[start + 1] * share
    }
  }
}
