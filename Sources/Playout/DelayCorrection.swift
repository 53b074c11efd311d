/// A correction of a playout delay that is not finished.
///
/// Not within `PlayoutBuffer`: types within a generic one are made at run time, with memory, when they are first used.
struct DelayCorrection {
  /// A deviation that is less than this is not urgent: 40 ms.
  static let bearable = 1_920

  let isShortening: Bool
  /// Since when it is needed, in samples pulled.
  let since: Int
  /// How far the delay was off at the most, in samples.
  var size = 0
  var isLarge: Bool { size > Self.bearable }
}
