/// A way into an actor from a callback on its loop's thread that is taken for every packet or block of audio:
/// `assumeIsolated` without the memory that allocates for its closure each time.
///
/// Make it once, as a static constant:
///
///     private static let receive = ActorEntry<Agent, UnsafeBufferPointer<UInt8>, Void> { agent, datagram in
///       agent.count(datagram)
///     }
///     // in the callback:
///     Self.receive(agent, datagram)
public struct ActorEntry<Target: Actor, Argument, Result>: Sendable {
  // Captures nothing that could race: `body` is Sendable, and is only called on the executor of its target.
  private nonisolated(unsafe) let function: (Target, Argument) -> Result

  /// - Parameter body: Runs isolated to the target.
  public init(_ body: @escaping @Sendable (isolated Target, Argument) -> Result) {
    // The standard library's `assumeIsolated` takes this same step for a closure of one call: `isolated` is a promise to
    // the compiler and no part of how a synchronous function is called.
    function = unsafeBitCast(body, to: ((Target, Argument) -> Result).self)
  }

  /// Runs the body; traps when the calling thread is not that of the target's executor.
  public func callAsFunction(_ target: Target, _ argument: Argument) -> Result {
    target.preconditionIsolated()
    return function(target, argument)
  }
}
