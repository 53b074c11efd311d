internal import TalkProtocol
internal import Transport

// The signaling server: whether there is one, whether it is one, and whether it and Nextcloud know each other.

extension Diagnosis {
  static func signaling(_ seen: Observations) -> Finding {
    switch seen.settings {
    case nil: return Finding(.signaling, .skipped, "not looked at")
    case .failure(let failure):
      return Finding(
        .signaling, .failure, "Nextcloud does not tell its signaling settings",
        problem: Problem(
          failure, cause: failure.description, cure: "nextcloud.log tells more."))
    case .success(let settings):
      guard settings.usesSignalingServer else {
        return Finding(
          .signaling, .failure, "internal: there is no signaling server", figures: ["mode": "internal"],
          problem: Problem(
            .noSignalingServer, cause: "No high-performance backend is set up, which calls through a gateway need.",
            cure: "Set one up, and enter it in the Talk settings (High-performance backend)."))
      }
      return signaling(seen, mode: settings.signalingMode ?? "external")
    }
  }

  private static func signaling(_ seen: Observations, mode: String) -> Finding {
    guard let sight = seen.signaling else { return Finding(.signaling, .skipped, "not looked at") }
    let version: String? =
      if let told = sight.description?.version {
        told
      } else if case .version(let told) = sight.welcome {
        told
      } else {
        nil
      }
    let features = sight.description?.features?.sorted() ?? []
    let figures: [String: JSONValue] = [
      "mode": .string(mode), "url": .string(sight.url), "version": version.map { .string($0) } ?? .null,
      "features": .array(features.map { .string($0) }), "roundTripMilliseconds": figure(sight.roundTripTime),
    ]
    func failed(_ summary: String, _ problem: Problem) -> Finding {
      Finding(.signaling, .failure, summary, figures: figures, problem: problem)
    }
    switch sight.greeting {
    case .accepted(let hello):
      guard sight.description?.has("mcu") == true else {
        return failed(
          "\(sight.url) has no media server",
          Problem(
            .noMediaServer, cause: "It was started without Janus, or never reached it.",
            cure: "Set [mcu] type and url in its server.conf, and look in its log for “Janus”."))
      }
      if let refusal = entryRefusal(seen) { return failed(refusal.summary, refusal.problem) }
      var words = ["version \(version ?? "unknown")", "hello \(hello)"]
      if let time = sight.roundTripTime { words.append(milliseconds(time)) }
      words.append("media server there")
      return Finding(
        .signaling, .ok, "\(sight.url): \(words.joined(separator: ", "))", figures: figures)
    case .failed(let error):
      return failed("\(sight.url) \(sentence(error))", unreachable(sight, error))
    case .silent:
      return failed(
        "\(sight.url) takes the WebSocket, but says nothing",
        Problem(
          .signalingUnreachable(detail: "it does not answer"),
          cause: "It hangs, or waits for Nextcloud, whose key it asks for at the first hello.",
          cure: "Check from the signaling server that it reaches \(seen.address.baseURL) (curl), and its log."))
    case .closed(let reason):
      return failed(
        "\(sight.url) closed the connection (\(reason))",
        Problem(
          .signalingUnreachable(detail: "it closed the connection"),
          cause: "A reverse proxy cuts WebSockets off, or the server is being stopped.",
          cure: "Look into its log and the proxy's."))
    case .refused(let error):
      return failed(
        "\(sight.url) refuses us: \(error.message ?? "no reason given") (\(error.code))", refused(error, seen))
    }
  }

  // MARK: Out of reach

  private static func sentence(_ error: TransportError) -> String {
    switch error {
    case .hostNotFound(let host): "is out of reach: there is no host \(host)"
    case .unreachable(_, let reason): "is out of reach: \(reason)"
    case .connectTimedOut: "does not take the connection"
    case .tls(_, let failure): "is not trusted: \(failure)"
    case .timedOut: "does not answer"
    case .upgradeRefused(_, let status): "refuses the WebSocket (HTTP status \(status))"
    case .lost(_, let reason): "breaks the connection: \(reason)"
    default: "cannot be used: \(error)"
    }
  }

  private static func unreachable(_ sight: SignalingSight, _ error: TransportError) -> Problem {
    let failure = CallFailure.signalingUnreachable(detail: sentence(error))
    let whereToSet = "the Talk settings (High-performance backend)"
    switch (error, sight.welcome) {
    case (.tls(_, let flaw), _):
      return Problem(
        .tlsFailure(host: sight.url, detail: "\(flaw)"),
        cause: "Its certificate has expired, lacks its intermediates, is for another name, or is a private one.",
        cure: "Renew it with its whole chain; name a private authority's certificate with --ca-file.")
    case (_, .version(let version)):
      return Problem(
        failure, cause: "It is there (version \(version)), but a reverse proxy does not pass WebSockets on to it.",
        cure: "Let the proxy forward the headers Upgrade and Connection for …/spreed, over HTTP/1.1.")
    case (.hostNotFound, _):
      return Problem(
        failure, cause: "The address in \(whereToSet) is wrong, or not known to this machine's DNS.",
        cure: "Correct it there: it must be one that every participant can resolve.")
    case (_, .status(let status)) where [502, 503, 504].contains(status):
      return Problem(
        failure, cause: "The reverse proxy in front of it answers for it: the signaling server is down.",
        cure: "Start it (systemctl status signaling), and look whether it reaches Janus and NATS.")
    case (_, .status):
      return Problem(
        failure, cause: "A web server is there, but no signaling server: the address in \(whereToSet) is wrong.",
        cure: "Correct it there; …/api/v1/welcome below it must answer in a browser.")
    case (.unreachable, _):
      return Problem(
        failure, cause: "It is down, or listens on another port than the one in \(whereToSet).",
        cure: "Start it (systemctl status signaling); it opens its port only when it has reached Janus.")
    case _:
      return Problem(
        failure, cause: "A firewall drops the connection, or the address in \(whereToSet) is wrong.",
        cure: "Open its port in the firewall; …/api/v1/welcome below it must answer in a browser on this machine.")
    }
  }

  // MARK: Refused

  private static func refused(_ error: SignalingError, _ seen: Observations) -> Problem {
    let failure = CallFailure.signalingRefused(code: error.code, message: error.message ?? "")
    let base = seen.address.baseURL
    switch error.code {
    case "token_expired", "token_not_valid_yet":
      return Problem(
        failure, cause: "The clocks of Nextcloud and of the signaling server differ: see the clock above.",
        cure: "Let both keep time by NTP (timedatectl set-ntp true).")
    case "invalid_backend":
      return Problem(
        .backendUnknownToSignaling(url: base), cause: "It does not know the Nextcloud at \(base).",
        cure: "Add that address, letter by letter, as a backend's url in its server.conf.")
    case "invalid_token":
      return Problem(
        failure, cause: "It cannot verify Nextcloud's token: it has an old key of Nextcloud's, or cannot fetch one.",
        cure: "Check that it reaches \(base) (curl), then restart it.")
    case "session_limit_exceeded":
      return Problem(
        .sessionLimit, cause: "It has as many sessions as sessionlimit in its server.conf allows.",
        cure: "Raise that, or wait.")
    case "too_many_requests":
      return Problem(failure, cause: "Too many attempts came from this network.", cure: "Wait half an hour.")
    case "internal_error":
      return Problem(
        failure, cause: "It could not ask Nextcloud.",
        cure: "Check from the signaling server that it reaches \(base) (curl), and its log.")
    default:
      return Problem(
        failure, cause: "Its secret for this Nextcloud may be another one than Nextcloud's for it.",
        cure: "Compare the secret in the Talk settings with that of the backend in its server.conf.")
    }
  }

  /// Why we were not let into the room, though hello went well; nil where that is not so.
  private static func entryRefusal(_ seen: Observations) -> (summary: String, problem: Problem)? {
    switch seen.call?.failure {
    case .roomRefused(let code, let message)?:
      let failure = CallFailure.roomRefused(code: code, message: message)
      return (
        "the signaling server does not let us into the room: \(message) (\(code))",
        Problem(
          failure,
          cause:
            "It asks Nextcloud about everybody who enters: it cannot reach \(seen.address.baseURL), or the secrets differ.",
          cure: "Compare the secret in the Talk settings with that in its server.conf, and try curl from there.")
      )
    case .callNotConfirmed?:
      return (
        "Nextcloud let us into the call, and the signaling server was not told",
        Problem(
          .callNotConfirmed, cause: "Nextcloud cannot reach its signaling server, or the secrets differ.",
          cure: "Look into nextcloud.log for “signaling”; the Talk settings show whether Nextcloud reaches it.")
      )
    default: return nil
    }
  }
}
