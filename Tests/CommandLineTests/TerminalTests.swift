import Audio
import Foundation
import Glibc
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

@testable import talkbridge

/// The program in a terminal, as a person has it: its display, its keys, and the shell's job control.
@Suite struct TerminalTests {
  private static let loopback = ["--ice-address", "127.0.0.1"]
  private static let ourselves = ["--name", "Anna", "--output", "none", "--ice-address", "127.0.0.1"]

  /// Somebody who speaks without end.
  private static func withSpeaker(
    _ name: String, at url: String, _ run: RunDirectory, _ body: () async throws -> Void
  ) async throws {
    let file = run.file("speech.wav")
    if !FileManager.default.fileExists(atPath: file) {
      try WaveFile.write(Speech.samples(.tenor, seconds: 4), to: file)
    }
    let speaker = try talkbridge(["join", url, "--name", name, "--input", file, "--loop", "--output", "none"])
    try await trying(body) { _ = try? await speaker.terminate() }
  }

  private static func row(_ words: String, _ terminal: PseudoTerminal) -> String? {
    // The display is below all lines.
    terminal.screen.lines.last { $0.hasPrefix("  ") && $0.contains(words) }
  }

  private static func shows(_ words: String..., in terminal: PseudoTerminal) async throws {
    do {
      try await eventually("“\(words.joined(separator: " … "))” on the terminal") {
        terminal.screen.lines.contains { line in words.allSatisfy { line.contains($0) } }
      }
    } catch let error as DeadlineExceeded {
      throw DeadlineExceeded(
        description: "\(error.description):\n\(terminal.screen.everything.joined(separator: "\n"))")
    }
  }

  private static func isAsBefore(
    _ terminal: PseudoTerminal, _ sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await terminal.settle()
    #expect(terminal.isAsUsual, sourceLocation: sourceLocation)
    #expect(terminal.screen.isCursorVisible, sourceLocation: sourceLocation)
    #expect(terminal.screen.cursor.column == 0, sourceLocation: sourceLocation)
    #expect(terminal.screen.violations.isEmpty, sourceLocation: sourceLocation)
  }

  // MARK: The display

  @Test(arguments: [(80, 24), (40, 10)])
  func `it shows who is there, how loud, what is lost and how much is recorded, in place`(
    columns: Int, rows: Int
  ) async throws {
    let run = try RunDirectory()
    try await withRoom { room, url in
      try await Self.withSpeaker("Åsa", at: url, run) {
        let terminal = try PseudoTerminal(columns: columns, rows: rows)
        let child = try terminal.start(
          "talkbridge", ["record", url, "--output", run.file("call.wav")] + Self.loopback)
        try await Self.shows("Test room", "recorded 0:00:0", in: terminal)
        try await Self.shows("hearing Åsa", in: terminal)
        try await Self.shows("  Åsa", "loss 0.0 %", in: terminal)
        let scrolled = terminal.screen.scrolledOff.count
        let top = terminal.screen.lines.firstIndex { $0.contains("Test room - ") }
        var meters: Set<String> = []
        try await eventually("a meter that moves with the sound") {
          meters.insert(String((Self.row("Åsa", terminal) ?? "").drop { $0 != "▕" }.prefix { $0 != "▏" }))
          return meters.count >= 4
        }
        try await Self.shows("recorded 0:00:03", in: terminal)
        #expect(terminal.screen.scrolledOff.count == scrolled)
        #expect(terminal.screen.lines.firstIndex { $0.contains("Test room - ") } == top)
        #expect(terminal.screen.lines.count { $0.contains("Test room - ") } == 1)
        terminal.type("\u{3}")
        #expect(try await child.exit() == .code(0), "\(terminal.text)")
        try await Self.isAsBefore(terminal)
        #expect(!terminal.screen.lines.contains { $0.contains("Test room - ") })
        #expect(terminal.screen.everything.contains { $0.contains("Åsa: ") && $0.contains(" s of sound in") })
      }
    }
  }

  @Test(arguments: [(80, 24), (40, 10)])
  func `names of every script stay in their place, and what commands a terminal never reaches it`(
    columns: Int, rows: Int
  ) async throws {
    let names = [
      "\u{1B}]0;owned\u{7}\u{1B}[2J\u{9B}31m\u{90}evil", "山田太郎さんと愉快な仲間たち", "שלום\u{202E}עולם", "👩‍👩‍👧‍👦🏳️‍🌈 Kim",
      "Z" + String(repeating: "\u{0301}\u{0489}", count: 60), "line\nfeed\u{2028}\u{85}\ttab", "محمد \u{2067}علي",
    ]
    try await withRoom { _, url in
      var guests: [CallGuest] = []
      try await trying {
        for name in names {
          let guest = CallGuest(base: String(url.dropLast("/call/\(token)".count)), token: token)
          guests.append(guest)
          try await guest.enterCall(flags: 3, name: name)
        }
        let terminal = try PseudoTerminal(columns: columns, rows: rows)
        let child = try terminal.start("talkbridge", ["join", url, "--input", "none"] + Self.ourselves)
        if rows > 20 {
          try await Self.shows("evil", in: terminal)
          try await Self.shows("山田太郎", in: terminal)
          try await Self.shows("(you)", in: terminal)
          try await eventually("meters below each other") {
            let meters = terminal.screen.lines.filter { $0.contains("▕") }
            return meters.count == names.count + 1
              && Set(meters.map { TerminalText.width($0.prefix { $0 != "▕" }) }).count == 1
          }
        } else {
          try await Self.shows("and 1 more", in: terminal)
        }
        #expect(terminal.screen.lines.last { !$0.isEmpty }?.hasPrefix("  ") ?? false)
        terminal.type("q")
        #expect(try await child.exit() == .code(0), "\(terminal.text)")
        try await Self.isAsBefore(terminal)
        for scalar in terminal.text.unicodeScalars {
          let category = scalar.properties.generalCategory
          #expect(category != .format && scalar != "\u{9B}" && scalar != "\u{7}", "\(scalar.value)")
        }
      } finally: {
        for guest in guests { await guest.close() }
      }
    }
  }

  @Test func `a terminal that changes its size gets a display that fits, and nothing is left of the old one`()
    async throws
  {
    try await withRoom { room, url in
      try await withGuest("Grete", at: url) { _ in
        let terminal = try PseudoTerminal(columns: 100, rows: 24)
        let child = try terminal.start("talkbridge", ["join", url, "--input", "none"] + Self.ourselves)
        try await Self.shows("(you)", in: terminal)
        for (columns, rows) in [(40, 24), (60, 20), (120, 30), (50, 20), (20, 5)] {
          terminal.resize(columns: columns, rows: rows)
          let before = terminal.text.utf8.count
          try await eventually("a new display") {
            let fits = terminal.screen.lines.contains { $0.hasPrefix("  (you)") || $0.contains(" more") }
            return fits && terminal.text.utf8.count > before + 50
          }
          // Of a screen that became so small, some is gone at its top before we can do anything.
          let shown = rows < 10 ? terminal.screen.lines : terminal.screen.everything
          #expect(shown.count { $0.contains("▏") } <= 2, "\(shown)")
          #expect(shown.count { $0.hasPrefix("Test room") } == 1, "\(shown)")
        }
        terminal.type("q")
        #expect(try await child.exit() == .code(0), "\(terminal.text)")
        try await Self.isAsBefore(terminal)
      }
    }
  }

  // MARK: The end

  @Test(arguments: [SIGTERM, SIGHUP, SIGABRT, SIGQUIT])
  func `the terminal is as before after a signal`(signal: Int32) async throws {
    try await withRoom { room, url in
      let terminal = try PseudoTerminal(columns: 80, rows: 24)
      let child = try terminal.start("talkbridge", ["join", url, "--input", "none"] + Self.ourselves)
      try await Self.shows("(you)", in: terminal)
      try await eventually("its keys") { !terminal.isAsUsual }
      kill(terminal.foregroundGroup, signal)
      let isOrderly = [SIGTERM, SIGHUP].contains(signal)
      #expect(try await (child.exit() == .code(0)) == isOrderly, "\(terminal.text)")
      try await Self.isAsBefore(terminal)
    }
  }

  @Test func `the terminal is as before after a failure and after a second Ctrl-C`() async throws {
    try await withRoom { room, url in
      let terminal = try PseudoTerminal(columns: 80, rows: 24)
      let removed = try terminal.start("talkbridge", ["join", url, "--input", "none"] + Self.ourselves)
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      try await eventually("its keys") { !terminal.isAsUsual }
      await room.remove("Anna", from: token)
      #expect(try await removed.exit() == .code(ExitCause.removed.rawValue), "\(terminal.text)")
      try await Self.isAsBefore(terminal)
      #expect(terminal.screen.lines.last { !$0.isEmpty }?.hasPrefix("talkbridge: ") ?? false, "\(terminal.text)")

      let impatient = try terminal.start("talkbridge", ["join", url, "--input", "none"] + Self.ourselves)
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      try await eventually("its keys") { !terminal.isAsUsual }
      await room.setFaults { $0.replyDelay = .seconds(5) }
      terminal.type("\u{3}")
      try await eventually("the leaving") { terminal.text.count(of: " leaving") >= 1 }
      terminal.type("\u{3}")
      #expect(try await impatient.exit() == .code(130), "\(terminal.text)")
      try await Self.isAsBefore(terminal)
    }
  }

  // MARK: Keys

  @Test func `the key m turns the microphone off and on, and h raises the hand`() async throws {
    try await withRoom { room, url in
      let terminal = try PseudoTerminal(columns: 80, rows: 24)
      let child = try terminal.start("talkbridge", ["join", url, "--input", "none"] + Self.ourselves)
      try await Self.shows("others can hear us", in: terminal)
      try await Self.shows("(you)", in: terminal)
      terminal.type("m")
      try await Self.shows("  (you)", "muted", in: terminal)
      terminal.type("\u{1B}[A")
      terminal.type("h")
      try await Self.shows("  (you)", "muted, hand raised", in: terminal)
      terminal.type("m")
      try await eventually("being audible") { Self.row("(you)", terminal)?.contains("muted") == false }
      terminal.type("q")
      #expect(try await child.exit() == .code(0), "\(terminal.text)")
      try await Self.isAsBefore(terminal)
    }
  }

  // MARK: Job control

  @Test func `stopped, continued and in the background it neither spins nor stops, and its keys come back`()
    async throws
  {
    try await withRoom { room, url in
      let terminal = try PseudoTerminal(columns: 80, rows: 24)
      // This shell leaves the terminal to its jobs.
      let shell = try terminal.start("dash", ["-i"], environment: ["PS1": "ready> "])
      try await eventually("the shell") { terminal.text.contains("ready> ") }
      func run(_ command: [String]) {
        terminal.type(command.map { "'\($0)'" }.joined(separator: " ") + "\n")
      }
      func prompts() -> Int { terminal.text.count(of: "ready> ") }
      run(
        [ChildProcess.executable("talkbridge"), "join", url, "--input", "none", "--name", "Anna", "--output", "none"]
          + Self.loopback)
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      try await eventually("its keys") { !terminal.isAsUsual }
      let program = terminal.foregroundGroup

      terminal.type("\u{1A}")
      try await eventually("a stop") { Self.state(of: program)?.letter == "T" }
      try await eventually("the prompt") { prompts() == 2 }
      #expect(terminal.isAsUsual)

      terminal.type("fg\n")
      try await eventually("its keys again") { !terminal.isAsUsual }
      terminal.type("m")
      try await eventually("silence") { terminal.text.contains("our microphone is off") }

      terminal.type("\u{1A}")
      try await eventually("the prompt") { prompts() == 3 }
      terminal.type("bg\n")
      try await eventually("it goes on") { prompts() == 4 && Self.state(of: program)?.letter != "T" }
      // A foreground program that reads nothing, and much to read.
      let before = try #require(Self.state(of: program))
      terminal.type("sleep 3\nm\nm\nm\n")
      try await eventually("the end of the wait") { prompts() >= 8 }
      let after = try #require(Self.state(of: program))
      // In ticks of 10 ms: it would be near 300.
      #expect(after.cpu - before.cpu < 100)
      #expect(after.letter != "T")
      #expect(terminal.text.count(of: "our microphone is on") == 0)
      let frames = terminal.text.count(of: "\u{1B}[?25l")
      terminal.type("sleep 1\n")
      try await eventually("the end of the wait") { prompts() >= 9 }
      #expect(terminal.text.count(of: "\u{1B}[?25l") == frames)

      terminal.type("fg\n")
      try await eventually("its keys again") { !terminal.isAsUsual }
      terminal.type("q")
      try await eventually("its end") { Self.state(of: program) == nil && prompts() >= 10 }
      #expect(terminal.isAsUsual)
      #expect(await room.names(token).isEmpty)
      terminal.type("exit\n")
      #expect(try await shell.exit() == .code(0), "\(terminal.text)")
    }
  }

  @Test func `started in the background it takes the keys when it comes to the foreground`() async throws {
    try await withRoom { room, url in
      let terminal = try PseudoTerminal(columns: 80, rows: 24)
      let shell = try terminal.start("bash", ["--norc", "--noprofile", "-i"], environment: ["PS1": "ready> "])
      try await eventually("the shell") { terminal.text.contains("ready> ") }
      let own = terminal.foregroundGroup
      let words =
        [ChildProcess.executable("talkbridge"), "join", url, "--input", "none", "--name", "Anna", "--output", "none"]
        + Self.loopback
      terminal.type(words.joined(separator: " ") + " &\n")
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      #expect(!terminal.text.contains("\u{1B}[?25l"))
      terminal.type("fg\n")
      try await eventually("its display") { terminal.text.contains("\u{1B}[?25l") }
      try await eventually("its keys") { !terminal.isAsUsual && terminal.foregroundGroup != own }
      terminal.type("q")
      try await eventually("the end") { await room.names(token).isEmpty }
      try await eventually("the shell again") { terminal.foregroundGroup == own }
      terminal.type("exit\n")
      #expect(try await shell.exit() == .code(0), "\(terminal.text)")
    }
  }

  /// The letter for its state, and the time it has computed in ticks of 10 ms; nil when it is gone.
  private static func state(of process: Int32) -> (letter: String, cpu: Int)? {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[end...].dropFirst(2).split(separator: " ")
    guard fields.count > 12, fields[0] != "Z", let user = Int(fields[11]), let system = Int(fields[12]) else {
      return nil
    }
    return (String(fields[0]), user + system)
  }

  // MARK: Nobody looks

  @Test func `a terminal that is halted holds up nothing`() async throws {
    let run = try RunDirectory()
    try await withRoom { room, url in
      try await Self.withSpeaker("Åsa", at: url, run) {
        let terminal = try PseudoTerminal(columns: 80, rows: 24)
        let path = run.file("call.wav")
        let child = try terminal.start(
          "talkbridge", ["record", url, "--output", path, "--log-level", "debug"] + Self.loopback)
        try await Self.shows("recorded 0:00:0", in: terminal)
        terminal.type("\u{13}")
        try await withGuest(at: url) { guest in
          try await eventually("three seconds more") {
            ((try? WaveFile.read(path, isGrowing: true).count) ?? 0) > 4 * 48_000
          }
          try await guest.leaveCall()
        }
        #expect(await room.namesInCall(token).count == 2)
        terminal.type("\u{11}")
        try await Self.shows("Guest left the call", in: terminal)
        terminal.type("\u{3}")
        #expect(try await child.exit() == .code(0), "\(terminal.text)")
        try await Self.isAsBefore(terminal)
      }
    }
  }

  @Test func `a reader of events that has stopped holds up nothing, not even the end`() async throws {
    try await withRoom { room, url in
      var ends: [Int32] = [-1, -1]
      try #require(pipe(&ends) == 0)
      defer { for end in ends { close(end) } }
      // Full, from the first line on.
      _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
      let junk = [UInt8](repeating: 0x0A, count: 4096)
      while write(ends[1], junk, junk.count) > 0 {}
      _ = fcntl(ends[1], F_SETFL, 0)
      let child = try ChildProcess(
        "talkbridge", ["join", url, "--input", "none", "--json"] + Self.ourselves, output: .descriptor(ends[1]))
      try await eventually("Anna in the call") { await room.namesInCall(token) == ["Anna"] }
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      #expect(await room.names(token).isEmpty)
    }
  }
}
