/// A line that is being typed on a terminal. Pure: keys go in as the terminal sends them, lines come out.
///
/// Left and right, Home and End, Backspace and Delete, Ctrl-A, B, D, E, F, H, K, U, W; Up and Down bring back lines from
/// before. What is pasted (bracketed paste of xterm's control sequences) keeps its line breaks.
struct LineEditor {
  enum Outcome: Equatable {
    case line(String)
    /// Ctrl-D on an empty line.
    case end
  }

  /// In characters; what is typed beyond that is not taken.
  private static let longestLine = 100_000
  private static let longestSequence = 32
  private static let mostHistory = 100

  // The cursor is between them, so that what joins with the character before it does.
  private var head = ""
  private var tail = ""
  /// The beginning of a character or of a key's sequence.
  private var pending: [UInt8] = []
  private var isPasting = false
  private var history: [String] = []
  /// Which line of the history is shown; its count for the one being typed.
  private var place = 0
  private var draft = ""

  var text: String { head + tail }

  /// Takes what the terminal sent.
  mutating func take(_ bytes: some Sequence<UInt8>) -> [Outcome] {
    var outcomes: [Outcome] = []
    for byte in bytes {
      pending.append(byte)
      if let outcome = takePending() { outcomes.append(outcome) }
    }
    return outcomes
  }

  /// The part of the line around the cursor that so many columns show, and the column of the cursor.
  func window(columns: Int) -> (text: String, cursor: Int) {
    let (head, tail) = (TerminalText.printable(head), TerminalText.printable(tail))
    var before = ""
    let room = columns - min(TerminalText.width(tail), columns / 4)
    for character in head.reversed() {
      guard TerminalText.width(before) + TerminalText.width(String(character)) <= room else { break }
      before = String(character) + before
    }
    let cursor = TerminalText.width(before)
    var after = ""
    for character in tail {
      guard cursor + TerminalText.width(after) + TerminalText.width(String(character)) <= columns else { break }
      after.append(character)
    }
    return (before + after, cursor)
  }

  // MARK: Bytes

  /// Acts on what is pending, if it is complete.
  private mutating func takePending() -> Outcome? {
    let first = pending[0]
    if first == 0x1B {
      guard let sequence = completeSequence() else { return nil }
      pending = []
      act(onSequence: sequence)
      return nil
    }
    if let last = pending.last, pending.count > 1, last & 0xC0 != 0x80 {
      // What should go on and does not is no character; what came instead may begin one.
      pending = [last]
      return takePending()
    }
    guard pending.count >= Self.length(ofCharacter: first) else { return nil }
    defer { pending = [] }
    guard let scalar = String(validating: pending, as: UTF8.self)?.unicodeScalars.first else { return nil }
    return act(on: scalar)
  }

  private static func length(ofCharacter first: UInt8) -> Int {
    switch first {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
  }

  /// What follows ESC, once it is there: `[`, parameters and a letter, or `O` and a letter, or one character.
  private func completeSequence() -> String? {
    let rest = pending.dropFirst()
    guard let kind = rest.first, let last = rest.last else { return nil }
    switch kind {
    case UInt8(ascii: "["):
      guard rest.count > 1, (0x40...0x7E).contains(last) || rest.count > Self.longestSequence else { return nil }
    case UInt8(ascii: "O"): guard rest.count > 1 else { return nil }
    default: break
    }
    return String(decoding: rest, as: UTF8.self)
  }

  // MARK: Keys

  private mutating func act(on scalar: Unicode.Scalar) -> Outcome? {
    switch scalar {
    case "\r", "\n":
      if isPasting { insert("\n") } else { return finishLine() }
    case "\t": insert(scalar)
    case _ where isPasting:
      if scalar.properties.generalCategory != .control { insert(scalar) }
    case "\u{01}": moveToStart()
    case "\u{02}": moveLeft()
    case "\u{04}":
      if text.isEmpty { return .end }
      deleteRight()
    case "\u{05}": moveToEnd()
    case "\u{06}": moveRight()
    case "\u{08}", "\u{7F}": _ = head.popLast()
    case "\u{0B}": tail = ""
    case "\u{0E}": recall(place + 1)
    case "\u{10}": recall(place - 1)
    case "\u{15}": head = ""
    case "\u{17}": deleteWord()
    default: if scalar.properties.generalCategory != .control { insert(scalar) }
    }
    return nil
  }

  private mutating func act(onSequence sequence: String) {
    switch sequence {
    case "[200~": isPasting = true
    case "[201~": isPasting = false
    case _ where isPasting: break
    case "[D", "OD": moveLeft()
    case "[C", "OC": moveRight()
    case "[A", "OA": recall(place - 1)
    case "[B", "OB": recall(place + 1)
    case "[H", "OH", "[1~", "[7~": moveToStart()
    case "[F", "OF", "[4~", "[8~": moveToEnd()
    case "[3~": deleteRight()
    default: break
    }
  }

  private mutating func insert(_ scalar: Unicode.Scalar) {
    guard head.utf8.count + tail.utf8.count < Self.longestLine * 4 else { return }
    head.unicodeScalars.append(scalar)
  }

  private mutating func moveLeft() { if let character = head.popLast() { tail.insert(character, at: tail.startIndex) } }
  private mutating func moveRight() { if !tail.isEmpty { head.append(tail.removeFirst()) } }
  private mutating func moveToStart() { (head, tail) = ("", text) }
  private mutating func moveToEnd() { (head, tail) = (text, "") }
  private mutating func deleteRight() { if !tail.isEmpty { tail.removeFirst() } }

  private mutating func deleteWord() {
    while head.last?.isWhitespace == true { head.removeLast() }
    while let last = head.last, !last.isWhitespace { head.removeLast() }
  }

  private mutating func finishLine() -> Outcome {
    let line = text
    if !line.isEmpty, history.last != line { history.append(line) }
    if history.count > Self.mostHistory { history.removeFirst() }
    (head, tail, draft, place) = ("", "", "", history.count)
    return .line(line)
  }

  private mutating func recall(_ wanted: Int) {
    guard wanted != place, (0...history.count).contains(wanted) else { return }
    if place == history.count { draft = text }
    place = wanted
    (head, tail) = (wanted == history.count ? draft : history[wanted], "")
  }
}
