import ArgumentParser
import FoundationEssentials
import Glibc
import Inspection
import Logging
import TalkClient
import TalkProtocol

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Look into a server from here: what works, what does not, and what helps.",
    discussion: """
      Asks the server and its signaling server, tries each STUN and TURN server over each transport, and enters the call \
      of the conversation for a moment, muted, to see whether sound gets through; if nobody else is to be heard, with a \
      second guest. Where no call is running, none is started without --call. Takes at most 15 seconds.

      With the address of the server alone (https://host), it tells what can be told without a conversation.

      The exit code is 0 when everything works; else that of the first thing that does not, and 50 where it has none of \
      its own. Warnings do not count.
      """)

  @Argument(
    help: ArgumentHelp(
      "The conversation's address, as the browser shows it (https://host/call/TOKEN), or the server's (https://host).",
      valueName: "url"))
  var url: String

  @Option(
    help: ArgumentHelp("The name that others in the call see. Default: talkbridge (inspecting).", valueName: "name"))
  var name: String?

  @Flag(help: "Where no call is running, start one to try the sound in. Nobody is notified.")
  var call = false

  @OptionGroup var password: RoomPasswordArgument

  @Flag(help: "Agree to being recorded, where the call asks for that.")
  var consent = false

  @OptionGroup var account: AccountArguments

  @Option(
    help: ArgumentHelp(
      """
      Use only this local IP address for sound, loopback allowed; may be given several times. Default: all addresses \
      but loopback.
      """, valueName: "address"), transform: CallArguments.address)
  var iceAddress: [String] = []

  @OptionGroup var trust: TrustArguments

  @OptionGroup var log: LogArguments

  @OptionGroup var trace: TraceArgument

  @Flag(help: "Print the findings as JSON lines on standard output.")
  var json = false

  func run() throws {
    let plan = InspectionPlan(self)
    runAndExit(tracing: trace) { await plan.run() }
  }
}

/// What is to be looked at, from the command line to the exit code.
struct InspectionPlan: Sendable {
  private let url: String
  private let name: String?
  private let startsCall: Bool
  private let passwordFile: String?
  private let consents: Bool
  private let account: AccountArguments.Values
  private let iceAddresses: [String]
  private let caFile: String?
  private let logLevel: Logger.Level
  private let json: Bool

  init(_ command: InspectCommand) {
    url = command.url
    name = command.name
    startsCall = command.call
    passwordFile = command.password.file
    consents = command.consent
    account = command.account.values
    iceAddresses = command.iceAddress
    caFile = command.trust.caFile
    logLevel = command.log.level
    json = command.json
  }

  func run() async -> ExitCause {
    do throws(Failure) {
      let inspection = try inspection()
      let report = InspectionReport(inspection.address, looksAtConversation: inspection.looksAtConversation)
      if !json {
        print(report.title(user: inspection.account?.user))
        fflush(nil)
      }
      let findings = Diagnosis.findings(of: await inspection.observe())
      let status = Self.status(of: findings)
      if json {
        for line in report.events(findings, status) { print(line.text) }
      } else {
        for line in report.lines(findings, colored: Self.showsColors) { print(line) }
      }
      return status
    } catch {
      complain(error.message)
      return error.status
    }
  }

  private func inspection() throws(Failure) -> Inspection {
    let address: ConversationAddress
    let isConversation = url.contains("/call/")
    do { address = try ConversationAddress(isConversation ? url : Self.withConversation(url)) } catch {
      throw Failure(error.description, .notAnAddress, identifier: "not-an-address")
    }
    var inspection = Inspection(
      address: address, transport: try .ofProcess(caFile: caFile),
      logger: Logger(label: "talkbridge") { [logLevel] _ in ConsoleLog(logLevel: logLevel) })
    inspection.looksAtConversation = isConversation
    inspection.account = try account.resolved(for: address)
    inspection.password = try RoomPasswordArgument.read(passwordFile)
    if let name { inspection.name = name }
    inspection.consentsToRecording = consents
    inspection.startsCall = startsCall
    inspection.iceAddresses = iceAddresses
    return inspection
  }

  /// The server's address, as it would be that of a conversation.
  private static func withConversation(_ url: String) -> String {
    let base = url.prefix { $0 != "?" && $0 != "#" }
    return base + (base.hasSuffix("/") ? "" : "/") + "call/none"
  }

  /// That of the first thing that does not work.
  static func status(of findings: [Finding]) -> ExitCause {
    guard let failed = findings.first(where: { $0.verdict == .failure }) else { return .success }
    return failed.problem?.failure.map { ExitCause($0) } ?? .defective
  }

  private static var showsColors: Bool {
    Console.Abilities(
      isTerminal: isatty(STDOUT_FILENO) == 1, environment: ProcessInfo.processInfo.environment
    ).showsColors
  }
}
