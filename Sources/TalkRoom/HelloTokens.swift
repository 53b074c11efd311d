internal import Foundation
internal import GLibLoop
internal import Signatures

/// The tokens that the Nextcloud side hands out and by which the signaling side knows its guests (`hello` 2.0).
final class HelloTokens: Sendable {
  private static let lifetime: Duration = .seconds(60)
  private static let most = 4096

  private let signer = TokenSigner()
  // Expired ones are kept for a while, so that "expired" can be told from "unknown".
  private let expiries = Locked<[String: ContinuousClock.Instant]>([:])

  var publicKeyPEM: String { signer.publicKeyPEM }

  /// - Parameter userID: Empty for guests.
  func issue(for userID: String) -> String {
    let time = Int(Date.now.timeIntervalSince1970)
    let subject = userID.isEmpty ? "" : #","sub":"\#(userID)""#
    let token = signer.token(claims: #"{"iss":"talkroom","iat":\#(time),"exp":\#(time + 60)\#(subject)}"#.utf8)
    let expiry = ContinuousClock.now + Self.lifetime
    expiries.withLock { expiries in
      if expiries.count >= Self.most, let oldest = expiries.min(by: { $0.value < $1.value }) {
        expiries[oldest.key] = nil
      }
      expiries[token] = expiry
    }
    return token
  }

  /// Whether a `hello` comes from somebody who asked us for its settings.
  func authenticate(
    version: String, token: String?, ticket: String?, url: String?
  ) -> Result<SignalingHub.Identity, SignalingHub.Refusal> {
    guard url?.contains("/ocs/v2.php/apps/spreed/") ?? false else {
      return .failure(.init(code: "invalid_backend", message: "The backend URL is not supported."))
    }
    if version == "1.0" {
      return ticket?.contains("::") ?? false
        ? .success(.init()) : .failure(.init(code: "invalid_ticket", message: "The given ticket is not valid."))
    }
    guard let token, let expiry = expiries.withLock({ $0[token] }) else {
      return .failure(.init(code: "invalid_token", message: "The passed token is invalid."))
    }
    guard ContinuousClock.now <= expiry else {
      return .failure(.init(code: "token_expired", message: "The token is expired."))
    }
    return .success(.init())
  }
}
