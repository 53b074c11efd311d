import Testing

@testable import talkbridge

/// The line in which messages are typed.
@Suite struct LineEditorTests {
  private static func typed(_ text: String) -> (LineEditor, [LineEditor.Outcome]) {
    var editor = LineEditor()
    let outcomes = editor.take(Array(text.utf8))
    return (editor, outcomes)
  }

  @Test(arguments: [
    ("hej", "hej"), ("hex\u{7F}j", "hej"), ("hex\u{8}j", "hej"), ("\u{7F}", ""),
    // A letter and its accent, a flag, a family: one key takes one away.
    ("e\u{301}\u{7F}", ""), ("a🇸🇪\u{7F}", "a"), ("👩‍👩‍👧\u{7F}b", "b"),
    ("one two\u{17}", "one "), ("one two  \u{17}\u{17}", ""), ("one\u{15}two", "two"),
    ("onetwo\u{1B}[D\u{1B}[D\u{1B}[D\u{15}", "two"), ("onetwo\u{1B}[D\u{1B}[D\u{1B}[D\u{0B}", "one"),
    ("b\u{01}a\u{05}c", "abc"), ("b\u{1B}[Ha\u{1B}[Fc", "abc"), ("b\u{1B}OHa\u{1B}OFc", "abc"),
    ("b\u{1B}[1~a\u{1B}[4~c", "abc"), ("ac\u{02}b", "abc"), ("abc\u{02}\u{02}\u{06}x", "abxc"),
    ("abc\u{01}\u{1B}[3~", "bc"), ("abc\u{01}\u{04}", "bc"),
    // Keys without a meaning here, and what no terminal should send.
    ("a\u{1B}[15~b\u{1B}[1;5Cc\u{1B}xd\u{7}e\u{0}", "abcde"),
    ("a\u{1B}[" + String(repeating: "9", count: 100), "a" + String(repeating: "9", count: 68)),
  ])
  func `keys edit the line`(keys: String, text: String) {
    let (editor, outcomes) = Self.typed(keys)
    #expect(editor.text == text)
    #expect(outcomes.isEmpty)
  }

  @Test func `each line comes out when it is finished`() {
    let (editor, outcomes) = Self.typed("one\rtwo\n\nrest")
    #expect(outcomes == [.line("one"), .line("two"), .line("")])
    #expect(editor.text == "rest")
  }

  @Test func `Ctrl-D ends on an empty line only`() {
    #expect(Self.typed("\u{04}").1 == [.end])
    #expect(Self.typed("a\u{04}").1 == [])
  }

  @Test func `what is pasted keeps its lines and commands nothing`() {
    let (editor, outcomes) = Self.typed("\u{1B}[200~one\rtwo\n\u{03}\u{15}\u{1B}[31mthree\u{1B}[201~!\r")
    #expect(outcomes == [.line("one\ntwo\nthree!")])
    #expect(editor.text == "")
  }

  @Test func `characters may come in pieces`() {
    var editor = LineEditor()
    for byte in "å€🎉\u{1B}[D!".utf8 { #expect(editor.take([byte]) == []) }
    #expect(editor.text == "å€!🎉")
  }

  @Test func `what is no UTF-8 is left out`() {
    var editor = LineEditor()
    _ = editor.take([0x61, 0xFF, 0x62, 0xC3, 0x63, 0xE2, 0x82, 0x64, 0x80, 0x65, 0xC0, 0x80, 0xED, 0xA0, 0x80, 0x66])
    #expect(editor.text == "abcdef")
  }

  @Test func `lines from before come back, and the one begun is kept`() {
    var editor = LineEditor()
    let (up, down) = (Array("\u{1B}[A".utf8), Array("\u{1B}[B".utf8))
    _ = editor.take("one\rtwo\rthr".utf8)
    for (key, text) in [(up, "two"), (up, "one"), (up, "one"), (down, "two"), (down, "thr"), (down, "thr")] {
      _ = editor.take(key)
      #expect(editor.text == text)
    }
    _ = editor.take(up)
    #expect(editor.take("!\r".utf8) == [.line("two!")])
  }

  @Test func `a long line is shown around the cursor`() {
    var (editor, _) = Self.typed(String(repeating: "x", count: 100) + "end")
    #expect(editor.window(columns: 10) == ("xxxxxxxend", 10))
    for _ in 0..<50 { _ = editor.take([0x02]) }
    #expect(editor.window(columns: 10) == ("xxxxxxxxxx", 8))
    _ = editor.take([0x01])
    #expect(editor.window(columns: 10) == ("xxxxxxxxxx", 0))
    #expect(Self.typed("日本語").0.window(columns: 5) == ("本語", 4))
    #expect(Self.typed("\u{1B}[200~a\nb\u{1B}[201~").0.window(columns: 10) == ("a b", 3))
    #expect(Self.typed("").0.window(columns: 10) == ("", 0))
  }

  @Test(
    arguments: [
      ("hej", .message("hej")), (" hej ", .message(" hej ")), ("", .nothing), ("  \t", .nothing),
      ("/mute", .command(.mute)), (" /hand now", .command(.hand)), ("/quit", .command(.quit)),
      ("/help", .command(.help)), ("/", .command(.unknown(""))), ("/etc/passwd", .command(.unknown("etc/passwd"))),
      ("//etc/passwd", .message("/etc/passwd")), ("a / b", .message("a / b")),
    ] as [(String, ChatInput)])
  func `a slash begins a command`(line: String, input: ChatInput) {
    #expect(ChatInput(line) == input)
  }
}
