import ArgumentParser
import GLibLoop
import Gateway
import Glibc
import TalkProtocol

struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Record every call of a conversation, one WAV file each, until interrupted.",
    discussion: """
      Stays in the conversation, listens to each call from its start until everybody has left, and waits for the next. \
      A closed lobby is waited out. A server that cannot be reached is tried again, less and less often, and a recording \
      that fails (a full disk, no path for the sound) ends that recording only; what cannot change by waiting ends it.
      """)

  @OptionGroup var call: CallArguments

  @Option(
    help: ArgumentHelp(
      "Where the recordings go; their names are the conversation's token and the local time. Default: here.",
      valueName: "directory"))
  var outputDirectory = "."

  func run() throws {
    var plan = CallPlan(
      url: call.url, role: .listener, name: "talkbridge (recording)", input: .none,
      outputs: [.datedFiles(directory: outputDirectory)])
    plan.apply(call)
    plan.leavesWhenEmpty = true
    plan.room.waitsInLobby = true
    runAndExit(tracing: call.trace) { [plan] in
      var plan = plan
      do throws(Failure) {
        try plan.room.readSecrets()
        try plan.account.readSecrets()
        try plan.service.readSecrets()
      } catch {
        await plan.reporter().failed(error)
        return error.status
      }
      return await Watch(plan).run()
    }
  }
}

/// Participation after participation.
private final class Watch: Sendable {
  private static let shortestPause = Duration.seconds(10)
  private static let longestPause = Duration.seconds(600)
  /// As long as servers remember wrong passwords and addresses.
  private static let penance = Duration.seconds(1800)

  /// As long as it takes until a conversation is seen to be open to us.
  private static let probation = Duration.seconds(60)

  private let plan: CallPlan
  /// Whether the user wants it to end; and what is to be woken then.
  private let interruption = Locked<(isOver: Bool, pause: Task<Void, Never>?)>((false, nil))

  init(_ plan: CallPlan) { self.plan = plan }

  func run() async -> ExitCause {
    let signals = [SIGINT, SIGTERM, SIGHUP].map { signal in
      SignalWatch(signal, on: .network) { [self] in
        interruption.withLock { state in
          state.isOver = true
          state.pause?.cancel()
        }
      }
    }
    defer { withExtendedLifetime(signals) {} }
    var pause = Self.shortestPause
    var isProven = false
    while !isOver {
      let start = ContinuousClock.now
      let result = await plan.participation()
      if ContinuousClock.now - start > Self.probation {
        isProven = true
        pause = Self.shortestPause
      }
      switch result {
      case .success(let (summary, _)):
        guard summary.reason != .requested else { return .success }
        isProven = true
        pause = Self.shortestPause
      case .failure(let failure):
        guard Self.mayPass(failure, isProven: isProven) else { return failure.status }
        await rest(failure.identifier == CallFailure.rateLimited.identifier ? Self.penance : pause)
        pause = min(pause * 2, Self.longestPause)
      }
    }
    return .success
  }

  /// Whether it may be otherwise later. What is wrong from the beginning is told at once where it may be a mistake of the
  /// user's; what goes wrong after it was right is waited out.
  private static func mayPass(_ failure: Failure, isProven: Bool) -> Bool {
    if failure.isTransient { return true }
    return switch failure.status {
    case .hostUnreachable, .signalingUnreachable, .serverBusy, .sessionLimit, .diskFull: true
    case .removed: failure.identifier == CallFailure.removedFromCall.identifier
    case .helloRefused, .noICEPath, .notATalkServer, .noSignalingServer, .tlsFailure, .callForbidden,
      .outputUnwritable:
      isProven
    default: false
    }
  }

  private var isOver: Bool { interruption.withLock { $0.isOver } }

  private func rest(_ pause: Duration) async {
    await plan.reporter().warn("trying again in \(pause.components.seconds) s")
    let rest = Task { _ = try? await Task.sleep(for: pause) }
    interruption.withLock { state in
      state.pause = rest
      if state.isOver { rest.cancel() }
    }
    await rest.value
  }
}
