/// How playout weighs delay against completeness.
public struct PlayoutConfiguration: Sendable, Equatable {
  /// When to be late enough that the packet after a lost one, with its copy of the lost sound, is there in time.
  public enum Patience: Sendable, Equatable {
    /// Only while packets are being lost and the sender includes copies.
    case whileLosing
    case always
  }

  /// The least delay after the fastest packets.
  public var minimumDelay: Duration
  /// The most delay after the fastest packets. What would come later still is skipped.
  public var maximumDelay: Duration
  /// How late sound may resume after an outage; what is older is skipped, as nobody misses it any more.
  public var maximumResumeDelay: Duration
  /// The delay with which a stream starts, before anything is known of the network.
  public var initialDelay: Duration
  /// How much delay is worth one percent of the packets not coming too late.
  public var lossCost: Duration
  /// How many packets the estimate of the delay looks back.
  public var memory: Int
  public var patience: Patience
  /// How far the delay may fall below its target before sound is stretched.
  public var slackBelow: Duration
  /// How far the delay may rise above its target before sound is compressed.
  public var slackAbove: Duration
  /// Whether sound that comes too late is played all the same, and the delay grows; else it gives way to what follows.
  public var keepsLateSound: Bool
  /// Whether the silence in which a long gap ends has the noise of the stream's background.
  public var comfortNoise: Bool
  /// How many packets are held at most.
  public var capacity: Int

  /// For conversation: the least delay that the network allows.
  public static let lowDelay = PlayoutConfiguration(
    minimumDelay: .zero, maximumDelay: .milliseconds(500), maximumResumeDelay: .milliseconds(100),
    initialDelay: .milliseconds(30),
    lossCost: .milliseconds(20), memory: 300, patience: .whileLosing, slackBelow: .milliseconds(2),
    slackAbove: .milliseconds(8), keepsLateSound: false, comfortNoise: true, capacity: 128)

  /// For listening: a little later, so that a lost packet's copy is always waited for.
  public static let patient = PlayoutConfiguration(
    minimumDelay: .milliseconds(20), maximumDelay: .seconds(1), maximumResumeDelay: .milliseconds(200),
    initialDelay: .milliseconds(50),
    lossCost: .milliseconds(20), memory: 500, patience: .always, slackBelow: .milliseconds(5),
    slackAbove: .milliseconds(10), keepsLateSound: false, comfortNoise: true, capacity: 128)

  /// For recording: late packets are waited for, and on a network worth the name sound is never stretched.
  public static let recording = PlayoutConfiguration(
    minimumDelay: .milliseconds(200), maximumDelay: .seconds(1), maximumResumeDelay: .seconds(1),
    initialDelay: .milliseconds(200),
    lossCost: .milliseconds(500), memory: 1_500, patience: .always, slackBelow: .milliseconds(100),
    slackAbove: .milliseconds(150), keepsLateSound: true, comfortNoise: false, capacity: 256)

  public init(
    minimumDelay: Duration, maximumDelay: Duration, maximumResumeDelay: Duration, initialDelay: Duration,
    lossCost: Duration, memory: Int,
    patience: Patience, slackBelow: Duration, slackAbove: Duration,
    keepsLateSound: Bool, comfortNoise: Bool, capacity: Int
  ) {
    self.minimumDelay = minimumDelay
    self.maximumDelay = maximumDelay
    self.maximumResumeDelay = maximumResumeDelay
    self.initialDelay = initialDelay
    self.lossCost = lossCost
    self.memory = memory
    self.patience = patience
    self.slackBelow = slackBelow
    self.slackAbove = slackAbove
    self.keepsLateSound = keepsLateSound
    self.comfortNoise = comfortNoise
    self.capacity = capacity
  }
  /// The same within other bounds; nil leaves one as it is. The stricter bound is the last: of a minimum above the maximum
  /// the maximum remains.
  public func bounded(minimumDelay: Duration?, maximumDelay: Duration?) -> PlayoutConfiguration {
    var bounded = self
    if let maximumDelay { bounded.maximumDelay = maximumDelay }
    if let minimumDelay { bounded.minimumDelay = minimumDelay }
    bounded.minimumDelay = min(bounded.minimumDelay, bounded.maximumDelay)
    bounded.initialDelay = min(max(bounded.initialDelay, bounded.minimumDelay), bounded.maximumDelay)
    bounded.maximumResumeDelay = min(max(bounded.maximumResumeDelay, bounded.minimumDelay), bounded.maximumDelay)
    return bounded
  }
}
