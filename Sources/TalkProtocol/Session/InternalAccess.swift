/// Proof that we know a secret, without telling it: a random text of our own, and its HMAC-SHA256 under the secret.
public struct SecretProof: Hashable, Sendable {
  /// At least 32 characters; never the same twice.
  public var random: String
  /// 64 hexadecimal digits.
  public var checksum: String

  public init(random: String, checksum: String) {
    self.random = random
    self.checksum = checksum
  }
}

/// What makes us an internal client of the signaling server: hidden from the list of participants, let into every room, and
/// no participant as far as Nextcloud knows.
public struct InternalAccess: Sendable {
  public enum Settings: Sendable {
    /// Nextcloud is asked for them, as its recording backend asks: with proof of the secret that both share.
    case asked(proof: @Sendable () -> SecretProof)
    /// The user knows them. They are made anew for each connection, because what is in them may be good for a time only.
    case given(@Sendable () -> SignalingSettings)
  }

  public var settings: Settings
  /// Of the signaling server's internal secret.
  public var proof: @Sendable () -> SecretProof

  public init(settings: Settings, proof: @escaping @Sendable () -> SecretProof) {
    self.settings = settings
    self.proof = proof
  }

  /// Whether we can do without Nextcloud.
  var hasSettings: Bool { if case .given = settings { true } else { false } }
}
