import Inspection
import TalkProtocol

/// Findings as lines for a terminal of 80 columns, and as events.
struct InspectionReport {
  private static let columns = 80
  private static let margin = 21
  private static let problemMargin = 14

  private let address: ConversationAddress
  private let looksAtConversation: Bool

  init(_ address: ConversationAddress, looksAtConversation: Bool) {
    self.address = address
    self.looksAtConversation = looksAtConversation
  }

  private var url: String { looksAtConversation ? address.conversationURL : address.baseURL }

  // MARK: Lines

  func title(user: String?) -> String {
    TerminalText.printable("Looking into \(url) as \(user.map { "user \($0)" } ?? "a guest")")
  }

  func lines(_ findings: [Finding], colored: Bool) -> [String] {
    [""] + findings.flatMap { lines(of: $0, colored: colored) } + [""]
      + Self.wrapped(verdict(findings), first: "", others: "")
  }

  private func lines(of finding: Finding, colored: Bool) -> [String] {
    let mark = TerminalText.fitted(Self.mark(finding.verdict), to: 4)
    let name = TerminalText.fitted(Self.name(finding.check), to: 13)
    let blank = String(repeating: " ", count: Self.margin)
    var lines = Self.wrapped(finding.summary, first: "\(mark)  \(name)  ", others: blank)
    if colored, let color = Self.color(finding.verdict) {
      lines[0] = "\u{1B}[\(color)m\(mark)\u{1B}[0m" + lines[0].dropFirst(mark.count)
    }
    if let problem = finding.problem {
      let blank = String(repeating: " ", count: Self.problemMargin)
      lines += Self.wrapped(problem.cause, first: "      Cause:  ", others: blank)
      lines += Self.wrapped(problem.cure, first: "      Cure:   ", others: blank)
    }
    return lines
  }

  private static func mark(_ verdict: Finding.Verdict) -> String {
    switch verdict {
    case .ok: "ok"
    case .skipped: "-"
    case .warning: "WARN"
    case .failure: "FAIL"
    }
  }

  private static func color(_ verdict: Finding.Verdict) -> Int? {
    switch verdict {
    case .ok: 32
    case .skipped: nil
    case .warning: 33
    case .failure: 31
    }
  }

  private static func name(_ check: Finding.Check) -> String {
    switch check {
    case .server: "Server"
    case .clock: "Clocks"
    case .talk: "Talk"
    case .conversation: "Conversation"
    case .signaling: "Signaling"
    case .stun: "STUN"
    case .turn: "TURN"
    case .path: "Path"
    case .sending: "Sending"
    case .receiving: "Receiving"
    }
  }

  /// The plain word at the end.
  func verdict(_ findings: [Finding]) -> String {
    func names(_ verdict: Finding.Verdict) -> [String] {
      var names: [String] = []
      for finding in findings where finding.verdict == verdict {
        let name = Self.name(finding.check)
        if !names.contains(name) { names.append(name) }
      }
      return names
    }
    let (failed, warned) = (names(.failure), names(.warning))
    let untried = findings.contains { $0.check == .sending && $0.verdict == .skipped }
    if !failed.isEmpty {
      let rest = warned.isEmpty ? "" : " Worth a look: \(warned.joined(separator: ", "))."
      return "Does not work: \(failed.joined(separator: ", ")).\(rest)"
    }
    let scope = !looksAtConversation || untried ? "Everything that was tried works" : "Everything works"
    return warned.isEmpty ? "\(scope)." : "\(scope), but look at: \(warned.joined(separator: ", "))."
  }

  /// `text` in lines of at most 80 columns. What has no space to break at stays whole.
  static func wrapped(_ text: String, first: String, others: String) -> [String] {
    var lines: [String] = []
    var line = first
    var isEmpty = true
    for word in TerminalText.printable(text).split(separator: " ") {
      if !isEmpty, TerminalText.width(line) + 1 + TerminalText.width(word) > columns {
        lines.append(line)
        line = others
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }

  // MARK: Events

  /// The members are documented in the README.
  func events(_ findings: [Finding], _ status: ExitCause) -> [EventLine] {
    let all = findings.map { finding in
      var members: [String: JSONValue] = [
        "check": .string(finding.check.rawValue), "verdict": .string(finding.verdict.rawValue),
        "summary": .string(finding.summary), "figures": .object(finding.figures),
      ]
      if let problem = finding.problem {
        members["problem"] = .string(problem.identifier)
        members["cause"] = .string(problem.cause)
        members["cure"] = .string(problem.cure)
      }
      return EventLine("finding", members)
    }
    return all + [
      EventLine(
        "inspected",
        [
          "url": .string(url), "verdict": .string(verdictName(findings)), "message": .string(verdict(findings)),
          "exitCode": .number(Double(status.rawValue)),
        ])
    ]
  }

  private func verdictName(_ findings: [Finding]) -> String {
    if findings.contains(where: { $0.verdict == .failure }) { return Finding.Verdict.failure.rawValue }
    return (findings.contains { $0.verdict == .warning } ? Finding.Verdict.warning : .ok).rawValue
  }
}
