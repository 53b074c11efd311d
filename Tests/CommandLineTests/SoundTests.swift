import Audio
import Foundation
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

/// What the program is for: sound from one end of a call to the other, through the embedded room.
@Suite struct SoundTests {
  private static let loopback = ["--ice-address", "127.0.0.1"]

  @Test func `the demo records both speakers, and tells what it heard of each`() async throws {
    let run = try RunDirectory()
    let path = run.file("demo.wav")
    let demo = try ChildProcess("talkbridge", ["demo", "--duration", "6s", "--output", path])
    #expect(try await demo.exit(within: .seconds(60)) == .code(0), "\(demo.transcript)")
    let heard = Speech.voices(in: try WaveFile.read(path))
    #expect(heard == [.bass, .soprano])
    for name in ["Bruno", "Clara"] {
      let lines = (demo.output + demo.errorOutput).split(separator: "\n")
      #expect(
        lines.contains { $0.contains("\(name): ") && $0.contains("s of sound in") && $0.contains("packets") },
        "\(demo.transcript)")
    }
  }

  @Test func `a room that forwards nothing makes the demo silent and a failure`() async throws {
    let run = try RunDirectory()
    let path = run.file("demo.wav")
    let demo = try ChildProcess(
      "talkbridge", ["demo", "--duration", "3s", "--output", path, "--without-forwarding"])
    #expect(try await demo.exit(within: .seconds(60)) == .code(ExitCause.heardNothing.rawValue), "\(demo.transcript)")
    let samples = try WaveFile.read(path)
    let loudest = samples.reduce(Float(0)) { max($0, abs($1)) }
    #expect(samples.count > PCM.sampleRate)
    #expect(loudest < 0.001)
  }

  @Test func `a room kept open can be recorded from another terminal`() async throws {
    let run = try RunDirectory()
    let path = run.file("call.wav")
    let demo = try ChildProcess("talkbridge", ["demo", "--serve"])
    try await eventually("the room's address") { demo.output.contains("/call/") }
    let url = try #require(
      demo.output.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("http") && $0.contains("/call/") })
    let recorder = try ChildProcess(
      "talkbridge", ["record", String(url), "--output", path, "--duration", "4s"] + Self.loopback)
    #expect(try await recorder.exit(within: .seconds(60)) == .code(0), "\(recorder.transcript)")
    let heard = Speech.voices(in: try WaveFile.read(path))
    #expect(heard == [.bass, .soprano])
    demo.send(SIGINT)
    #expect(try await demo.exit(within: .seconds(30)) == .code(0), "\(demo.transcript)")
  }

  @Test func `raw sound goes in by standard input and out by standard output, and nothing else does`() async throws {
    try await withRoom { room, url in
      let run = try RunDirectory()
      let raw = run.file("speech.raw")
      try Data(Speech.raw(Speech.samples(.alto, seconds: 20))).write(to: URL(filePath: raw))
      let speaker = try ChildProcess(
        "talkbridge", ["join", url, "--input", "-", "--output", "none"] + Self.loopback, input: .file(raw))
      try await eventually("the speaker in the call") { await !room.namesInCall(token).isEmpty }
      let listener = try ChildProcess(
        "talkbridge", ["record", url, "--output", "-", "--json", "--duration", "5s"] + Self.loopback)
      #expect(try await listener.exit(within: .seconds(60)) == .code(0), "\(listener.errorOutput)")
      let samples = Speech.samples(ofRaw: listener.outputBytes)
      #expect(abs(samples.count - 5 * PCM.sampleRate) < PCM.sampleRate)
      let heard = Speech.voices(in: samples)
      #expect(heard == [.alto])
      for line in listener.errorOutput.split(separator: "\n") {
        let event = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(event?["event"] is String && event?["time"] is String, "\(line)")
      }
      try await speaker.terminate()
    }
  }

  @Test func `a call over IPv6 alone is heard and recorded`() async throws {
    try await withRoom { options, _ in
      options.address = "::1"
    } _: { room, url in
      #expect(url.hasPrefix("http://[::1]:"))
      let run = try RunDirectory()
      let (speech, path) = (run.file("speech.wav"), run.file("call.wav"))
      try WaveFile.write(Speech.samples(.bass, seconds: 5), to: speech)
      let loopback = ["--ice-address", "::1"]
      let speaker = try ChildProcess(
        "talkbridge", ["join", url, "--input", speech, "--loop", "--output", "none"] + loopback)
      try await eventually("the speaker in the call") { await !room.namesInCall(token).isEmpty }
      let recorder = try ChildProcess(
        "talkbridge", ["record", url, "--output", path, "--duration", "4s"] + loopback)
      #expect(try await recorder.exit(within: .seconds(60)) == .code(0), "\(recorder.transcript)")
      let heard = Speech.voices(in: try WaveFile.read(path))
      #expect(heard == [.bass])
      try await speaker.terminate()
    }
  }

  @Test func `an input file is repeated on demand, and several outputs have the same call`() async throws {
    try await withRoom { room, url in
      let run = try RunDirectory()
      let short = run.file("short.wav")
      try WaveFile.write(Speech.samples(.tenor, seconds: 2), to: short)
      let speaker = try ChildProcess(
        "talkbridge", ["join", url, "--input", short, "--loop", "--output", "none"] + Self.loopback)
      try await eventually("the speaker in the call") { await !room.namesInCall(token).isEmpty }
      let paths = [run.file("one.wav"), run.file("two.wav")]
      let recorder = try ChildProcess(
        "talkbridge",
        ["record", url, "--output", paths[0], "--output", paths[1], "--duration", "6s"] + Self.loopback)
      #expect(try await recorder.exit(within: .seconds(60)) == .code(0), "\(recorder.transcript)")
      for path in paths {
        let samples = try WaveFile.read(path)
        // What a file played once would have left out: the end of a recording thrice as long.
        let end = Speech.voices(in: Array(samples.suffix(2 * PCM.sampleRate)))
        #expect(end == [.tenor])
      }
      try await speaker.terminate()
    }
  }

  @Test func `with --dtx next to nothing is sent in a pause, and what is said is heard`() async throws {
    try await withRoom { room, url in
      let run = try RunDirectory()
      let file = run.file("speech.wav")
      // Half a minute of silence, then speech.
      let silence = [Float](repeating: 0, count: 30 * PCM.sampleRate)
      try WaveFile.write(silence + Speech.samples(.tenor, seconds: 30), to: file)
      let speaker = try ChildProcess(
        "talkbridge", ["join", url, "--input", file, "--output", "none", "--dtx", "--json"] + Self.loopback)
      let sent = { () -> [Int] in
        speaker.output.split(separator: "\n").compactMap { line in
          let event = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
          return (event?["outbound"] as? [String: Any])?["packetsSent"] as? Int
        }
      }
      try await eventually("six seconds of silence") { sent().count >= 7 }
      let counts = sent()
      // One packet in 400 ms, after the first ones.
      #expect(counts[6] - counts[2] < 30, "\(counts)")
      #expect(counts[6] - counts[2] >= 4, "\(counts)")
      let recorder = try ChildProcess(
        "talkbridge", ["record", url, "--output", run.file("call.wav")] + Self.loopback)
      try await eventually(within: .seconds(60), "the tenor") {
        let samples = (try? WaveFile.read(run.file("call.wav"), isGrowing: true)) ?? []
        return Speech.voices(in: Array(samples.suffix(3 * PCM.sampleRate))) == [.tenor]
      }
      try await recorder.terminate()
      try await speaker.terminate()
    }
  }

  @Test func `delays that cannot be are refused`() async throws {
    for words in [
      ["--minimum-delay", "2001"], ["--maximum-delay", "5"], ["--minimum-delay", "300", "--maximum-delay", "200"],
    ] {
      let program = try ChildProcess("talkbridge", ["join", "https://example.com/call/abc"] + words)
      #expect(try await program.exit() == .code(ExitCause.usage.rawValue), "\(program.transcript)")
    }
  }
}
