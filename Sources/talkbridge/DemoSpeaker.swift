import Audio
import AudioFiles
import GLibLoop
import Gateway
import Logging
import TalkClient
import TalkProtocol
import Transport

/// A synthetic voice that takes part in a call, on loopback.
struct DemoSpeaker: Sendable {
  private let gateway: CallGateway

  init(_ name: String, _ voice: SyntheticVoice, at address: ConversationAddress, traced trace: TraceFile?) {
    var options = CallOptions(call: .init(address: address, role: .participant, displayName: name))
    options.input = GeneratedInput(VoiceSource(voice))
    options.iceAddresses = ["127.0.0.1"]
    let connection = TalkConnection(
      settings: TransportSettings(observer: trace?.observer(name)),
      logger: Logger(label: "talkbridge.demo") { _ in SwiftLogNoOpLogHandler() })
    gateway = CallGateway(options, connection: connection)
  }

  /// Speaks until it is asked to leave or the call ends.
  func run() async throws(Failure) {
    do { _ = try await gateway.run() } catch { throw Failure(error) }
  }

  func leave() async { await gateway.leave() }
}

/// Endless speech.
private final class VoiceSource: SampleProvider {
  private let signal: Locked<SpeechLikeSignal>

  init(_ voice: SyntheticVoice) { signal = Locked(SpeechLikeSignal(voice: voice)) }

  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant) {
    signal.withLock { $0.render(into: &samples) }
  }
}
