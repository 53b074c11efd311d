import Audio
import AudioFiles
import FoundationEssentials
import GLibLoop
import Gateway
import Glibc
import Logging
import Playout
import PulseAudioIO
import TalkClient
import TalkProtocol
import Transport

/// What the user asked for, checked and carried out: from the command line to the exit code.
struct CallPlan: Sendable {
  var url: String
  var role: CallSession.Role
  var name: String
  var input: AudioEnd
  var outputs: [AudioEnd]
  var repeatsInput = false
  var rings = false
  var startsMuted = false
  /// The chat is shown, and written by typing.
  var chats = false
  var room = RoomArguments.Values()
  var account = AccountArguments.Values()
  var service = InternalArguments.Values()
  var duration: Duration?
  var leavesWhenEmpty = false
  var relayOnly = false
  var iceAddresses: [String] = []
  var icePorts: PortRange?
  var caFile: String?
  var logLevel: Logger.Level = .warning
  var json = false
  var minimumDelay: Duration?
  var maximumDelay: Duration?
  var sendsNothingInPauses = false
  /// Whether the environment's proxies lead to the server.
  var usesProxies = true

  /// A plan with everything left at its default that is not named.
  init(url: String, role: CallSession.Role, name: String, input: AudioEnd, outputs: [AudioEnd]) {
    self.url = url
    self.role = role
    self.name = name
    self.input = input
    self.outputs = outputs
  }

  /// Takes over the options of the command line.
  mutating func apply(_ arguments: CallArguments) {
    if let name = arguments.name { self.name = name }
    room = arguments.room.values
    account = arguments.account.values
    service = arguments.service.values
    relayOnly = arguments.relayOnly
    iceAddresses = arguments.iceAddress
    icePorts = arguments.icePorts
    caFile = arguments.trust.caFile
    logLevel = arguments.log.level
    json = arguments.json
    minimumDelay = arguments.minimumDelay
    maximumDelay = arguments.maximumDelay
  }

  mutating func apply(_ arguments: LeavingArguments) {
    duration = arguments.duration?.duration
    leavesWhenEmpty = arguments.untilEmpty
  }

  /// Runs the whole participation, with display and signals.
  /// - Parameter judge: Says what a participation without failure is worth.
  func run(judging judge: (CallSummary) -> ExitCause = { _ in .success }) async -> ExitCause {
    switch await participation(judging: judge) {
    case .success(let (_, status)): status
    case .failure(let failure): failure.status
    }
  }

  /// As `run`, and tells how it went. A failure has been shown to the user already.
  func participation(
    judging judge: (CallSummary) -> ExitCause = { _ in .success }
  ) async -> Result<(summary: CallSummary, status: ExitCause), Failure> {
    let reporter = reporter()
    do throws(Failure) {
      let summary = try await participate(reporter)
      let status = judge(summary)
      await reporter.finished(summary, with: status)
      return .success((summary, status))
    } catch {
      await reporter.failed(error)
      return .failure(error)
    }
  }

  /// Who tells the user what happens.
  func reporter() -> Reporter {
    let style: Reporter.Style = json ? .json : isLive ? .live : .plain
    return Reporter(style: style, events: events, isRecording: outputs.contains { $0.isFile })
  }

  private var isLive: Bool { !json && Console.standardError.abilities.isInteractive }

  /// Where events go as JSON.
  private var events: TextStream { outputs.contains(.pipe) ? .standardError : .standardOutput }

  private static let speakersKeys = "keys: m turns the microphone off and on, h raises and lowers the hand, q leaves"
  private static let listenersKeys = "keys: q leaves"

  private func participate(_ reporter: Reporter) async throws(Failure) -> CallSummary {
    let address: ConversationAddress
    do { address = try ConversationAddress(url) } catch {
      throw Failure(error.description, .notAnAddress, identifier: "not-an-address")
    }
    if address.isInsecure {
      await reporter.warn("\(address.host) is reached over http: everybody on the way can read and change everything")
    }
    if service.isOverheard {
      await reporter.warn(
        "the signaling server is reached without TLS: whoever listens on the way can enter every conversation as we do")
    }
    if service.isInternal {
      await reporter.note("as an internal client: unseen by the others; the names of guests and the chat are missing")
    }
    let logger = Logger(label: "talkbridge") { _ in ConsoleLog(logLevel: logLevel, events: json ? events : nil) }
    let connection = try connection(to: address, logger: logger)
    let options = try options(address, reporter)
    let gateway = CallGateway(options, connection: connection)
    let chat =
      chats
      ? CallChat(
        ChatClient(beside: connection, at: address, name: account.user == nil ? name : nil),
        url: address.conversationURL, gateway: gateway, reporter: reporter) : nil
    JobControl.watch()
    let signals = Interrupts.watched { reporter.interrupted(gateway) }
    let muting = SignalWatch(SIGUSR1, on: .network) { Task { await gateway.toggleMuted() } }
    let keys = input == .pipe || chats ? nil : TerminalKeys(on: .network) { gateway.pressed($0) }
    defer {
      keys?.end()
      withExtendedLifetime((signals, muting)) {}
    }
    if keys != nil, TerminalKeys.areOurs {
      await reporter.note(role == .listener ? Self.listenersKeys : Self.speakersKeys)
    }
    let typing = chat.map { chat in Task { await type(into: chat, reporter) } }
    switch await GLibExecutor.audio.requestRealtimePriority() {
    case .granted(let authority):
      logger.info("sound has realtime priority", metadata: ["by": "\(authority.rawValue)"])
    case .refused(let reason): logger.info("sound has no realtime priority", metadata: ["reason": "\(reason)"])
    }
    logger.info(
      "sound is coded by \(GatewayCodec.library)",
      metadata: ["lost-sound-is-made-up-by": "\(GatewayCodec.concealsByNetwork ? "a neural network" : "extrapolation")"]
    )
    let following = Task { await reporter.follow(gateway) { event in await chat?.handle(event) } }
    let result: Result<CallSummary, GatewayError>
    do { result = .success(try await gateway.run()) } catch { result = .failure(error) }
    await following.value
    await chat?.end()
    typing?.cancel()
    await typing?.value
    // Where there was no call, there is no recording either.
    for end in options.outputs { await (end.output as? WAVRecorder)?.discard() }
    do { return try result.get() } catch { throw Failure(error) }
  }

  /// Passes on what the user types: from a line of our own below the live display, or line by line.
  private func type(into chat: CallChat, _ reporter: Reporter) async {
    if isLive, let prompt = ChatPrompt({ command in Task { await chat.carryOut(command) } }) {
      await reporter.note(CallChat.help)
      await chat.take(prompt.lines)
      prompt.end()
    } else if TerminalKeys.mayRead {
      let lines = InputLines()
      await chat.take(AsyncStream { await lines.next() })
    }
  }

  private func options(_ address: ConversationAddress, _ reporter: Reporter) throws(Failure) -> CallOptions {
    var call = CallSession.Configuration(address: address, role: role, displayName: name)
    call.ringsOthers = rings
    call.startsMuted = startsMuted
    call.password = try room.password()
    call.consentsToRecording = room.consents
    call.waitsInLobby = room.waitsInLobby
    call.usesAccount = account.user != nil
    call.internalAccess = try service.access()
    var options = CallOptions(call: call)
    for output in outputs {
      if let end = outputEnd(output, of: address, reporter) { options.outputs.append(end) }
    }
    if role == .participant { options.input = inputEnd(reporter) }
    options.duration = duration
    options.sendsNothingInPauses = sendsNothingInPauses
    options.leavesWhenEmpty = leavesWhenEmpty
    options.relayOnly = relayOnly
    options.iceAddresses = iceAddresses
    options.icePorts = icePorts.map { $0.low...$0.high }
    options.caFile = caFile
    return options
  }

  /// Speakers want little delay, a file wants every packet, and a pipe's reader something in between.
  private func outputEnd(_ end: AudioEnd, of address: ConversationAddress, _ reporter: Reporter) -> OutputEnd? {
    switch end {
    case .pulse(let name):
      OutputEnd(PulseOutput(sink: name) { event in reporter.device("output", event) }, playout: bounded(.lowDelay))
    case .pipe: OutputEnd(PipeOutput(), playout: bounded(.patient))
    case .none: nil
    case .file(let path): OutputEnd(WAVRecorder(path: path), playout: .recording)
    case .datedFiles(let directory):
      OutputEnd(DatedRecorder(directory: directory, prefix: address.token), playout: .recording)
    }
  }

  private func bounded(_ playout: PlayoutConfiguration) -> PlayoutConfiguration {
    playout.bounded(minimumDelay: minimumDelay, maximumDelay: maximumDelay)
  }

  private func inputEnd(_ reporter: Reporter) -> any AudioInput {
    switch input {
    case .pulse(let name): PulseInput(source: name) { event in reporter.device("input", event) }
    case .pipe: PipeInput()
    case .none, .datedFiles: GeneratedInput()
    case .file(let path): FileInput(path: path, repeats: repeatsInput)
    }
  }

  private func connection(to address: ConversationAddress, logger: Logger) throws(Failure) -> TalkConnection {
    TalkConnection(
      account: try account.resolved(for: address), settings: try .ofProcess(caFile: caFile, usesProxies: usesProxies),
      logger: logger)
  }
}
