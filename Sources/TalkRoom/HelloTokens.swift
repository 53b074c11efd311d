internal import FoundationEssentials
internal import GLibLoop
internal import Signatures
internal import TalkProtocol

/// The tokens that the Nextcloud side hands out, and by which the signaling side knows its guests (`hello`).
final class HelloTokens: Sendable {
  private static let lifetime: Duration = .seconds(60)
  private static let most = 4096

  private struct State {
    var base = ""
    var shift: Duration = .zero
    // Expired ones are kept for a while, so that "expired" can be told from "unknown".
    var expiries: [String: ContinuousClock.Instant] = [:]
    var users: [String: String] = [:]
    var internalSecret: String?
  }

  private let signer = TokenSigner()
  private let now: @Sendable () -> ContinuousClock.Instant
  private let state = Locked(State())

  init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) { self.now = now }

  var publicKeyPEM: String { signer.publicKeyPEM }

  /// Sets the address of the one installation that tokens are good for.
  func serve(_ base: String) { state.withLock { $0.base = base } }

  /// Sets what internal clients must know; nil: none are let in.
  func admitInternalClients(knowing secret: String?) { state.withLock { $0.internalSecret = secret } }

  /// Sets how far the clock of the Nextcloud side is ahead.
  func shiftClock(by shift: Duration) { state.withLock { $0.shift = shift } }

  /// - Parameter userID: Empty for guests.
  func issue(for userID: String) -> String {
    let shift = state.withLock { $0.shift }
    let time = Int(Date.now.timeIntervalSince1970) + Int(shift.components.seconds)
    let subject = userID.isEmpty ? "" : #","sub":"\#(userID)""#
    let token = signer.token(claims: #"{"iss":"talkroom","iat":\#(time),"exp":\#(time + 60)\#(subject)}"#.utf8)
    let expiry = now() + Self.lifetime + shift
    state.withLock { state in
      if state.expiries.count >= Self.most, let oldest = state.expiries.min(by: { $0.value < $1.value }) {
        state.expiries[oldest.key] = nil
        state.users[oldest.key] = nil
      }
      state.expiries[token] = expiry
      if !userID.isEmpty { state.users[token] = userID }
    }
    return token
  }

  /// Whether a `hello` comes from somebody who asked us for its settings.
  /// - Parameter auth: The member `auth` of the message.
  func authenticate(version: String, _ auth: JSONValue) -> Result<SignalingHub.Identity, SignalingHub.Refusal> {
    let base = state.withLock { $0.base }
    if auth["type"].string == "internal" { return authenticateInternal(auth["params"], base) }
    // As the real server: host and port as configured, to the letter; the path below may be left out.
    guard let url = auth["url"].string, url == base || url.hasPrefix(base + "/") else {
      return .failure(.init(code: "invalid_backend", message: "The backend URL is not supported."))
    }
    if version == "1.0" {
      return auth["params"]["ticket"].string?.contains("::") ?? false
        ? .success(.init()) : .failure(.init(code: "invalid_ticket", message: "The given ticket is not valid."))
    }
    let token = auth["params"]["token"].string ?? ""
    guard let expiry = state.withLock({ $0.expiries[token] }) else {
      return .failure(.init(code: "invalid_token", message: "The passed token is invalid."))
    }
    guard now() <= expiry else {
      return .failure(.init(code: "token_expired", message: "The token is expired."))
    }
    // No leeway, as the real server of that version.
    guard expiry - now() <= Self.lifetime else {
      return .failure(.init(code: "token_not_valid_yet", message: "The token is not valid yet."))
    }
    return .success(.init(userID: state.withLock { $0.users[token] } ?? ""))
  }
  private func authenticateInternal(
    _ params: JSONValue, _ base: String
  ) -> Result<SignalingHub.Identity, SignalingHub.Refusal> {
    guard let secret = state.withLock({ $0.internalSecret }) else {
      return .failure(.init(code: "invalid_client_type", message: "The client type is not supported."))
    }
    let random = params["random"].string ?? ""
    let expected = HMAC.sha256(key: secret.utf8, message: random.utf8).hexadecimal
    guard random.count >= 32, params["token"].string == expected else {
      return .failure(.init(code: "invalid_token", message: "The passed token is invalid."))
    }
    guard let backend = params["backend"].string, (backend + "/").hasPrefix(base + "/") else {
      return .failure(.init(code: "invalid_backend", message: "The backend URL is not supported."))
    }
    return .success(.init(isInternal: true))
  }
}
