public import TalkProtocol

/// One thing that was looked at, and what came of it.
public struct Finding: Sendable, Equatable {
  public enum Check: String, Sendable, CaseIterable {
    case server, clock, talk, conversation, signaling, stun, turn, path, sending, receiving
  }

  public enum Verdict: String, Sendable, CaseIterable {
    case ok
    /// Could not be looked at, or there is nothing to look at; the summary says why.
    case skipped
    /// Works, and deserves attention.
    case warning
    case failure
  }

  public var check: Check
  public var verdict: Verdict
  /// What was seen, in a line for people.
  public var summary: String
  /// What was seen, for programs. The names are promised in the README.
  public var figures: [String: JSONValue]
  /// What is wrong, for warnings and failures.
  public var problem: Problem?

  public init(
    _ check: Check, _ verdict: Verdict, _ summary: String, figures: [String: JSONValue] = [:], problem: Problem? = nil
  ) {
    self.check = check
    self.verdict = verdict
    self.summary = summary
    self.figures = figures
    self.problem = problem
  }
}

/// Something that does not work, what it usually comes from, and what helps.
public struct Problem: Sendable, Equatable {
  /// A short name that never changes, for programs.
  public var identifier: String
  /// A sentence.
  public var cause: String
  /// A sentence, for whoever runs the server.
  public var cure: String
  /// What this is called where it keeps somebody out of a call.
  public var failure: CallFailure?

  public init(_ identifier: String, cause: String, cure: String, failure: CallFailure? = nil) {
    self.identifier = identifier
    self.cause = cause
    self.cure = cure
    self.failure = failure
  }

  init(_ failure: CallFailure, cause: String, cure: String) {
    self.init(failure.identifier, cause: cause, cure: cure, failure: failure)
  }
}
