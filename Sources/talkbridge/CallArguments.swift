import ArgumentParser
import Glibc

/// The options that every command has which takes part in a call.
struct CallArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "The conversation's address, as the browser shows it: https://host/call/TOKEN.", valueName: "url"))
  var url: String

  @Option(
    help: ArgumentHelp(
      "The name that others see; users have one. Default: talkbridge, or talkbridge (recording) for who listens only.",
      valueName: "name"))
  var name: String?

  @OptionGroup var room: RoomArguments

  @OptionGroup var account: AccountArguments

  @OptionGroup var service: InternalArguments

  @Flag(help: "Send and receive sound through the server's TURN servers only.")
  var relayOnly = false

  @Option(
    help: ArgumentHelp(
      """
      Use only this local IP address for sound, loopback allowed; may be given several times. Default: all addresses \
      but loopback.
      """, valueName: "address"), transform: Self.address)
  var iceAddress: [String] = []

  @Option(
    help: ArgumentHelp(
      "Use only these local UDP ports for sound, both ends included: 40000-40100. Default: any.",
      valueName: "low-high"))
  var icePorts: PortRange?

  @Option(
    help: ArgumentHelp(
      """
      Let speakers and pipes be at least so many milliseconds behind the fastest packets, 0 to 2000. Default: no more \
      than the network needs.
      """, valueName: "ms"), transform: Self.delay)
  var minimumDelay: Duration?

  @Option(
    help: ArgumentHelp(
      """
      Let speakers and pipes be at most so many milliseconds behind the fastest packets, 20 to 2000; what comes later \
      is left out. Default: 500, pipes 1000.
      """, valueName: "ms"), transform: Self.delay)
  var maximumDelay: Duration?

  @OptionGroup var trust: TrustArguments

  @OptionGroup var log: LogArguments

  @OptionGroup var trace: TraceArgument

  @Flag(
    help: """
      Print events and log as JSON lines on standard output; on standard error where standard output carries sound.
      """)
  var json = false

  func validate() throws {
    if service.internalSecretFile != nil, account.user != nil {
      throw ValidationError("An internal client is no user: leave out --user or --internal-secret-file.")
    }
    if let maximumDelay {
      guard maximumDelay >= .milliseconds(20) else { throw ValidationError("--maximum-delay is at least 20.") }
      guard minimumDelay ?? .zero <= maximumDelay else {
        throw ValidationError("--minimum-delay is longer than --maximum-delay.")
      }
    }
    if name != nil, account.user != nil { throw ValidationError(AccountArguments.usersHaveNames) }
  }

  private static func delay(_ text: String) throws -> Duration {
    guard let milliseconds = Int(text), 0...2_000 ~= milliseconds else {
      throw ValidationError("“\(text)” is no delay: give milliseconds from 0 to 2000.")
    }
    return .milliseconds(milliseconds)
  }

  static func address(_ text: String) throws -> String {
    var address = in6_addr()
    guard inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1 else {
      throw ValidationError("“\(text)” is not an IP address.")
    }
    return text
  }
}

/// When to leave a call that goes on.
struct LeavingArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Leave so long after the first participant was heard or, alone, after joining: 90 (seconds), 30s, 5m, 1h30m. \
      Default: stay until the call ends.
      """, valueName: "time"))
  var duration: TimeLength?

  @Flag(help: "Leave when the last other participant has left the call.")
  var untilEmpty = false
}

extension [AudioEnd] {
  /// - Throws: Where two of them get in each other's way, or one of them in that of an input.
  func validate(input: AudioEnd? = nil) throws {
    if count > 1, contains(.none) { throw ValidationError("--output none means no output: give it alone.") }
    guard count(where: { $0 == .pipe }) < 2 else {
      throw ValidationError("Standard output can carry the sound only once: give --output - only once.")
    }
    for (index, end) in enumerated() {
      if self[..<index].contains(where: { $0.isSameFile(as: end) }) {
        throw ValidationError("Two outputs cannot be written to the same file.")
      }
      if let input, input.isSameFile(as: end) {
        throw ValidationError("The output would overwrite the input file: give it another name.")
      }
    }
  }
}
