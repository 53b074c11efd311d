import Audio
import Gateway
import Playout
import TalkProtocol

/// The live display: who is in the call, a meter each, loss, and how much is recorded. Pure: it gives lines of text.
struct LiveDisplay {
  /// In dBFS: an empty and a full meter.
  private static let floor: Float = -60
  private static let full: Float = 0
  /// In dBFS, from where on a meter warns: the loudest of normal speech, and what will sound distorted.
  private static let (loud, tooLoud): (Float, Float) = (-15, -6)
  /// How fast a meter falls, in dB a second; it rises at once.
  private static let fall: Float = 40
  private static let ourselves = ""

  var abilities: Console.Abilities
  /// Whether what is heard is kept in a file.
  var isRecording: Bool
  private var shownLevels: [String: Float] = [:]
  private var drawnAt: ContinuousClock.Instant?

  init(abilities: Console.Abilities, isRecording: Bool) {
    self.abilities = abilities
    self.isRecording = isRecording
  }

  /// How things stand, in at most so many columns and rows.
  mutating func lines(
    _ status: GatewayStatus, conversation: String?, columns: Int, rows: Int, at now: ContinuousClock.Instant
  ) -> [String] {
    let fallen = Self.fall * Float(drawnAt.map { ($0.duration(to: now) / .milliseconds(1)) / 1000 } ?? 0)
    drawnAt = now
    var levels: [String: Float] = [:]
    for participant in status.participants { levels[participant.participant.id.session] = participant.level.rms }
    levels[Self.ourselves] = status.inputLevel?.rms
    shownLevels = levels.mapValues { max($0, Self.floor) }.merging(shownLevels.filter { levels[$0.key] != nil }) {
      max($0, $1 - fallen)
    }

    var participants = status.participants.map { line(of: $0, columns: columns) }
    if status.inputLevel != nil {
      let remarks = (status.isMuted ? ["muted"] : []) + (status.hasRaisedHand ? ["hand raised"] : [])
      participants.append(line("(you)", level: Self.ourselves, remarks, columns: columns))
    }
    // The cursor cannot go back to what has left the screen at its top.
    let room = max(1, rows - 3)
    if participants.count > room {
      let hidden = participants.count - room
      participants = participants.prefix(room) + [TerminalText.shortened("  and \(hidden) more", to: columns - 1)]
    }
    return [title(status, conversation, columns: columns)] + participants
  }

  private func title(_ status: GatewayStatus, _ conversation: String?, columns: Int) -> String {
    var parts: [String] = []
    let rendered = status.outputs.map(\.rendered).max() ?? .zero
    if rendered == .zero || status.phase != .inCall { parts.append(status.phase.description) }
    if rendered > .zero { parts.append((isRecording ? "recorded " : "played ") + Self.clock(rendered)) }
    let dropped = status.outputs.map(\.dropped).reduce(.zero, +)
    if dropped > .zero { parts.append("dropped \(EventSentence.seconds(dropped)) s") }
    // Long names give way to figures.
    let state = parts.map { " - " + TerminalText.printable($0) }.joined()
    let name = TerminalText.printable(conversation ?? "talkbridge")
    let room = max(12, columns - 1 - TerminalText.width(state))
    let text = TerminalText.shortened(TerminalText.shortened(name, to: room) + state, to: columns - 1)
    return abilities.showsColors ? "\u{1B}[1m\(text)\u{1B}[0m" : text
  }

  private func line(of status: ParticipantStatus, columns: Int) -> String {
    let participant = status.participant
    var remarks: [String] = []
    if participant.isMuted == true {
      remarks.append("muted")
    } else if status.packetsReceived == 0 {
      remarks.append(status.isConnected ? "no sound yet" : "connecting")
    }
    if participant.hasRaisedHand { remarks.append("hand raised") }
    if let loss = EventSentence.loss(of: status) { remarks.append("loss \(loss)") }
    if let playout = status.playout, playout.jitterBufferEmittedCount > 0 {
      remarks.append("\(Int(playout.targetDelay / .milliseconds(1))) ms")
      if let share = EventSentence.madeUp(in: playout) { remarks.append("made up \(share)") }
    }
    let name = EventSentence.name(participant.name, participant.id)
    return line(name, level: participant.id.session, remarks, columns: columns)
  }

  private func line(_ name: String, level: String, _ remarks: [String], columns: Int) -> String {
    let nameWidth = min(24, max(6, (columns - 4) / 3))
    let meterWidth = min(30, max(4, columns - nameWidth - 24))
    let rest = columns - 1 - 2 - nameWidth - 1 - (meterWidth + 2) - 1
    return "  \(TerminalText.fitted(TerminalText.printable(name), to: nameWidth)) "
      + meter(shownLevels[level] ?? Self.floor, width: meterWidth)
      + (rest > 0 && !remarks.isEmpty ? " " + TerminalText.shortened(remarks.joined(separator: ", "), to: rest) : "")
  }

  /// A bar of so many columns, in half columns where the terminal can, between its ends.
  func meter(_ level: Float, width: Int) -> String {
    func halves(_ level: Float) -> Int {
      let share = (min(max(level, Self.floor), Self.full) - Self.floor) / (Self.full - Self.floor)
      return Int((share * Float(2 * width)).rounded())
    }
    let (loudFrom, tooLoudFrom) = (halves(Self.loud) / 2, halves(Self.tooLoud) / 2)
    let filled = halves(level)
    var bar = ""
    for column in 0..<width {
      if abilities.showsColors, filled > 2 * column {
        if column == 0 { bar += "\u{1B}[32m" }
        if column == loudFrom { bar += "\u{1B}[33m" }
        if column == tooLoudFrom { bar += "\u{1B}[31m" }
      }
      switch filled - 2 * column {
      case 2...: bar += abilities.showsUnicode ? "█" : "#"
      case 1: bar += abilities.showsUnicode ? "▌" : "-"
      default: bar += " "
      }
    }
    if abilities.showsColors { bar += "\u{1B}[0m" }
    return abilities.showsUnicode ? "▕\(bar)▏" : "[\(bar)]"
  }

  static func clock(_ duration: Duration) -> String {
    let seconds = duration.components.seconds
    let pair: (Int64) -> String = { ($0 < 10 ? "0" : "") + String($0) }
    return "\(seconds / 3600):\(pair(seconds / 60 % 60)):\(pair(seconds % 60))"
  }
}
