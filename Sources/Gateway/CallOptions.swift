public import Audio
public import Playout
public import TalkProtocol

/// An output and how its sound is played out.
public struct OutputEnd: Sendable {
  public var output: any AudioOutput
  public var playout: PlayoutConfiguration

  public init(_ output: any AudioOutput, playout: PlayoutConfiguration) {
    self.output = output
    self.playout = playout
  }
}

/// Everything about one participation in a call that its user chooses.
public struct CallOptions: Sendable {
  public var call: CallSession.Configuration
  public var outputs: [OutputEnd] = []
  /// What we say; nil for a listener.
  public var input: (any AudioInput)?
  /// Whether pauses of what we say are not sent but for a packet now and then (discontinuous transmission).
  public var sendsNothingInPauses = false
  /// Leave so long after the first participant was heard or, alone, after joining.
  public var duration: Duration?
  /// Leave when the last other participant has left the call.
  public var leavesWhenEmpty = false
  /// Use TURN servers only.
  public var relayOnly = false
  /// Gather on these local addresses only; empty: on all but loopback.
  public var iceAddresses: [String] = []
  public var icePorts: ClosedRange<UInt16>?
  /// How long each peer connection may look for a network path; nil for the usual time.
  public var icePatience: Duration?
  /// A PEM file of certificate authorities to trust beside the system's.
  public var caFile: String?

  public init(call: CallSession.Configuration) { self.call = call }
}
