internal import TalkProtocol

// The Nextcloud: whether it is there, what it can do, and what time it thinks it is.

extension Diagnosis {
  static func server(_ seen: Observations) -> Finding {
    let host = seen.address.host
    guard let sight = seen.server else { return Finding(.server, .skipped, "not looked at") }
    switch sight.capabilities {
    case .success(let capabilities):
      let nextcloud = capabilities.version?.string
      let talk = capabilities.talk?.version
      var words = ["Nextcloud \(nextcloud ?? "of unknown version")", "Talk \(talk ?? "of unknown version")"]
      if let time = sight.roundTripTime { words.append("answers in \(milliseconds(time))") }
      let figures: [String: JSONValue] = [
        "nextcloudVersion": nextcloud.map { .string($0) } ?? .null,
        "talkVersion": talk.map { .string($0) } ?? .null, "roundTripMilliseconds": figure(sight.roundTripTime),
      ]
      guard seen.address.isInsecure else {
        return Finding(.server, .ok, words.joined(separator: ", "), figures: figures)
      }
      return Finding(
        .server, .warning, words.joined(separator: ", "), figures: figures,
        problem: Problem(
          "insecure", cause: "It is reached over http: everybody on the way can read and change everything.",
          cure: "Use the https address."))
    case .failure(let failure):
      return Finding(.server, .failure, headline(failure, host), problem: problem(failure, at: seen.address))
    }
  }

  private static func headline(_ failure: CallFailure, _ host: String) -> String {
    switch failure {
    case .hostUnreachable(_, let detail): "\(host) cannot be reached: \(detail)"
    case .noAnswer: "\(host) took the connection, but does not answer"
    case .tlsFailure(_, let detail): "no trusted connection to \(host): \(detail)"
    case .notATalkServer(_, let detail): "\(host) is no Nextcloud: \(detail)"
    case .talkUnavailable: "a Nextcloud without Talk, at least for us"
    case .talkTooOld(let missing): "Talk is too old: it lacks “\(missing)”"
    case .maintenance: "\(host) is in maintenance mode"
    case .rateLimited: "\(host) refuses our address for now (429)"
    case .loginRefused: "the name and app password are not accepted"
    default: failure.description
    }
  }

  private static func problem(_ failure: CallFailure, at address: ConversationAddress) -> Problem {
    switch failure {
    case .hostUnreachable:
      Problem(
        failure, cause: "The address is wrong, the server is down, or a firewall or proxy is in between.",
        cure: "Open \(address.baseURL) in a browser on this machine; check name, port and https_proxy.")
    case .noAnswer:
      Problem(
        failure, cause: "The server is overloaded or hangs.", cure: "Look at its load and its web server's error log.")
    case .tlsFailure(_, let detail) where detail.contains("clock"):
      Problem(
        failure, cause: "This machine's clock is behind, or the certificate is for later.",
        cure: "Compare the clocks (timedatectl).")
    case .tlsFailure:
      Problem(
        failure,
        cause: "The certificate has expired, lacks its intermediates, is for another name, or is a private one.",
        cure: "Renew it with its whole chain; name a private authority's certificate with --ca-file.")
    case .notATalkServer(_, let detail) where detail.contains("400"):
      Problem(
        failure, cause: "The host name is not among Nextcloud's trusted_domains, or the sub-path is missing.",
        cure: "Add “\(address.host)” to trusted_domains in config.php, or use the address that the browser shows.")
    case .notATalkServer:
      Problem(
        failure, cause: "The address leads to something else, or the sub-path of the installation is missing.",
        cure: "Copy the address from the browser, sub-path included.")
    case .talkUnavailable:
      Problem(
        failure, cause: "Talk is not enabled, or only for some groups.",
        cure: "Enable it (occ app:enable spreed), or let this user's group use it in the Talk settings.")
    case .talkTooOld:
      Problem(failure, cause: "This version of Talk is from before 2021.", cure: "Update Nextcloud and Talk.")
    case .maintenance:
      Problem(
        failure, cause: "An update is running, or somebody switched it on.",
        cure: "When the update is done: occ maintenance:mode --off")
    case .rateLimited:
      Problem(
        failure, cause: "Too many wrong passwords or addresses came from this network.",
        cure: "Wait half an hour, or: occ security:bruteforce:reset ADDRESS")
    case .loginRefused:
      Problem(
        failure, cause: "The app password was revoked, or is another user's.",
        cure: "Make a new one: talkbridge login \(address.baseURL)")
    default:
      Problem(failure, cause: "The server failed.", cure: "Its log (nextcloud.log) tells more.")
    }
  }

  // MARK: Talk

  /// What is used where it is there; other features go without saying.
  private static let features = [
    "chat-v2": "the chat", "silent-call": "joining without ringing", "raise-hand": "raised hands",
    "reactions": "reactions", "force-mute": "moderators' muting", "recording-consent": "consent to recording",
  ]

  static func talk(_ talk: TalkCapabilities) -> Finding {
    let call = talk.config?.call
    let encrypts = talk.encryptsEndToEnd
    let limit = talk.config?.chat?.maxLength
    let missing = features.filter { !talk.has($0.key) }.values.sorted()
    let consent =
      switch call?.recordingConsent ?? 0 {
      case 0: "no consent to recording needed"
      case 1: "consent to recording needed"
      default: "consent to recording up to the conversation"
      }
    let figures: [String: JSONValue] = [
      "callsEnabled": .bool(call?.enabled ?? true), "endToEndEncryption": .bool(encrypts),
      "recordingConsent": .number(Double(call?.recordingConsent ?? 0)),
      "chatLimit": limit.map { .number(Double($0)) } ?? .null, "missing": .array(missing.map { .string($0) }),
    ]
    var words = ["calls are on", "not end-to-end encrypted", consent]
    if let limit { words.append("chat up to \(limit) characters") }
    if !missing.isEmpty { words.append("this version lacks \(missing.joined(separator: ", "))") }
    if call?.enabled == false {
      return Finding(
        .talk, .failure, "calls are switched off", figures: figures,
        problem: Problem(
          .callsDisabled, cause: "An administrator switched calls off for this server.",
          cure: "Switch them on: occ config:app:delete spreed start_calls"))
    }
    if encrypts {
      return Finding(
        .talk, .failure, "calls are encrypted from end to end", figures: figures,
        problem: Problem(
          .endToEndEncrypted, cause: "End-to-end encryption is switched on, and a gateway holds no keys.",
          cure: "Switch it off in the Talk settings (General settings, end-to-end encrypted calls)."))
    }
    return Finding(.talk, .ok, words.joined(separator: ", "), figures: figures)
  }

  // MARK: Clocks

  /// In seconds. `Date` counts whole ones, and an answer takes its time.
  private static let tolerance = 5.0
  /// How long a token for the signaling server is good.
  static let tokenLifetime = 60.0

  static func clock(_ seen: Observations) -> Finding {
    let nextcloud = seen.server?.clock?.seconds
    let signaling = seen.signaling?.clock?.seconds
    func figure(_ value: Double?) -> JSONValue { value.map { .number(($0 * 10).rounded() / 10) } ?? .null }
    let figures: [String: JSONValue] = [
      "nextcloudAheadSeconds": figure(nextcloud), "signalingAheadSeconds": figure(signaling),
    ]
    let refusal = tokenRefusal(seen)
    guard let nextcloud else {
      return Finding(.clock, .skipped, "the server does not tell its time", figures: figures)
    }
    let summary = comparison(nextcloud, signaling)

    // The two servers.
    if refusal != nil || (signaling.map { abs(nextcloud - $0) > tolerance } ?? false) {
      let difference = signaling.map { nextcloud - $0 }
      var cause: String
      if let difference, abs(difference) > tolerance {
        cause = "The clocks of Nextcloud and of its signaling server differ by \(span(difference))"
        // Two of three agree.
        if let signaling, abs(signaling) <= tolerance {
          cause += "; it is Nextcloud's that is off."
        } else if abs(nextcloud) <= tolerance {
          cause += "; it is the signaling server's that is off."
        } else {
          cause += "."
        }
      } else {
        cause =
          "The signaling server takes Nextcloud's tokens for \(refusal ?? ""), so the clocks of the two differ, though "
          + "the answers here do not show it (a reverse proxy puts its own time into them)."
      }
      cause += " Nextcloud's tokens are good for a minute by the signaling server's clock."
      let cure = "Let both keep time by NTP (timedatectl set-ntp true), then look again."
      return Finding(
        .clock, refusal != nil || abs(difference ?? 0) > tokenLifetime ? .failure : .warning, summary,
        figures: figures, problem: Problem("clocks-differ", cause: cause, cure: cure))
    }
    // This machine.
    guard abs(nextcloud) <= 30 else {
      return Finding(
        .clock, .warning, summary, figures: figures,
        problem: Problem(
          "own-clock", cause: "This machine's clock is off by \(span(nextcloud)), or both servers' are.",
          cure:
            "Let it keep time by NTP (timedatectl set-ntp true): certificates and the dates of recordings depend on it."
        ))
    }
    return Finding(.clock, .ok, summary, figures: figures)
  }

  private static func comparison(_ nextcloud: Double, _ signaling: Double?) -> String {
    guard let signaling else {
      return agrees(nextcloud) ? "Nextcloud and this machine agree" : offset("Nextcloud", nextcloud)
    }
    if agrees(nextcloud), agrees(signaling) { return "Nextcloud, the signaling server and this machine agree" }
    return "\(offset("Nextcloud", nextcloud)), \(offset("the signaling server", signaling))"
  }

  private static func agrees(_ seconds: Double) -> Bool { abs(seconds) < 1.5 }

  private static func offset(_ whose: String, _ seconds: Double) -> String {
    if agrees(seconds) { return "\(whose) agrees with this machine" }
    return "\(whose) is \(span(seconds)) \(seconds > 0 ? "ahead of" : "behind") this machine"
  }

  /// In what sense the signaling server finds fault with the time in our token; nil where it does not.
  static func tokenRefusal(_ seen: Observations) -> String? {
    guard case .refused(let error) = seen.signaling?.greeting else { return nil }
    return switch error.code {
    case "token_expired": "expired"
    case "token_not_valid_yet": "not valid yet"
    default: nil
    }
  }
}
