import Audio
import Foundation
import GLibLoop
import Gateway
import Glibc
import Playout
import PulseAudioIO
import TalkProtocol

/// Tells the user what happens: as a live display, as plain lines or as JSON lines.
actor Reporter {
  enum Style {
    case live, plain, json
  }

  private let style: Style
  /// Where events go as JSON.
  private let jsonStream: FileHandle
  private var display = LiveDisplay()
  private var conversation: String?
  private var names: [ParticipantID: String] = [:]
  /// Interrupts so far; on the network loop's thread.
  private let interrupts = Locked(0)

  init(style: Style, carriesSoundOnOutput: Bool) {
    self.style = style
    jsonStream = carriesSoundOnOutput ? .standardError : .standardOutput
  }

  /// The first signal leaves in order; a second one ends the process at once.
  nonisolated func interrupted(_ gateway: CallGateway) {
    let count = interrupts.withLock { count in
      count += 1
      return count
    }
    if count > 1 {
      // The display left the cursor below itself, so that nothing else is to be restored.
      TerminalKeys.restoreTerminal()
      _exit(ExitCause.interrupted.rawValue)
    }
    Task { await gateway.leave() }
  }

  /// Shows all that happens until the gateway is done.
  func follow(_ gateway: CallGateway) async {
    let ticker = style == .plain ? nil : Task { await tick(gateway) }
    for await event in gateway.events { show(event) }
    ticker?.cancel()
    await ticker?.value
    erase()
  }

  private func tick(_ gateway: CallGateway) async {
    var count = 0
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(100))
      count += 1
      if style == .live {
        let status = await gateway.status()
        if !Task.isCancelled { redraw(status) }
      } else if count % 10 == 0 {
        let status = await gateway.status()
        if !Task.isCancelled { writeJSON(EventLine.statistics(status)) }
      }
    }
  }

  private func show(_ event: GatewayEvent) {
    if case .call(.participantJoined(let participant)) = event {
      names[participant.id] = participant.name
    } else if case .call(.participantRenamed(let id, let name)) = event {
      names[id] = name
    } else if case .call(.conversationJoined(let name)) = event {
      conversation = name
    }
    if style == .json {
      if let line = EventLine(event) { writeJSON(line) }
    } else if let sentence = EventSentence(names: names).sentence(for: event) {
      say(sentence)
    }
  }

  /// Something about the program itself that only a person wants to know.
  func note(_ sentence: String) {
    if style != .json { say(sentence) }
  }

  func warn(_ message: String) {
    if style == .json {
      writeJSON(EventLine("warning", ["message": .string(message)]))
    } else {
      say("warning: \(message)")
    }
  }

  nonisolated func device(_ end: String, _ event: PulseEvent) {
    let (name, text): (String, String) =
      switch event {
      case .lost(let reason): ("device-lost", "PulseAudio \(end) is gone (\(reason)); waiting for it to come back")
      case .restored(let device): ("device-restored", "PulseAudio \(end) is back: \(device)")
      case .moved(let device): ("device-moved", "PulseAudio \(end) moved to \(device)")
      case .suspended: ("device-suspended", "PulseAudio \(end) is suspended")
      case .resumed: ("device-resumed", "PulseAudio \(end) goes on")
      }
    Task { await tell(EventLine(name, ["end": .string(end)]), text) }
  }

  private func tell(_ line: EventLine, _ sentence: String) {
    if style == .json { writeJSON(line) } else { say(sentence) }
  }

  func finished(_ summary: CallSummary) {
    if style == .json {
      writeJSON(EventLine.finished(summary))
    } else {
      say(EventSentence(names: names).summary(of: summary))
    }
  }

  func failed(_ failure: Failure) {
    erase()
    if style == .json {
      writeJSON(
        EventLine(
          "failed",
          [
            "error": .string(failure.identifier), "message": .string(failure.message),
            "exitCode": .number(Double(failure.status.rawValue)),
          ]))
    }
    // A person reads standard error whatever the style; where it carries the JSON, the line above says all.
    if style != .json || jsonStream !== FileHandle.standardError { complain(failure.message) }
  }

  // MARK: Writing

  private func writeJSON(_ line: EventLine) { write(line.text + "\n", to: jsonStream) }

  private func say(_ sentence: String) {
    erase()
    write("\(Self.clock()) \(sentence)\n", to: .standardError)
  }

  private func erase() { write(display.erase(), to: .standardError) }

  private func redraw(_ status: GatewayStatus) {
    write(display.draw(status, conversation: conversation, width: Self.terminalWidth()), to: .standardError)
  }

  /// Who reads our messages may be gone; that is no reason to stop.
  private func write(_ text: String, to stream: FileHandle) {
    guard !text.isEmpty else { return }
    try? stream.write(contentsOf: Data(text.utf8))
  }

  private static func terminalWidth() -> Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  private static func clock() -> String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { ($0 < 10 ? "0" : "") + String($0) }.joined(separator: ":")
  }
}
