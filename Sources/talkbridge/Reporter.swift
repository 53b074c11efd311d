import Foundation
import GLibLoop
import Gateway
import Glibc
import Playout
import PulseAudioIO
import TalkProtocol

/// Tells the user what happens: in a live display, in plain lines or as JSON lines.
actor Reporter {
  enum Style {
    case live, plain, json
  }

  private let style: Style
  /// Where events go as JSON.
  private let jsonStream: FileHandle
  private let console = Console.standardError
  private var display: LiveDisplay
  private var conversation: String?
  private var words = EventSentence()
  private var hasToldOfDropping = false
  /// Interrupts so far.
  private let interrupts = Locked(0)

  /// - Parameters:
  ///   - carriesSoundOnOutput: Standard output is not for events.
  ///   - isRecording: What is heard goes to a file.
  init(style: Style, carriesSoundOnOutput: Bool, isRecording: Bool) {
    self.style = style
    jsonStream = carriesSoundOnOutput ? .standardError : .standardOutput
    display = LiveDisplay(abilities: console.abilities, isRecording: isRecording)
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
  /// - Parameter also: Is told of each event after it was shown.
  func follow(_ gateway: CallGateway, also: @Sendable (GatewayEvent) async -> Void = { _ in }) async {
    let ticker = Task { await tick(gateway) }
    for await event in gateway.events {
      show(event)
      await also(event)
    }
    ticker.cancel()
    await ticker.value
    console.show([])
  }

  /// Looks at how things stand, again and again.
  private func tick(_ gateway: CallGateway) async {
    while !Task.isCancelled {
      try? await Task.sleep(for: style == .live ? .milliseconds(100) : .seconds(1))
      let status = await gateway.status()
      guard !Task.isCancelled else { return }
      switch style {
      case .live:
        let (columns, rows) = console.size
        console.show(display.lines(status, conversation: conversation, columns: columns, rows: rows, at: .now))
      case .plain: break
      case .json: write(.statistics(status))
      }
      if !hasToldOfDropping, status.outputs.contains(where: { $0.dropped > .zero }) {
        hasToldOfDropping = true
        warn("an output is read too slowly; the oldest sound is dropped")
      }
    }
  }

  private func show(_ event: GatewayEvent) {
    if case .call(.conversationJoined(let name)) = event { conversation = name }
    let sentence = words.sentence(for: event)
    tell(EventLine(event), sentence)
  }

  /// Something about the program itself that only a person wants to know.
  func note(_ sentence: String) {
    if style != .json { say(sentence) }
  }

  func warn(_ message: String) {
    tell(EventLine("warning", ["message": .string(message)]), "warning: \(message)")
  }

  /// A device of an end has come, gone or changed.
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

  // MARK: The chat

  /// A message in the chat.
  func chat(_ message: ChatMessage, url: String) {
    guard style != .json else { return write(MessageLine(message, url: url).json) }
    // Who comes and goes is told already.
    guard message.systemMessage?.hasPrefix("call_") != true else { return }
    for line in message.lines(after: Self.clock() + " ").split(separator: "\n") { console.say(String(line)) }
  }

  func chatSent(_ text: String, id: Int?) {
    guard style == .json else { return }
    write(EventLine("sent", ["text": .string(text), "id": id.map { .number(Double($0)) } ?? .null]))
  }

  func chatNotSent(_ text: String, _ failure: ChatFailure) {
    let members: [String: JSONValue] = [
      "text": .string(text), "error": .string(failure.identifier), "message": .string("\(failure)"),
    ]
    let outcome = failure == .mayHaveBeenSent ? "perhaps not sent" : "not sent"
    tell(EventLine("not-sent", members), "\(outcome): “\(text)”. \(failure)")
  }

  func chatInterrupted(_ failure: ChatFailure) {
    tell(
      EventLine("chat-interrupted", ["message": .string("\(failure)")]),
      "the chat waits, and nothing of it will be missed: \(failure)")
  }

  func chatRestored() { tell(EventLine("chat-restored"), "the chat goes on") }

  func finished(_ summary: CallSummary, with status: ExitCause) {
    if style == .json {
      write(.finished(summary, status: status))
    } else {
      for line in EventSentence.lines(for: summary) { say(line) }
    }
  }

  func failed(_ failure: Failure) {
    if style == .json { write(.failed(failure)) }
    // A person reads standard error whatever the style; where it carries the JSON, the line above says all.
    if style != .json || jsonStream !== FileHandle.standardError { complain(failure.message) }
  }

  private func tell(_ line: EventLine?, _ sentence: String?) {
    if style == .json {
      if let line { write(line) }
    } else if let sentence {
      say(sentence)
    }
  }

  private func say(_ sentence: String) { console.say("\(Self.clock()) \(sentence)") }

  /// Who reads our events may be gone; that is no reason to stop.
  private func write(_ line: EventLine) { write(line.text) }
  private func write(_ json: String) { try? jsonStream.write(contentsOf: Data((json + "\n").utf8)) }

  /// The time of day, for lines that people read.
  static func clock() -> String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { ($0 < 10 ? "0" : "") + String($0) }.joined(separator: ":")
  }
}
