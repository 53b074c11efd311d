/// Decides, from receiver reports, how sturdily and at what rate speech is sent: the loss its encoder prepares for, and
/// its bitrate.
///
/// Two kinds of loss want opposite things. A network that loses now and then wants copies of each packet in the next
/// (in-band FEC), and the bits for them on top of the speech's own. A network that is full wants fewer bits. A full one is
/// known by a queue before the loss, so by a round trip that has grown, or by loss so heavy that nothing else explains it.
///
/// A value without a clock: reports come about once a second (RFC 3550 §6.2), and each moves it by one step.
public struct SpeechRateControl: Sendable, Equatable {
  /// In bits per second: the least and most that is ever sent.
  public static let bitrates = 16_000...64_000
  /// In bits per second: enough for speech of the full bandwidth on a network without loss.
  public static let cleanBitrate = 32_000
  /// What loss alone, with no sign of a queue, may bring the rate down to: below, libopus has no bits for copies.
  private static let leastForLoss = 24_000
  /// In percent. Some is always prepared for: listeners behind the server have losses of their own, which nobody tells.
  public static let expectedLosses = 5...30
  /// A share of packets above which the network is taken for full; and one below which it is taken for free again.
  private static let heavyLoss = 0.15
  private static let lightLoss = 0.02
  /// A share of packets from which on copies are worth as many bits as the speech itself.
  private static let fullCopies = 0.1
  /// In seconds: a round trip so much longer than the shortest shows a queue.
  private static let queue = 0.15

  /// The loss to prepare for, in percent.
  public private(set) var expectedLoss = expectedLosses.lowerBound
  /// In bits per second.
  public private(set) var bitrate = cleanBitrate

  /// The share of packets lost lately, smoothed: quickly up, slowly down, for one clean second makes no clean network.
  private var loss = 0.0
  /// The same without preference, to judge the network by: chance makes the other one higher than it is.
  private var meanLoss = 0.0
  /// In bits per second: what the network is believed to carry.
  private var capacity = Double(bitrates.upperBound)
  /// The shortest round trip, in seconds, forgotten slowly, as routes change.
  private var shortestRoundTrip: Double?

  public init() {}

  /// Takes what a receiver report says.
  /// - Parameters:
  ///   - fractionLost: Share of our packets that did not arrive since the report before, 0 to 1.
  ///   - roundTripTime: In seconds; nil where it is not known.
  public mutating func receive(fractionLost: Double, roundTripTime: Double?) {
    let lost = min(max(fractionLost, 0), 1)
    loss += (lost - loss) * (lost > loss ? 0.5 : 0.15)
    meanLoss += (lost - meanLoss) * 0.2
    let isQueueing = hasGrown(roundTripTime)
    if isQueueing {
      reduce(by: 0.15 + meanLoss / 2, notBelow: Self.bitrates.lowerBound)
    } else if meanLoss > Self.heavyLoss {
      reduce(by: meanLoss / 2, notBelow: Self.leastForLoss)
    } else if meanLoss < Self.lightLoss {
      capacity = min(capacity * 1.05 + 500, Double(Self.bitrates.upperBound))
    }
    let copies = min(max(loss - Self.lightLoss, 0) / (Self.fullCopies - Self.lightLoss), 1)
    let most = Double(Self.bitrates.upperBound - Self.cleanBitrate)
    let wanted = Double(Self.cleanBitrate) + most * copies
    let rate = min(wanted, capacity).rounded()
    bitrate = min(max(Int(rate), Self.bitrates.lowerBound), Self.bitrates.upperBound)
    let percent = Int((loss * 100).rounded(.up))
    expectedLoss = min(max(percent, Self.expectedLosses.lowerBound), Self.expectedLosses.upperBound)
  }

  private mutating func reduce(by share: Double, notBelow least: Int) {
    let reduced = min(capacity, Double(bitrate)) * (1 - min(share, 0.5))
    capacity = max(reduced, min(capacity, Double(least)))
  }

  private mutating func hasGrown(_ roundTripTime: Double?) -> Bool {
    guard let roundTripTime, roundTripTime.isFinite, roundTripTime >= 0 else { return false }
    let shortest = min(roundTripTime, (shortestRoundTrip ?? roundTripTime) * 1.005)
    shortestRoundTrip = shortest
    return roundTripTime > shortest + Self.queue
  }
}
