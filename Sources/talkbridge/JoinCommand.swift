import ArgumentParser
import TalkProtocol

struct JoinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "join",
    abstract: "Take part in a call: your microphone and speakers, unless told otherwise.",
    discussion: """
      Starts the call if there is none, without ringing the others; where that is not allowed, waits for it to start. \
      Ctrl-C leaves in order, a second one at once. In a terminal the key m turns the microphone off and on, h raises and \
      lowers the hand, q leaves; the signal SIGUSR1 turns the microphone off and on, too. An internal client only listens \
      unless it has an --input.

      An END is pulse, pulse:NAME (see talkbridge devices), - (raw s16le, 48 kHz, mono on standard input or output), \
      none, or a WAV file.
      """)

  @Option(help: ArgumentHelp("What is said into the call. Default: pulse, the default microphone.", valueName: "end"))
  var input: AudioEnd?

  @Option(
    help: ArgumentHelp(
      "Where the call is heard; may be given several times. Default: pulse, the default speakers.", valueName: "end"))
  var output: [AudioEnd] = []

  @Flag(help: "Repeat the input file; otherwise it plays once, and silence follows.")
  var loop = false

  @Flag(help: "Start with the microphone off.")
  var mute = false

  @Flag(
    help: """
      Send next to nothing in pauses of speech (discontinuous transmission), to save bandwidth; others hear the \
      background made up.
      """)
  var dtx = false

  @Flag(help: "Ring the other members of the conversation if this starts the call.")
  var ring = false

  @Flag(
    help: """
      Show the chat too, and send what you type: in a terminal on a line of its own, otherwise each line of standard \
      input. /mute, /hand and /quit are commands, /help explains them.
      """)
  var chat = false

  @OptionGroup var leaving: LeavingArguments
  @OptionGroup var call: CallArguments

  func validate() throws {
    try output.validate(input: input)
    if chat, input == .pipe {
      throw ValidationError(
        "Standard input cannot carry both: give either --input -, for sound, or --chat, for messages.")
    }
    if chat, call.service.internalSecretFile != nil {
      throw ValidationError("An internal client has no chat: leave out --chat or --internal-secret-file.")
    }
    if loop, input?.isFile != true { throw ValidationError("--loop repeats a file: name it with --input.") }
  }

  func run() throws {
    let onlyListens = call.service.internalSecretFile != nil && input == nil
    var plan = CallPlan(
      url: call.url, role: onlyListens ? .listener : .participant, name: "talkbridge",
      input: input ?? (onlyListens ? .none : .pulse(name: nil)),
      outputs: output.isEmpty ? [.pulse(name: nil)] : output)
    plan.apply(call)
    plan.apply(leaving)
    plan.repeatsInput = loop
    plan.rings = ring
    plan.startsMuted = mute
    plan.chats = chat
    plan.sendsNothingInPauses = dtx
    runAndExit(tracing: call.trace) { [plan] in await plan.run() }
  }
}
