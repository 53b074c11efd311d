import Foundation
import TestSupport
import Testing

@Suite struct `A child process` {
  @Test func `returns its status and what it printed on both streams`() async throws {
    let child = try ChildProcess("sh", ["-c", "echo out $WORD; echo err >&2; exit 3"], environment: ["WORD": "x y"])
    #expect(try await child.exit() == .code(3))
    #expect(child.output == "out x y\n")
    #expect(child.errorOutput == "err\n")
  }

  @Test func `gets what is written to its input, until that is closed`() async throws {
    let child = try ChildProcess("cat", input: .pipe)
    try child.write(Array("one\n".utf8))
    try await eventually("the echo") { child.output == "one\n" }
    child.closeInput()
    #expect(try await child.exit() == .code(0))
  }

  @Test func `is ended by a signal, with those it started`() async throws {
    let child = try ChildProcess("sh", ["-c", "sleep 1000 & echo $!; wait"])
    try await eventually("the pid") { !child.output.isEmpty }
    let grandchild = try #require(Int32(child.output.dropLast()))
    child.kill()
    #expect(child.exitStatus == .signal(9))
    try await eventually("the end of the grandchild") { !isRunning(grandchild) }
  }

  @Test func `that does not end in time fails the wait and tells what it printed`() async throws {
    let child = try ChildProcess("sh", ["-c", "echo stuck >&2; sleep 1000"])
    try await eventually("the message") { child.errorOutput == "stuck\n" }
    let error = await #expect(throws: DeadlineExceeded.self) { try await child.exit(within: .milliseconds(20)) }
    #expect(error?.description.contains("stuck") == true)
  }

  @Test func `that does not exist is an error at once`() {
    #expect(throws: ChildProcess.SpawnError.self) { try ChildProcess("no-such-program") }
  }

  @Test func `inherits neither descriptors nor ignored signals`() async throws {
    let child = try ChildProcess("sh", ["-c", "ls /proc/$$/fd; grep SigIgn /proc/$$/status"])
    try await child.exit()
    let lines = child.output.split(separator: "\n")
    #expect(lines.dropLast() == ["0", "1", "2"])
    #expect(lines.last?.hasSuffix("0000000") == true)  // Signals 1 to 28; the C library ignores two of its own.
  }
}

/// Whether a process exists and is no zombie.
private func isRunning(_ identifier: Int32) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8) else { return false }
  return !status.contains("State:\tZ")
}
