import Foundation
import GLibLoop
import Glibc
import RecordedCalls
import TalkProtocol
import TalkRoom
import TestSupport
import Testing
import Transport

@testable import talkbridge

/// `--trace`: what is in the file, whose it is, and what becomes of it on a full disk.
@Suite struct TraceTests {
  private static let silent = ["--input", "none", "--output", "none"]

  @Test func `a trace reads and replays as the recorded transcripts do`() async throws {
    try await withRoom { room, url in
      try await withGuest("Anna", at: url, flags: 1) { guest in
        let run = try RunDirectory()
        let file = run.file("trace.jsonl")
        let child = try talkbridge(["join", url, "--name", "Bo", "--trace", file, "--json"] + Self.silent)
        try await eventually("the call") { child.output.contains(#""event":"publishing""#) }
        child.send(SIGINT)
        #expect(try await child.exit(within: .seconds(30)) == .code(0), "\(child.transcript)")
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)

        let transcript = try Transcript(file: file)
        for row in transcript.rows where row.channel == "ws" {
          if row.direction == "recv" { #expect(try !ServerMessage(text: row.text).isUnknown, "\(row.text)") }
          if row.direction == "send" { #expect(try !ClientMessage(text: row.text).isUnknown, "\(row.text)") }
        }
        var replay = try Replay(transcript, who: "talkbridge")
        replay.run()
        replay.pass(until: replay.now + .seconds(10))
        #expect(replay.recorded.contains("offer") && replay.recorded.contains("leaveConversation"))
        #expect(replay.ours == replay.recorded)
        #expect(replay.finishes == 1 && !replay.hasStalled)
        let kinds = Set(transcript.rows.map { "\($0.channel) \($0.direction)" })
        #expect(
          kinds.isSuperset(of: ["http send", "http recv", "ws open", "ws send", "ws recv", "ws close", "pc state"]))
      }
    }
  }

  @Test func `a file that is there is replaced, and closed to others`() async throws {
    try await withRoom { room, url in
      let run = try RunDirectory()
      let file = run.file("trace.jsonl")
      try "old content\n".write(toFile: file, atomically: false, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
      let child = try ChildProcess("talkbridge", ["chat", "read", url, "--trace", file])
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      #expect(try !String(contentsOfFile: file, encoding: .utf8).contains("old content"))
      #expect(try Transcript(file: file).rows.contains { $0.value["url"].string?.contains("/chat/") == true })
      #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
    }
  }

  @Test(arguments: ["/nowhere/trace.jsonl", "/dev/null"])
  func `a trace that cannot be written is refused before anything is said to the server`(path: String) async throws {
    let child = try ChildProcess("talkbridge", ["chat", "read", "http://127.0.0.1:1/call/abcd1234", "--trace", path])
    #expect(try await child.exit() == .code(ExitCause.outputUnwritable.rawValue), "\(child.transcript)")
    #expect(child.errorOutput.contains(path))
  }

  @Test func `a full disk ends the trace with a whole line and one warning, and not the call`() async throws {
    let complaints = Locked<[String]>([])
    let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
    let trace = TraceFile(descriptor: full) { reason in complaints.withLock { $0.append(reason) } }
    let observe = trace.observer("me")
    for _ in 0..<100 {
      observe(.messageSent("{}"))
      try await Task.sleep(for: .milliseconds(1))
    }
    await trace.finish()
    #expect(complaints.withLock { $0 } == [String(cString: strerror(ENOSPC))])
  }

  @Test func `a disk that fills up in the middle of a line leaves the lines before it`() async throws {
    try await withRoom { room, url in
      let run = try RunDirectory()
      let file = run.file("trace.jsonl")
      // A file may grow to so many bytes; the signal that tells of it is ignored, as a full disk sends none.
      let script = #"trap '' XFSZ; ulimit -f 8; exec "$@""#
      let child = try ChildProcess(
        "bash",
        ["-c", script, "bash", ChildProcess.executable("talkbridge"), "join", url, "--trace", file, "--json"]
          + Self.silent + ["--ice-address", "127.0.0.1"])
      try await eventually("the call") { child.output.contains(#""event":"publishing""#) }
      child.send(SIGINT)
      #expect(try await child.exit(within: .seconds(30)) == .code(0), "\(child.transcript)")
      #expect(child.errorOutput.count(of: "the trace \(file) ends here") == 1, "\(child.transcript)")
      #expect(try !Transcript(file: file).rows.isEmpty)
      #expect(try String(contentsOfFile: file, encoding: .utf8).hasSuffix("}\n"))
    }
  }

  @Test func `what the disk cannot take in time is left out, and that is said`() async throws {
    let run = try RunDirectory()
    let file = run.file("trace.jsonl")
    let descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    let trace = TraceFile(descriptor: descriptor, mostWaiting: 300_000) { Issue.record("\($0)") }
    let observe = trace.observer("me")
    let message = String(repeating: "x", count: 100_000)
    for _ in 0..<50 { observe(.messageReceived(message)) }
    await trace.finish()
    let rows = try Transcript(file: file).rows
    let notes = rows.filter { $0.channel == "note" }.compactMap { $0.value["text"].string }
    let leftOut = notes.compactMap { Int($0.prefix { $0.isNumber }) }.reduce(0, +)
    #expect(leftOut > 0 && notes.allSatisfy { $0.hasSuffix("left out: the disk is too slow") })
    #expect(rows.count { $0.channel == "ws" } + leftOut == 50)
  }

  @Test func `the demo's trace tells its three clients apart`() async throws {
    let run = try RunDirectory()
    let file = run.file("trace.jsonl")
    let demo = try ChildProcess(
      "talkbridge", ["demo", "--duration", "2s", "--output", run.file("demo.wav"), "--trace", file])
    #expect(try await demo.exit(within: .seconds(60)) == .code(0), "\(demo.transcript)")
    let transcript = try Transcript(file: file)
    #expect(Set(transcript.rows.map(\.who)) == ["Bruno", "Clara", "talkbridge"])
    for who in ["Bruno", "Clara", "talkbridge"] {
      #expect(transcript.rows.contains { $0.who == who && $0.channel == "ws" && $0.direction == "recv" })
    }
  }
}
