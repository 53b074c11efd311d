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
  private let events: TextStream
  private let console = Console.standardError
  private var display: LiveDisplay
  private var conversation: String?
  private var words = EventSentence()
  private var startedAt: ContinuousClock.Instant?
  /// For each output, what was lost when it was last told, and when that was.
  private var toldDrops: [Int: (dropped: Duration, at: ContinuousClock.Instant)] = [:]
  private static let dropInterval = Duration.seconds(5)
  /// Interrupts so far.
  private let interrupts = Locked(0)

  /// - Parameters:
  ///   - events: Where events go as JSON.
  ///   - isRecording: What is heard goes to a file.
  init(style: Style, events: TextStream, isRecording: Bool) {
    self.style = style
    self.events = events
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
      case .json: events.write(.statistics(status))
      }
      for (index, output) in status.outputs.enumerated() { tellOfDrops(index, output) }
      let omissions = events.takeOmissions()
      if style == .json, omissions > 0 { warn("\(omissions) events were left out, for nobody read them") }
    }
  }

  /// Not each time something is lost, which may be fifty times a second.
  private func tellOfDrops(_ index: Int, _ output: OutputStatus) {
    let told = toldDrops[index]
    guard output.dropped > told?.dropped ?? .zero else { return }
    guard told.map({ $0.at + Self.dropInterval <= .now }) ?? true else { return }
    toldDrops[index] = (output.dropped, .now)
    tell(
      .soundDropped(index, output),
      "an output is read too slowly: \(EventSentence.milliseconds(output.dropped)) ms of sound are lost so far")
  }

  private func show(_ event: GatewayEvent) {
    switch event {
    case .call(.conversationJoined(let name)): conversation = name
    case .started: startedAt = .now
    default: break
    }
    let sentence = words.sentence(for: event)
    tell(EventLine(event), sentence)
  }

  /// Something about the program itself that only a person wants to know.
  func note(_ sentence: String) {
    if style != .json { say(sentence) }
  }

  func warn(_ message: String) {
    tell(.warning(message), "warning: \(message)")
  }

  /// A device of an end has come, gone or changed.
  nonisolated func device(_ end: String, _ event: PulseEvent) {
    let text =
      switch event {
      case .lost(let reason): "PulseAudio \(end) is gone (\(reason)); waiting for it to come back"
      case .restored(let device): "PulseAudio \(end) is back: \(device)"
      case .moved(let device): "PulseAudio \(end) moved to \(device)"
      case .suspended: "PulseAudio \(end) is suspended"
      case .resumed: "PulseAudio \(end) goes on"
      }
    Task { await tell(.device(end, event), text) }
  }

  // MARK: The chat

  /// A message in the chat.
  func chat(_ message: ChatMessage, url: String) {
    guard style != .json else { return events.write(MessageLine(message, url: url).json + "\n") }
    // Who comes and goes is told already.
    guard message.systemMessage?.hasPrefix("call_") != true else { return }
    for line in message.lines(after: Self.clock() + " ").split(separator: "\n") { console.say(String(line)) }
  }

  func chatSent(_ text: String, id: Int?) {
    guard style == .json else { return }
    events.write(.sent(text, id: id))
  }

  func chatNotSent(_ text: String, _ failure: ChatFailure) {
    let outcome = failure == .mayHaveBeenSent ? "perhaps not sent" : "not sent"
    tell(.notSent(text, failure), "\(outcome): “\(text)”. \(failure)")
  }

  func chatInterrupted(_ failure: ChatFailure) {
    tell(.chatInterrupted(failure), "the chat waits, and nothing of it will be missed: \(failure)")
  }

  func chatRestored() { tell(.chatRestored(), "the chat goes on") }

  func finished(_ summary: CallSummary, with status: ExitCause) {
    if style == .json {
      events.write(.finished(summary, status: status))
    } else {
      let stay = startedAt.map { ContinuousClock.now - $0 }
      for line in EventSentence.lines(for: summary, stay: stay) { say(line) }
    }
  }

  func failed(_ failure: Failure) {
    if style == .json { events.write(.failed(failure)) }
    // A person reads standard error whatever the style; where it carries the JSON, the line above says all.
    if style != .json || events !== TextStream.standardError { complain(failure.message) }
  }

  private func tell(_ line: EventLine?, _ sentence: String?) {
    if style == .json {
      if let line { events.write(line) }
    } else if let sentence {
      say(sentence)
    }
  }

  private func say(_ sentence: String) { console.say("\(Self.clock()) \(sentence)") }

  /// The time of day, for lines that people read.
  static func clock() -> String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { ($0 < 10 ? "0" : "") + String($0) }.joined(separator: ":")
  }
}
