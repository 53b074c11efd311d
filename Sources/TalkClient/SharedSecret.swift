internal import FoundationEssentials
internal import Signatures
public import TalkProtocol

/// A secret that servers share with us, and what can be made of it without telling it. Its description does not show it.
public struct SharedSecret: Sendable, Equatable {
  private let key: [UInt8]

  public init(_ text: String) { key = Array(text.utf8) }

  /// Proof that we know it, as Nextcloud and the signaling server ask for it. Each is good for one request.
  public func proof() -> SecretProof {
    var generator = SystemRandomNumberGenerator()
    let random = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }.hexadecimal
    return SecretProof(random: random, checksum: HMAC.sha256(key: key, message: random.utf8).hexadecimal)
  }

  /// The name and password that a TURN server with this secret (`static-auth-secret`) accepts until `expiry`, in seconds
  /// since 1970 (draft-uberti-behave-turn-rest-00).
  public func relayCredentials(until expiry: Int) -> (username: String, password: String) {
    let username = "\(expiry):talkbridge"
    return (username, Data(HMAC.sha1(key: key, message: username.utf8)).base64EncodedString())
  }
}

extension SharedSecret: CustomStringConvertible, CustomReflectable {
  public var description: String { "secret" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
