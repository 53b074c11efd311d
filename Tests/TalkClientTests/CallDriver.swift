import GLibLoop
import Logging
import TalkClient
import TalkProtocol
import Transport

/// Drives a `CallSession` over a `TalkConnection`, without media.
actor CallDriver {
  private nonisolated let loop = GLibExecutor.network
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private var session: CallSession
  private let connection: TalkConnection
  private var timer: LoopTimer?
  private(set) var events: [CallEvent] = []
  private(set) var outcome: CallOutcome?

  init(_ address: ConversationAddress, password: String? = nil, settings: TransportSettings = .init(), logger: Logger) {
    var configuration = CallSession.Configuration(address: address, role: .listener, displayName: "Recorder")
    configuration.password = password
    session = CallSession(configuration: configuration, random: SystemRandomNumberGenerator())
    connection = TalkConnection(settings: settings, logger: logger)
  }

  /// From entering until `finish`, or until the task is cancelled.
  func run() async {
    timer = LoopTimer(on: loop) { [weak self] in self?.assumeIsolated { $0.timedOut() } }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [connection] in await connection.run { await self.handle($0) } }
      handle(.start)
      while outcome == nil, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
      group.cancelAll()
    }
    timer?.invalidate()
  }

  func handle(_ event: CallSession.Event) { perform(session.handle(event, at: .now)) }

  private func timedOut() { perform(session.handleTimeout(.now)) }

  private func perform(_ effects: [CallEffect]) {
    for effect in effects where !connection.perform(effect) {
      switch effect {
      case .report(let event): events.append(event)
      case .finish(let outcome): self.outcome = outcome
      default: break
      }
    }
    if let deadline = session.deadline { timer?.schedule(at: deadline) } else { timer?.cancel() }
  }

  var isWaitingForCall: Bool { session.phase == .waitingForCall(.nobodyInCall) }
}
