import ArgumentParser
import Audio
import AudioFiles
import GLibLoop
import Gateway
import Glibc
import Logging
import Playout
import TalkClient
import TalkProtocol
import TalkRoom
import Transport

struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Record a call of two synthetic speakers in an embedded Talk room; no server needed.",
    discussion: """
      Everything is as in a real call: the speakers and the recorder join over HTTP, signaling and WebRTC, on loopback. \
      Ends with what was heard of each speaker; exit code 3 if that is nothing.
      """)

  @Option(help: ArgumentHelp("How long to record: 8 (seconds), 30s, 5m.", valueName: "time"))
  var duration = TimeLength(argument: "8s")!

  @Option(help: ArgumentHelp("The WAV file to write.", valueName: "file"))
  var output = "talkbridge-demo.wav"

  @Flag(help: "Record nothing: keep the room open with its speakers, for you to try the other commands on.")
  var serve = false

  @Option(help: ArgumentHelp("The local TCP port of the room. Default: any free one.", valueName: "port"))
  var port: UInt16 = 0

  @Flag(help: "Let the room forward no sound, to see what a broken media server looks like.")
  var withoutForwarding = false

  @Flag(help: "Print events as JSON lines on standard output.")
  var json = false

  func run() throws {
    let demo = Demo(
      duration: duration.duration, output: output, port: Int(port), forwards: !withoutForwarding, json: json)
    let serve = self.serve
    runAndExit { await serve ? demo.serve() : demo.record() }
  }
}

/// An embedded room with two speakers in its call.
struct Demo: Sendable {
  static let token = "demoroom"
  private static let speakers: [(voice: SyntheticVoice, name: String)] = [(.bass, "Bruno"), (.soprano, "Clara")]

  var duration: Duration
  var output: String
  var port: Int
  var forwards: Bool
  var json: Bool

  /// Records the speakers and tells what was heard.
  func record() async -> ExitCause {
    await withRoom { url in
      var plan = CallPlan(
        url: url, role: .listener, name: "talkbridge (recording)", input: .none, outputs: [.file(path: output)])
      plan.duration = duration
      plan.iceAddresses = ["127.0.0.1"]
      plan.json = json
      switch await plan.participation() {
      case .failure(let failure): return failure.status
      case .success(let summary): return judge(summary)
      }
    }
  }

  /// Keeps the room open until it is interrupted.
  func serve() async -> ExitCause {
    await withRoom { url in
      print("The room is open: \(url)")
      print("Try, in another terminal:")
      print("  talkbridge record \(url) --ice-address 127.0.0.1 --output call.wav --duration 10s")
      print("  talkbridge join \(url) --ice-address 127.0.0.1")
      print("Ctrl-C closes it.")
      fflush(nil)
      let (interrupts, continuation) = AsyncStream.makeStream(of: Void.self)
      let signals = [SIGINT, SIGTERM, SIGHUP].map { SignalWatch($0, on: .network) { continuation.yield() } }
      for await _ in interrupts { break }
      withExtendedLifetime(signals) {}
      return .success
    }
  }

  private func withRoom(_ body: (String) async -> ExitCause) async -> ExitCause {
    var options = EmbeddedRoom.Options()
    options.port = port
    let room = EmbeddedRoom(options, conversations: [HostedConversation(token: Self.token, name: "Demo")])
    let url: String
    let address: ConversationAddress
    do {
      url = try await room.start() + "/call/\(Self.token)"
      address = try ConversationAddress(url)
    } catch {
      complain("the room cannot be opened: \(error)")
      return .unexpected
    }
    let forwards = self.forwards
    await room.setFaults { $0.forwardsMedia = forwards }
    let speakers = Self.speakers.map { speaker in
      CallGateway(Self.options(for: speaker.name, voice: speaker.voice, at: address), connection: Self.connection())
    }
    let speaking = speakers.map { speaker in
      Task {
        do throws(GatewayError) { _ = try await speaker.run() } catch {
          complain("a speaker of the demo failed: \(Failure(error).message)")
        }
      }
    }
    let status = await body(url)
    for speaker in speakers { await speaker.leave() }
    for task in speaking { await task.value }
    await room.stop()
    return status
  }

  private static func options(for name: String, voice: SyntheticVoice, at address: ConversationAddress) -> CallOptions {
    var options = CallOptions(call: .init(address: address, role: .participant, displayName: name))
    options.input = GeneratedInput(VoiceSource(voice))
    options.iceAddresses = ["127.0.0.1"]
    return options
  }

  private static func connection() -> TalkConnection {
    TalkConnection(
      settings: TransportSettings(), logger: Logger(label: "talkbridge.demo") { _ in SwiftLogNoOpLogHandler() })
  }

  /// Prints what was heard of each speaker; a demo that heard nothing of one has failed.
  private func judge(_ summary: CallSummary) -> ExitCause {
    var isComplete = !summary.participants.isEmpty
    if !json { print("\nHeard in the call, and written to \(output):") }
    for participant in summary.participants {
      let name = participant.participant.name ?? "guest \(participant.participant.id)"
      let lost = participant.playout?.packetsLost ?? 0
      isComplete = isComplete && participant.sound >= .seconds(1)
      if !json {
        print(
          "  \(name): \(participant.packetsReceived) packets decrypted, \(EventSentence.seconds(participant.sound)) s of sound, \(lost) packets lost"
        )
      }
    }
    if summary.participants.isEmpty, !json { print("  nobody") }
    guard isComplete else {
      complain("the demo did not hear every speaker")
      return .heardNothing
    }
    return .success
  }
}

/// A synthetic voice that never ends.
private final class VoiceSource: SampleProvider {
  private let signal: Locked<SpeechLikeSignal>

  init(_ voice: SyntheticVoice) { signal = Locked(SpeechLikeSignal(voice: voice)) }

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    signal.withLock { $0.render(into: &samples) }
  }
}
