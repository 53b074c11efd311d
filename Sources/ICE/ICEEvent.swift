/// Hears from an `ICEAgent`, on the thread of its loop.
package protocol ICEAgentDelegate: AnyObject, Sendable {
  /// A datagram that is not ICE's own has come. The memory is the agent's: it may be changed in place, and is good until
  /// the call returns.
  func received(_ datagram: UnsafeMutableBufferPointer<UInt8>)

  /// Something changed. Never called from inside a call to the agent.
  func handle(_ event: ICEEvent)
}

package enum ICEEvent: Sendable {
  /// A `candidate:` line for the peer.
  case localCandidate(String)
  /// No more local candidates will come.
  case gatheringDone
  /// A path is in use: the first, or a better one.
  case selected(ICESelectedPair)
  /// There is none within the time given, or none any more. Comes at most once; close the agent.
  case failed(ICEFailure)
}
