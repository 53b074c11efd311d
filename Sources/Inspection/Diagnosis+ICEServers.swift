internal import ICE
internal import TalkProtocol

// STUN and TURN servers, each by each transport.

extension Diagnosis {
  static func iceServers(_ seen: Observations) -> [Finding] {
    guard case .success = seen.settings else { return [] }
    var findings = seen.iceServers.map { finding($0, seen) }
    for check in [Finding.Check.stun, .turn] where !findings.contains(where: { $0.check == check }) {
      let purpose =
        check == .stun
        ? "fine as long as the media server has a public address"
        : "whoever sits behind a strict firewall cannot be heard, nor hear"
      findings.append(Finding(check, .skipped, "none is configured: \(purpose)"))
    }
    return findings.filter { $0.check == .stun } + findings.filter { $0.check == .turn }
  }

  private static func finding(_ sight: ICEServerSight, _ seen: Observations) -> Finding {
    guard let url = sight.url else {
      let check: Finding.Check = sight.text.lowercased().hasPrefix("stun") ? .stun : .turn
      let reason = if case .malformed(let reason) = sight.outcome { reason } else { "it is none" }
      return Finding(
        check, .warning, "“\(sight.text)”", figures: ["url": .string(sight.text)],
        problem: Problem(
          "ice-server-malformed", cause: reason, cure: "Correct it in the Talk settings (STUN and TURN servers)."))
    }
    let check: Finding.Check = url.scheme == .stun || url.scheme == .stuns ? .stun : .turn
    var figures: [String: JSONValue] = [
      "url": .string(sight.text), "transport": .string(way(url)), "host": .string(url.host),
      "port": .number(Double(url.port)),
    ]
    let name = "\(way(url)) \(url.host.contains(":") ? "[\(url.host)]" : url.host):\(url.port)"
    switch sight.outcome {
    case .answered(let answer):
      figures["roundTripMilliseconds"] = figure(answer.roundTripTime)
      figures["mappedAddress"] = answer.mappedAddress.map { .string($0) } ?? .null
      figures["relayedAddress"] = answer.relayedAddress.map { .string($0) } ?? .null
      var words = [milliseconds(answer.roundTripTime)]
      if let address = answer.relayedAddress { words.append("lends \(address)") }
      if let address = answer.mappedAddress { words.append("sees us at \(address)") }
      return Finding(check, .ok, "\(name): \(words.joined(separator: ", "))", figures: figures)
    case .failed(let failure):
      let (what, problem) = explanation(failure, url, isLast: isLastResort(sight, seen), seen)
      return Finding(
        check, failure == .unsupported ? .warning : .failure, "\(name): \(what)", figures: figures, problem: problem)
    case .malformed(let reason):
      return Finding(
        check, .warning, "\(name): \(reason)", figures: figures,
        problem: Problem("ice-server-malformed", cause: reason, cure: "Correct it in the Talk settings."))
    }
  }

  /// `udp`, `tcp` or `tls`: how the server is reached.
  static func way(_ url: ICEServerURL) -> String {
    url.scheme == .turns || url.scheme == .stuns ? (url.transport == .tcp ? "tls" : "dtls") : url.transport.rawValue
  }

  /// Whether this server works by no transport at all.
  private static func isLastResort(_ sight: ICEServerSight, _ seen: Observations) -> Bool {
    !seen.iceServers.contains { other in
      if case .answered = other.outcome { return other.url?.host == sight.url?.host } else { return false }
    }
  }

  private static func explanation(
    _ failure: ICEServerProbe.Failure, _ url: ICEServerURL, isLast: Bool, _ seen: Observations
  ) -> (String, Problem) {
    let way = way(url)
    let protocolName = way == "udp" ? "UDP" : "TCP"
    let settings = "the Talk settings (STUN and TURN servers)"
    switch failure {
    case .unsupported:
      return (
        "TURN over DTLS is not tried",
        Problem(
          "turn-unsupported", cause: "Browsers do not use it either.", cure: "Offer turns: over tcp in \(settings).")
      )
    case .nameNotFound:
      return (
        "the name has no address",
        Problem(
          "ice-server-name", cause: "The name in \(settings) is wrong, or not known to this machine's DNS.",
          cure: "Correct it there.")
      )
    case .refused:
      return (
        "nothing listens there",
        Problem(
          "ice-server-refused",
          cause: isLast
            ? "The server is down, or listens on another port; or a firewall refuses \(protocolName) port \(url.port)."
            : "It works by other ways, but a firewall refuses \(protocolName) port \(url.port), or it does not listen there.",
          cure: isLast
            ? "Start it (systemctl status coturn), and compare its listening-port with \(settings)."
            : "Open \(protocolName) port \(url.port), or take this way out of \(settings).")
      )
    case .noAnswer:
      return (
        "no answer over \(protocolName)",
        Problem(
          "ice-server-silent",
          cause: isLast
            ? "A firewall drops \(protocolName) to port \(url.port), or the server is down."
            : "A firewall between here and the server drops \(protocolName) to port \(url.port); it works by other ways.",
          cure:
            "Open \(protocolName) port \(url.port) in the firewalls on both sides\(isLast ? "; look whether it runs." : ".")"
        )
      )
    case .notTrusted(let reason):
      return (
        "not trusted: \(reason)",
        Problem(
          "ice-server-certificate", cause: "Browsers refuse it as well, without a word.",
          cure: "Give it a valid certificate for “\(url.host)” with its whole chain (cert and pkey in turnserver.conf)."
        )
      )
    case .failed(let reason):
      return (
        reason,
        Problem("ice-server-failed", cause: "The connection failed.", cure: "Check the network and the server's log.")
      )
    case .credentialsMissing:
      return (
        "wants a user name and password, and Nextcloud gives none",
        Problem(
          "turn-credentials-missing", cause: "No secret is entered for it in \(settings).",
          cure: "Enter there the static-auth-secret of its turnserver.conf.")
      )
    case .credentialsRefused:
      return (
        "refuses the password that Nextcloud made for us (401)",
        Problem(
          "turn-credentials-refused",
          cause: "The secret in \(settings) is another one than static-auth-secret in its turnserver.conf"
            + "\(staleClock(seen)).",
          cure: "Enter the same secret in both; turnserver.conf needs use-auth-secret, too.")
      )
    case .error(let code):
      return (meaning(code), Problem("turn-error-\(code)", cause: cause(code), cure: cure(code)))
    case .protocolViolation:
      return (
        "what answers is no \(url.scheme == .stun || url.scheme == .stuns ? "STUN" : "TURN") server",
        Problem(
          "ice-server-protocol", cause: "The port belongs to something else\(way == "tcp" ? ", perhaps to TLS" : "").",
          cure: "Correct address, port and scheme (turn: or turns:) in \(settings).")
      )
    }
  }

  /// Passwords end a day after Nextcloud made them, by the TURN server's clock.
  private static func staleClock(_ seen: Observations) -> String {
    guard let clock = seen.server?.clock, abs(clock.seconds) > 3600 else { return "" }
    return ", or Nextcloud's clock is so far off that the password has ended already"
  }

  private static func meaning(_ code: Int) -> String {
    switch code {
    case 403: "forbids it (403)"
    case 437, 438: "lost track of us (\(code))"
    case 442: "does not relay UDP (442)"
    case 486: "allows no more allocations (486)"
    case 508: "has no more ports to lend (508)"
    default: "answers with error \(code)"
    }
  }

  private static func cause(_ code: Int) -> String {
    switch code {
    case 486: "The limit of allocations per user or in all is reached (user-quota, total-quota)."
    case 508: "All its relay ports are in use (min-port to max-port), or its relay-ip is none of the machine's."
    default: "Its configuration does not allow this."
    }
  }

  private static func cure(_ code: Int) -> String {
    switch code {
    case 486: "Raise user-quota and total-quota in turnserver.conf."
    case 508: "Widen min-port to max-port in turnserver.conf, and check relay-ip and external-ip."
    default: "Its log tells more (verbose in turnserver.conf)."
    }
  }
}
