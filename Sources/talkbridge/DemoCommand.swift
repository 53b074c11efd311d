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

  @Option(help: ArgumentHelp("How long to record: 90 (seconds), 30s, 5m, 1h30m. Default: 8s.", valueName: "time"))
  var duration: TimeLength?

  @Option(
    help: ArgumentHelp(
      "Where the call goes: a WAV file, pulse, pulse:NAME or -. Default: talkbridge-demo.wav.", valueName: "end"))
  var output: AudioEnd?

  @Flag(help: "Record nothing: keep the room open with its speakers, for you to try the other commands on.")
  var serve = false

  @Option(help: ArgumentHelp("The local TCP port of the room. Default: any free one.", valueName: "port"))
  var port: UInt16?

  @Flag(help: "Let the room forward no sound, to see what a broken media server looks like.")
  var withoutForwarding = false

  @Flag(
    help: """
      Print events and log as JSON lines on standard output; on standard error where standard output carries sound.
      """)
  var json = false

  @OptionGroup var trace: TraceArgument

  func validate() throws {
    if output == AudioEnd.none { throw ValidationError("The demo tells what it hears: it needs an output.") }
    if serve, duration != nil || output != nil || json {
      throw ValidationError("--serve records nothing: --duration, --output and --json are not for it.")
    }
  }

  func run() throws {
    let demo = Demo(
      duration: duration?.duration ?? .seconds(8), output: output ?? .file(path: "talkbridge-demo.wav"), port: port,
      forwards: !withoutForwarding, json: json)
    let serve = self.serve
    runAndExit(tracing: trace) { await serve ? demo.serve() : demo.record() }
  }
}

/// An embedded room with two speakers in its call.
struct Demo: Sendable {
  static let token = "demoroom"
  private static let speakers: [(voice: SyntheticVoice, name: String)] = [(.bass, "Bruno"), (.soprano, "Clara")]

  var duration: Duration
  var output: AudioEnd
  var port: UInt16?
  var forwards: Bool
  var json: Bool

  /// Records the speakers and tells what was heard.
  func record() async -> ExitCause {
    await withRoom { url in
      let status = await plan(url).run { summary in
        summary.participants.count { $0.sound >= .seconds(1) } >= Self.speakers.count ? .success : .heardNothing
      }
      guard !json else { return status }
      switch (status, output) {
      case (.success, .file(let path)):
        // It is the last line, wherever the others go.
        Console.standardError.flush()
        print("Both speakers are in \(TerminalText.printable(path)).")
      case (.heardNothing, _): complain("the demo did not hear both of its speakers")
      default: break
      }
      return status
    }
  }

  private func plan(_ url: String) -> CallPlan {
    var plan = CallPlan(
      url: url, role: .listener, name: "talkbridge (recording)", input: .none, outputs: [output])
    plan.duration = duration
    plan.iceAddresses = ["127.0.0.1"]
    plan.json = json
    plan.usesProxies = false
    return plan
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
      let signals = Interrupts.watched { continuation.yield() }
      for await _ in interrupts { break }
      withExtendedLifetime(signals) {}
      return .success
    }
  }

  private func withRoom(_ body: (String) async -> ExitCause) async -> ExitCause {
    var options = EmbeddedRoom.Options()
    options.port = Int(port ?? 0)
    let room = EmbeddedRoom(options, conversations: [HostedConversation(token: Self.token, name: "Demo")])
    let url: String
    let address: ConversationAddress
    do {
      url = try await room.start() + "/call/\(Self.token)"
      address = try ConversationAddress(url)
    } catch {
      let text = "\(error)"
      let reason = text.prefix(upTo: text.lastIndex { $0 != "." }.map(text.index(after:)) ?? text.endIndex)
      let failure =
        port == nil
        ? Failure("The room cannot be opened: \(reason).", .unexpected, identifier: "room-not-opened")
        : Failure(
          "The room cannot be opened: \(reason). Choose another --port, or none.", .portUnusable,
          identifier: "port-unusable")
      await plan("").reporter().failed(failure)
      return failure.status
    }
    let forwards = self.forwards
    await room.setFaults { $0.forwardsMedia = forwards }
    let speakers = Self.speakers.map { DemoSpeaker($0.name, $0.voice, at: address, traced: TraceFile.current) }
    let reporter = plan(url).reporter()
    let speaking = speakers.map { speaker in
      Task {
        do throws(Failure) { try await speaker.run() } catch {
          await reporter.warn("a speaker of the demo failed: \(error.message)")
        }
      }
    }
    let status = await body(url)
    for speaker in speakers { await speaker.leave() }
    for task in speaking { await task.value }
    await room.stop()
    return status
  }
}
