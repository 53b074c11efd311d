import ArgumentParser
import TalkProtocol

struct RecordCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Record a call, mixed, without taking part in it.",
    discussion: """
      Never starts a call: stays in the conversation until somebody is in the call, then listens. Ctrl-C leaves in \
      order and completes the file, a second one leaves at once.

      An END is a WAV file (48 kHz, mono; RF64 beyond 4 GiB), - (raw s16le, 48 kHz, mono on standard output), pulse or \
      pulse:NAME (see talkbridge devices), or none.
      """)

  @Option(
    help: ArgumentHelp("Where the recording goes, usually a WAV file; may be given several times.", valueName: "end"))
  var output: [AudioEnd]

  @OptionGroup var leaving: LeavingArguments
  @OptionGroup var call: CallArguments

  func validate() throws { try output.validate() }

  func run() throws {
    var plan = CallPlan(
      url: call.url, role: .listener, name: "talkbridge (recording)", input: .none, outputs: output)
    plan.apply(call)
    plan.apply(leaving)
    runAndExit(tracing: call.trace) { [plan] in await plan.run() }
  }
}
