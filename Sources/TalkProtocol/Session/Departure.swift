/// Leaving in order: the call, the signaling session, the conversation; for an internal client the signaling session alone. Each step is given a limited time, for the answer
/// changes nothing any more.
struct Departure: Sendable {
  enum Step {
    case call(RequestID)
    case conversation(RequestID)
    /// Until the socket is closed.
    case signaling
  }

  let outcome: CallOutcome
  private(set) var step: Step
  private(set) var deadline: ContinuousClock.Instant

  init(_ outcome: CallOutcome, _ step: Step, until deadline: ContinuousClock.Instant) {
    self.outcome = outcome
    self.step = step
    self.deadline = deadline
  }

  /// Whether the answer to `id` ends the step.
  func awaits(_ id: RequestID) -> Bool {
    switch step {
    case .call(id), .conversation(id): true
    default: false
    }
  }
}
