/// What playout made up since it last played a packet.
struct Gap {
  /// Samples made up.
  var length = 0
  /// Those of them that were silence.
  var silent = 0
  /// Whether packets are missing in it, also if they were restored.
  var hasLoss = false
  /// Whether the sender announced that nothing would come: what is made up is the background, and no concealment.
  var isAnnounced = false

  /// Whether it ends in silence.
  var isSilent: Bool { silent > 0 }

  /// Where what is made up begins to fade: after 120 ms; an announced pause is renewed every 400 ms, so after 1.5 s.
  private var fadeStart: Int { isAnnounced ? 72_000 : 5_760 }

  /// The gain for what comes after `count` more samples: fading takes 100 ms.
  func gain(after count: Int = 0) -> Float {
    min(max(Float(fadeStart + 4_800 - length - count) / 4_800, 0), 1)
  }
}
