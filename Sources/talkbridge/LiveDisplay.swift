import Audio
import Gateway
import Playout
import TalkProtocol

/// The live display: who is in the call, a meter each, loss, and how much is recorded. Pure: it gives the text that redraws.
struct LiveDisplay {
  private static let meterWidth = 24
  /// In dBFS: what an empty and a full meter mean.
  private static let floor: Float = -60
  private static let nameWidth = 24

  private var lineCount = 0

  /// Control codes that take the display away, the cursor then where it began.
  mutating func erase() -> String {
    defer { lineCount = 0 }
    return lineCount == 0 ? "" : "\u{1B}[\(lineCount)A\u{1B}[J"
  }

  /// Replaces what was drawn before. `width` is the terminal's, in columns.
  mutating func draw(_ status: GatewayStatus, conversation: String?, width: Int) -> String {
    let lines = Self.lines(status, conversation: conversation).map { String($0.prefix(max(20, width - 1))) }
    let text = erase() + lines.map { $0 + "\n" }.joined()
    lineCount = lines.count
    return text
  }

  static func lines(_ status: GatewayStatus, conversation: String?) -> [String] {
    var lines = ["\(printable(conversation ?? "talkbridge")): \(status.phase)\(longest(status.rendered))"]
    for participant in status.participants { lines.append(line(participant)) }
    if let level = status.inputLevel {
      let state = status.isMuted ? "muted" : ""
      lines.append("  \(padded("(we)")) \(meter(level.rms)) \(state)")
    }
    return lines
  }

  private static func line(_ status: ParticipantStatus) -> String {
    let participant = status.participant
    var remarks: [String] = []
    if participant.hasRaisedHand { remarks.append("hand raised") }
    if participant.isMuted ?? false {
      remarks.append("muted")
    } else if status.packetsReceived == 0 {
      remarks.append(status.isConnected ? "silent" : "no sound yet")
    }
    if let playout = status.playout, playout.packetsReceived > 0 {
      let all = playout.packetsReceived + playout.packetsLost
      remarks.append("loss \(decimal(100 * Double(playout.packetsLost) / Double(all))) %")
    }
    let name = participant.name ?? "guest \(participant.id)"
    return "  \(padded(printable(name))) \(meter(status.level.rms)) \(remarks.joined(separator: ", "))"
  }

  static func meter(_ level: Float) -> String {
    let share = (max(floor, min(0, level)) - floor) / -floor
    let filled = Int((share * Float(meterWidth)).rounded())
    return "[" + String(repeating: "#", count: filled) + String(repeating: " ", count: meterWidth - filled) + "]"
  }

  private static func longest(_ rendered: [Duration]) -> String {
    guard let most = rendered.max(), most > .zero else { return "" }
    let seconds = most.components.seconds
    let pair: (Int64) -> String = { ($0 < 10 ? "0" : "") + String($0) }
    return ", \(seconds / 3600):\(pair(seconds / 60 % 60)):\(pair(seconds % 60))"
  }

  private static func padded(_ name: String) -> String {
    let short = name.count > nameWidth ? name.prefix(nameWidth - 1) + "…" : name[...]
    return short + String(repeating: " ", count: nameWidth - short.count)
  }

  /// With one digit behind the point.
  private static func decimal(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// A name as others chose it, without what would move the cursor.
  static func printable(_ text: String) -> String {
    String(text.unicodeScalars.map { $0.properties.generalCategory.isUnprintable ? " " : Character($0) })
  }
}

extension Unicode.GeneralCategory {
  fileprivate var isUnprintable: Bool {
    switch self {
    case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
