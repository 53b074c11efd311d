/// Why a session cannot go on.
public enum CallFailure: Error, Hashable, Sendable {
  case hostUnreachable(host: String, detail: String)
  case tlsFailure(host: String, detail: String)
  /// No answer in time.
  case noAnswer(host: String)
  case notATalkServer(host: String, detail: String)
  /// It sends us to another address, where we cannot or must not follow.
  case movedElsewhere(host: String, to: String)
  /// The address works, but Nextcloud does not want to be called so.
  case untrustedHost(host: String)
  case talkUnavailable
  case talkTooOld(missing: String)
  case callsDisabled
  case endToEndEncrypted
  case maintenance
  case rateLimited
  /// An answer that is no part of the protocol.
  case serverError(doing: String, status: Int)

  case unknownConversation
  case passwordNeeded
  case passwordWrong
  case banned
  case loginNeeded
  /// The account's name or app password is not, or no longer, accepted.
  case loginRefused
  case lobby
  case federated
  case conversationForbidden
  case readOnly
  case callForbidden
  case callRefused(reason: String)
  case consentNeeded
  /// Nextcloud let us in, and the signaling server was not told.
  case callNotConfirmed

  case noSignalingServer
  case noMediaServer
  case signalingUnreachable(detail: String)
  /// `code` is the signaling server's.
  case signalingRefused(code: String, message: String)
  case backendUnknownToSignaling(url: String)
  case sessionLimit
  /// The signaling server does not accept our internal secret, or has none itself.
  case internalSecretRefused(isConfigured: Bool)
  /// Nextcloud does not accept our recording secret.
  case recordingSecretRefused
  case roomRefused(code: String, message: String)

  case noMediaPath(detail: String)
  case removedFromCall
  case removedFromConversation
  case conversationGone
  case takenOver

  /// A short name that never changes, for programs.
  public var identifier: String {
    switch self {
    case .hostUnreachable: "host-unreachable"
    case .tlsFailure: "tls-failure"
    case .noAnswer: "no-answer"
    case .notATalkServer: "not-a-talk-server"
    case .movedElsewhere: "moved-elsewhere"
    case .untrustedHost: "untrusted-host"
    case .talkUnavailable: "talk-unavailable"
    case .talkTooOld: "talk-too-old"
    case .callsDisabled: "calls-disabled"
    case .endToEndEncrypted: "end-to-end-encrypted"
    case .maintenance: "maintenance"
    case .rateLimited: "rate-limited"
    case .serverError: "server-error"
    case .unknownConversation: "unknown-conversation"
    case .passwordNeeded: "password-needed"
    case .passwordWrong: "password-wrong"
    case .banned: "banned"
    case .loginNeeded: "login-needed"
    case .loginRefused: "login-refused"
    case .lobby: "lobby"
    case .federated: "federated"
    case .conversationForbidden: "conversation-forbidden"
    case .readOnly: "read-only"
    case .callForbidden: "call-forbidden"
    case .callRefused: "call-refused"
    case .consentNeeded: "consent-needed"
    case .callNotConfirmed: "call-not-confirmed"
    case .noSignalingServer: "no-signaling-server"
    case .noMediaServer: "no-media-server"
    case .signalingUnreachable: "signaling-unreachable"
    case .signalingRefused: "signaling-refused"
    case .backendUnknownToSignaling: "signaling-backend-unknown"
    case .sessionLimit: "session-limit"
    case .internalSecretRefused: "internal-secret-refused"
    case .recordingSecretRefused: "recording-secret-refused"
    case .roomRefused: "room-refused"
    case .noMediaPath: "no-media-path"
    case .removedFromCall: "removed-from-call"
    case .removedFromConversation: "removed-from-conversation"
    case .conversationGone: "conversation-gone"
    case .takenOver: "taken-over"
    }
  }

  /// Whether the server is somewhere else now.
  var isRedirect: Bool {
    if case .serverError(_, let status) = self { (300..<400).contains(status) } else { false }
  }

  /// Whether the same attempt may work a little later.
  public var isTransient: Bool {
    switch self {
    case .hostUnreachable, .noAnswer, .maintenance, .rateLimited, .signalingUnreachable, .roomRefused,
      .callNotConfirmed:
      true
    case .serverError(_, let status): status >= 500 || isRedirect
    case .signalingRefused(let code, _): code == "internal_error" || code == "too_many_requests"
    default: false
    }
  }
}

extension CallFailure: CustomStringConvertible {
  /// What happened, what it means, what to do.
  public var description: String {
    switch self {
    case .hostUnreachable(let host, let detail):
      "\(host) cannot be reached: \(detail). Check the address, the network and the proxy."
    case .tlsFailure(let host, let detail):
      "The connection to \(host) is not secure: \(detail). If the server has a certificate authority of its own, name its certificate with --ca-file."
    case .noAnswer(let host):
      "\(host) did not answer in time. The server or the way to it is overloaded; try again later."
    case .notATalkServer(let host, let detail):
      "\(host) is no Nextcloud server: \(detail). Copy the address of the conversation from the browser."
    case .movedElsewhere(let host, let target):
      "\(host) sends us to \(target). Use the address of the conversation there."
    case .untrustedHost(let host):
      "The Nextcloud there does not want to be called \(host). Use its own name, or have its administrator add this one to “trusted_domains” in config.php."
    case .talkUnavailable:
      "The server has no Talk, or not for guests. Ask its administrator."
    case .talkTooOld(let missing):
      "Talk on this server is too old: it lacks “\(missing)”. Talk 12 or newer is needed."
    case .callsDisabled:
      "Calls are switched off on this server. Ask its administrator."
    case .endToEndEncrypted:
      "Calls on this server are encrypted from end to end, and a gateway holds no keys. The administrator can switch it off (Talk settings, end-to-end encryption)."
    case .maintenance:
      "The server is in maintenance mode. Try again later."
    case .rateLimited:
      "The server refuses more attempts from this address for now, as after several wrong passwords or addresses. Wait half an hour."
    case .serverError(let doing, let status):
      "The server failed while \(doing) (HTTP status \(status)). Try again; if it stays, its log tells more."
    case .unknownConversation:
      "There is no such conversation, or we may not enter it. Check the address; guests need a conversation that allows them."
    case .passwordNeeded:
      "The conversation has a password. Write it into a file and give that with --room-password-file."
    case .passwordWrong:
      "The conversation's password is another one. Check it: too many wrong ones block this address for half an hour."
    case .banned:
      "A moderator has banned us or our address from the conversation. Ask one to lift the ban."
    case .loginNeeded:
      "The server wants a login for this. The conversation must allow guests; or join as a user, with --user."
    case .loginRefused:
      "The server does not accept the user's name and app password. Make a new one with “talkbridge login”, or in the security settings of the account."
    case .lobby:
      "The conversation's lobby is closed: only moderators are let in now. Ask one to open it, or wait with --wait-in-lobby."
    case .federated:
      "The conversation lives on another server, which is not supported. Use its address there."
    case .conversationForbidden:
      "The server does not let us into the conversation. Ask a moderator."
    case .readOnly:
      "The conversation is locked, so there can be no call. Ask a moderator to unlock it."
    case .callForbidden:
      "We may not take part in calls here. Ask a moderator for the permission."
    case .callRefused(let reason):
      "The server refused to let us into the call (\(reason)). If it stays, its log tells more."
    case .consentNeeded:
      "Calls here are recorded, and whoever joins must agree to that. Agree with --consent."
    case .callNotConfirmed:
      "Nextcloud let us into the call, but the signaling server was never told. Its administrator should check the secret and the addresses both know of each other."
    case .noSignalingServer:
      "The server has no high-performance backend (it uses internal signaling), which is needed. Ask its administrator to set one up."
    case .noMediaServer:
      "The server's high-performance backend has no media server behind it, which is needed. Ask its administrator to configure Janus."
    case .signalingUnreachable(let detail):
      "The signaling server cannot be reached: \(detail). It may be down, or a firewall or proxy does not let WebSockets pass."
    case .signalingRefused(let code, let message):
      "The signaling server refused us: \(message) (\(code)). Its log and its configuration for this Nextcloud tell more; with token errors, compare the clocks of both servers."
    case .backendUnknownToSignaling(let url):
      "The signaling server does not know the Nextcloud at \(url). Use the address under which it is configured there, letter by letter."
    case .sessionLimit:
      "The signaling server has reached its limit of sessions. Try again when others have left."
    case .internalSecretRefused(true):
      "The signaling server does not accept the internal secret. It is “internalsecret” in section [clients] of its configuration."
    case .internalSecretRefused(false):
      "The signaling server takes no internal clients. That needs “internalsecret” in section [clients] of its configuration."
    case .recordingSecretRefused:
      "Nextcloud does not accept the recording secret. It is the one in Talk's settings for the recording server; where there is none, name the signaling server with --signaling."
    case .roomRefused(let code, let message):
      "The signaling server did not let us into the room: \(message) (\(code)). Try again; if it stays, its log tells more."
    case .noMediaPath(let detail):
      "No network path for sound was found. \(detail) A firewall may block UDP and the server has no TURN server that helps; --relay-only uses nothing but TURN."
    case .removedFromCall:
      "We were removed from the call, or it ended."
    case .removedFromConversation:
      "A moderator removed us from the conversation."
    case .conversationGone:
      "The conversation was deleted."
    case .takenOver:
      "Another program took our place in the conversation. Do not run two with the same session."
    }
  }
}
