import ArgumentParser
import Logging
import TalkProtocol

/// The options that every command has which takes part in a call.
struct CallArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "The conversation's address, as the browser shows it: https://host/call/TOKEN.", valueName: "url"))
  var url: String

  @Option(help: ArgumentHelp("The name that others see.", valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      """
      Leave so long after the first participant was heard or, alone, after joining: 90 (seconds), 30s, 5m, 1h. \
      Default: stay until the call ends.
      """, valueName: "time"))
  var duration: TimeLength?

  @OptionGroup var room: RoomArguments

  @OptionGroup var account: AccountArguments

  @Flag(help: "Leave when the last other participant has left the call.")
  var untilEmpty = false

  @Flag(help: "Send and receive sound through TURN servers only.")
  var relayOnly = false

  @Option(
    help: ArgumentHelp(
      """
      Use only this local IP address for sound, loopback allowed; may be given several times. Default: all addresses \
      but loopback.
      """, valueName: "address"))
  var iceAddress: [String] = []

  @Option(
    help: ArgumentHelp(
      "Use only these local UDP ports for sound, both ends included. Default: any.", valueName: "low-high"))
  var icePorts: PortRange?

  @Option(
    help: ArgumentHelp(
      "Trust the certificate authorities in this PEM file too, beside the system's.", valueName: "file"))
  var caFile: String?

  @Option(
    help: ArgumentHelp(
      "How much to log on standard error: trace, debug, info, notice, warning, error or critical. Default: warning.",
      valueName: "level"), transform: Self.logLevel)
  var logLevel: Logger.Level = .warning

  @Flag(
    help: """
      Print events as JSON lines on standard output; on standard error where standard output carries sound.
      """)
  var json = false

  private static func logLevel(_ name: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: name) else { throw ValidationError("There is no log level “\(name)”.") }
    return level
  }
}

struct JoinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "join",
    abstract: "Take part in a call: your microphone and speakers, unless told otherwise.",
    discussion: """
      Starts the call if there is none, without ringing the others; where that is not allowed, waits for it to start. \
      Ctrl-C leaves in order, a second one at once. In a terminal the key m turns the microphone off and on, h raises and \
      lowers the hand, q leaves; the signal SIGUSR1 turns the microphone off and on, too.
      """)

  @OptionGroup var call: CallArguments

  @Option(help: ArgumentHelp("What is said into the call. Default: pulse.", valueName: "end"))
  var input: AudioEnd = .pulse(name: nil)

  @Option(
    help: ArgumentHelp("Where the call is heard; may be given several times. Default: pulse.", valueName: "end"))
  var output: [AudioEnd] = []

  @Flag(help: "Repeat an input file; otherwise it plays once, and silence follows.")
  var loop = false

  @Flag(help: "Start with the microphone off.")
  var mute = false

  @Flag(help: "Ring the other members of the conversation when this starts the call.")
  var ring = false

  func run() throws {
    let call = self.call
    let plan = CallPlan(
      arguments: call, role: .participant, defaultName: "talkbridge", input: input,
      outputs: output.isEmpty ? [.pulse(name: nil)] : output, repeatsInput: loop, rings: ring, startsMuted: mute)
    runAndExit { await plan.run() }
  }
}

struct RecordCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Record a call, mixed, without taking part in it.",
    discussion: """
      Never starts a call: stays in the conversation until somebody is in the call, then listens. Ctrl-C leaves in \
      order and completes the file, a second one leaves at once.
      """)

  @OptionGroup var call: CallArguments

  @Option(
    help: ArgumentHelp("Where the recording goes, usually a WAV file; may be given several times.", valueName: "end"))
  var output: [AudioEnd]

  func run() throws {
    let plan = CallPlan(
      arguments: call, role: .listener, defaultName: "talkbridge (recording)", input: .none, outputs: output)
    runAndExit { await plan.run() }
  }
}
