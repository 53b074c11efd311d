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

  @Option(help: ArgumentHelp("The WAV file to write. Default: talkbridge-demo.wav.", valueName: "file"))
  var output: String?

  @Flag(help: "Record nothing: keep the room open with its speakers, for you to try the other commands on.")
  var serve = false

  @Option(help: ArgumentHelp("The local TCP port of the room. Default: any free one.", valueName: "port"))
  var port: UInt16?

  @Flag(help: "Let the room forward no sound, to see what a broken media server looks like.")
  var withoutForwarding = false

  @Flag(help: "Print events as JSON lines on standard output.")
  var json = false

  @OptionGroup var trace: TraceArgument

  func run() throws {
    let demo = Demo(
      duration: duration?.duration ?? .seconds(8), output: output ?? "talkbridge-demo.wav", port: Int(port ?? 0),
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
      let status = await plan.run { summary in
        summary.participants.count { $0.sound >= .seconds(1) } >= Self.speakers.count ? .success : .heardNothing
      }
      switch status {
      case .success: if !json { print("Both speakers are in \(output).") }
      case .heardNothing: complain("the demo did not hear both of its speakers")
      default: break
      }
      return status
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
      let signals = Interrupts.watched { continuation.yield() }
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
    let speakers = Self.speakers.map { DemoSpeaker($0.name, $0.voice, at: address, traced: TraceFile.current) }
    let speaking = speakers.map { speaker in
      Task {
        do throws(Failure) { try await speaker.run() } catch {
          complain("a speaker of the demo failed: \(error.message)")
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
