import Testing

@testable import talkbridge

@Suite struct OptionValuesTests {
  @Test(arguments: [
    ("90", 90.0), ("30s", 30), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("1m30", 90), ("0.5", 0.5),
  ])
  func `a length of time is read as people write it`(text: String, seconds: Double) {
    #expect(TimeLength(argument: text)?.duration == .seconds(seconds))
  }

  @Test(arguments: ["", "s", "5x", "-3", "1s2m", "1m1m", "0", "1..2", "99999999999h", "٣"])
  func `what is no length of time is refused`(text: String) {
    #expect(TimeLength(argument: text) == nil)
  }

  @Test func `an audio end is read by its form`() {
    #expect(AudioEnd(argument: "pulse") == .pulse(name: nil))
    #expect(AudioEnd(argument: "pulse:usb.monitor") == .pulse(name: "usb.monitor"))
    #expect(AudioEnd(argument: "-") == .pipe)
    #expect(AudioEnd(argument: "none") == AudioEnd.none)
    #expect(AudioEnd(argument: "call.wav") == .file(path: "call.wav"))
    #expect(AudioEnd(argument: "file:pulse") == .file(path: "pulse"))
    #expect(AudioEnd(argument: "pulse:") == nil)
    #expect(AudioEnd(argument: "file:") == nil)
    #expect(AudioEnd(argument: "") == nil)
  }

  @Test func `a port range has two ends in order`() {
    let range = PortRange(argument: "20000-20100")
    #expect(range?.low == 20000 && range?.high == 20100)
    for text in ["20000", "5-4", "0-9", "1-70000", "a-b", "1-2-3", ""] {
      #expect(PortRange(argument: text) == nil)
    }
  }

  @Test func `every exit code has its own number and a meaning`() {
    #expect(Set(ExitCause.allCases.map(\.rawValue)).count == ExitCause.allCases.count)
    #expect(Set(ExitCause.allCases.map(\.meaning)).count == ExitCause.allCases.count)
  }
}
