internal import ICE
internal import TalkProtocol

// The conversation, our rights in it, and whether sound gets through.

extension Diagnosis {
  static func conversation(_ seen: Observations) -> Finding {
    guard let call = seen.call else { return Finding(.conversation, .skipped, "not looked at") }
    let who = seen.user.map { "user \($0)" } ?? "a guest"
    if let failure = call.failure, let problem = entryProblem(failure, seen) {
      return Finding(
        .conversation, .failure, entryHeadline(failure, who), figures: call.conversation.map(figures) ?? [:],
        problem: problem)
    }
    guard let conversation = call.conversation else {
      return Finding(.conversation, .skipped, "time ran out before we were in")
    }
    var words: [String] = []
    if let name = conversation.displayName ?? conversation.name, !name.isEmpty { words.append("“\(name)”") }
    words.append(kind(conversation))
    if conversation.hasPassword == true { words.append("with password") }
    words.append(conversation.hasCall == true ? "a call is running" : "no call is running")
    let may = rights(conversation)
    words.append("\(who) may \(may.isEmpty ? "listen" : list(may))")
    return Finding(.conversation, .ok, words.joined(separator: ", "), figures: figures(conversation))
  }

  private static func figures(_ conversation: Conversation) -> [String: JSONValue] {
    [
      "type": .string(kind(conversation)), "hasCall": .bool(conversation.hasCall == true),
      "readOnly": .bool(conversation.readOnly == true), "lobby": .bool(conversation.lobbyState == 1),
      "moderator": .bool(conversation.isModerator), "mayPublishAudio": .bool(mayPublish(conversation)),
      "mayStartCall": .bool(mayStartCall(conversation)), "mayChat": .bool(mayChat(conversation)),
    ]
  }

  private static func kind(_ conversation: Conversation) -> String {
    switch conversation.type {
    case 1: "one-to-one"
    case 2: "group"
    case 3: "public"
    case 4: "changelog"
    case 5: "former one-to-one"
    case 6: "note to self"
    default: "of unknown kind"
    }
  }

  /// None means the default, which Talk resolves for us; old versions do not tell.
  private static func has(_ permission: Permissions, _ conversation: Conversation) -> Bool {
    guard let permissions = conversation.permissions, !permissions.isEmpty, !conversation.isModerator else {
      return true
    }
    return permissions.contains(permission)
  }

  private static func mayPublish(_ conversation: Conversation) -> Bool { has(.publishAudio, conversation) }
  private static func mayChat(_ conversation: Conversation) -> Bool {
    conversation.readOnly != true && has(.chat, conversation)
  }
  private static func mayStartCall(_ conversation: Conversation) -> Bool {
    conversation.canStartCall ?? has(.startCall, conversation)
  }

  private static func rights(_ conversation: Conversation) -> [String] {
    [
      (mayPublish(conversation), "speak"), (mayChat(conversation), "write"),
      (mayStartCall(conversation), "start calls"), (conversation.isModerator, "moderate"),
    ].filter(\.0).map(\.1)
  }

  private static func list(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "" }
    return "\(words.dropLast().joined(separator: ", ")) and \(last)"
  }

  private static func entryHeadline(_ failure: CallFailure, _ who: String) -> String {
    switch failure {
    case .unknownConversation, .conversationGone: "there is no such conversation for \(who)"
    case .passwordNeeded: "it has a password"
    case .passwordWrong: "the password is another one"
    case .banned: "\(who) is banned from it"
    case .loginNeeded: "it wants a login"
    case .loginRefused: "the app password is not accepted"
    case .lobby: "its lobby is closed to \(who)"
    case .federated: "it lives on another server"
    case .conversationForbidden: "\(who) is not let in"
    case .readOnly: "it is locked"
    case .callForbidden: "\(who) may not take part in calls"
    case .consentNeeded: "whoever joins a call must agree to being recorded"
    case .rateLimited: "the server refuses our address for now (429)"
    default: failure.description
    }
  }

  /// What keeps us out of the conversation or its call; nil for what is found elsewhere.
  private static func entryProblem(_ failure: CallFailure, _ seen: Observations) -> Problem? {
    switch failure {
    case .unknownConversation, .conversationGone:
      Problem(
        failure,
        cause: seen.user == nil
          ? "The link is wrong, the conversation was deleted, or guests may not enter it."
          : "The link is wrong, the conversation was deleted, or this user does not belong to it.",
        cure: seen.user == nil
          ? "Copy the link again; in the conversation's settings allow guests; or look with --user NAME."
          : "Copy the link again, or add the user to the conversation.")
    case .passwordNeeded:
      Problem(
        failure, cause: "A moderator set a password.",
        cure: "Write it into a file, and give that with --room-password-file.")
    case .passwordWrong:
      Problem(
        failure, cause: "It was changed, or the file holds another one (its first line counts).",
        cure: "Ask a moderator. Too many wrong ones block this address for half an hour.")
    case .banned:
      Problem(
        failure, cause: "A moderator banned guests of this address, or this user.",
        cure: "A moderator can lift the ban in the conversation's settings.")
    case .loginNeeded: Problem(failure, cause: "Guests may not enter it.", cure: "Look as a user: --user NAME.")
    case .loginRefused:
      Problem(
        failure, cause: "The app password was revoked, or is another user's.",
        cure: "Make a new one: talkbridge login \(seen.address.baseURL)")
    case .lobby:
      Problem(
        failure, cause: lobbyCause(seen.call?.conversation),
        cure: "A moderator can open it, or give the right to ignore it; join and record wait with --wait-in-lobby.")
    case .federated:
      Problem(
        failure, cause: "A federated conversation is only mirrored here.", cure: "Use its address on its own server.")
    case .conversationForbidden:
      Problem(failure, cause: "The server gives no reason.", cure: "Ask a moderator; nextcloud.log may tell more.")
    case .readOnly:
      Problem(failure, cause: "A moderator locked it: it can be read, and no more.", cure: "A moderator can unlock it.")
    case .callForbidden:
      Problem(
        failure, cause: "Our permissions here do not include calls, or calls are limited to some people.",
        cure: "A moderator can give the permission; the Talk settings say who may start calls.")
    case .consentNeeded:
      Problem(failure, cause: "Calls here are recorded.", cure: "Agree with --consent.")
    case .rateLimited:
      Problem(
        failure, cause: "Too many wrong passwords or addresses came from this network.",
        cure: "Wait half an hour, or: occ security:bruteforce:reset ADDRESS")
    case .hostUnreachable, .tlsFailure, .noAnswer, .notATalkServer, .serverError, .maintenance:
      Problem(
        failure, cause: "The server failed after it had answered well.", cure: "Try again; nextcloud.log tells more.")
    case .talkUnavailable, .talkTooOld, .callsDisabled, .endToEndEncrypted, .noSignalingServer, .noMediaServer,
      .signalingUnreachable, .signalingRefused, .backendUnknownToSignaling, .sessionLimit, .roomRefused,
      .callNotConfirmed, .noMediaPath:
      nil
    default: Problem(failure, cause: failure.description, cure: "Try again; if it stays, nextcloud.log tells more.")
    }
  }

  private static func lobbyCause(_ conversation: Conversation?) -> String {
    guard let time = conversation?.lobbyTimer, time > 0 else { return "A moderator closed it to all but moderators." }
    return "A moderator closed it to all but moderators until a set time."
  }

  // MARK: Sound

  static func media(_ seen: Observations) -> [Finding] {
    guard let call = seen.call else { return [] }
    return [path(call, seen), sending(call), receiving(call)]
  }

  /// Why sound was not tried; nil where it was.
  private static func untried(_ call: CallSight) -> String? {
    if case .noMediaPath = call.failure { return nil }
    if call.wasInCall { return nil }
    if call.foundNoCall { return "not tried: no call is running (--call starts one)" }
    return "not tried: we did not get into a call"
  }

  private static func path(_ call: CallSight, _ seen: Observations) -> Finding {
    if let reason = untried(call) { return Finding(.path, .skipped, reason) }
    if let pair = call.path {
      let way = pair.local.kind == .relay ? "through a TURN server over \(pair.relayProtocol ?? "udp")" : "directly"
      return Finding(
        .path, .ok,
        "\(way), from \(pair.local.address) (\(pair.local.kind.rawValue)) to \(pair.remote.address):\(pair.remote.port) (\(pair.remote.kind.rawValue))",
        figures: [
          "local": .string(pair.local.description), "remote": .string(pair.remote.description),
          "relayProtocol": pair.relayProtocol.map { .string($0) } ?? .null,
        ])
    }
    if case .noMediaPath(let detail) = call.failure {
      let tried = Set(call.pathFailure?.remoteCandidates.map(\.address) ?? []).sorted()
      return Finding(
        .path, .failure,
        "no network path to the media server" + (tried.isEmpty ? "" : " at \(list(tried))"),
        figures: ["detail": .string(detail)],
        problem: Problem(.noMediaPath(detail: detail), cause: pathCause(seen), cure: pathCure(seen)))
    }
    if call.publication == .forbidden, call.others == 0 {
      return Finding(.path, .skipped, "not tried: nobody is to be heard, and we may not speak")
    }
    return Finding(
      .path, .failure, "the media server did not answer in time",
      problem: Problem(
        "media-server-silent", cause: "The signaling server has lost its media server, or that is overloaded.",
        cure: "Look whether Janus runs, and into the signaling server's log.",
        failure: .noMediaPath(detail: "The media server did not answer in time.")))
  }

  private static func relays(_ seen: Observations) -> (working: Bool, configured: Bool) {
    let relays = seen.iceServers.filter { $0.url?.scheme == .turn || $0.url?.scheme == .turns }
    let works = relays.contains { if case .answered = $0.outcome { true } else { false } }
    return (works, !relays.isEmpty)
  }

  /// The private addresses that the media server names where it names no other, and we are in another network.
  private static func privateAddresses(_ failure: ICEFailure?) -> [String] {
    guard let failure else { return [] }
    let remote = Set(failure.remoteCandidates.map(\.address)).sorted()
    func network(_ address: String) -> [Substring] { Array(address.split(separator: ".").prefix(2)) }
    let local = Set(failure.localCandidates.map { network($0.address) })
    return remote.allSatisfy { isPrivate($0) && !local.contains(network($0)) } ? remote : []
  }

  /// RFC 1918, and loopback.
  private static func isPrivate(_ address: String) -> Bool {
    let octets = address.split(separator: ".").compactMap { UInt8($0) }
    guard octets.count == 4 else { return false }
    return octets[0] == 10 || octets[0] == 127 || octets[0] == 192 && octets[1] == 168
      || octets[0] == 172 && (16...31).contains(octets[1])
  }

  private static func pathCause(_ seen: Observations) -> String {
    let hidden = privateAddresses(seen.call?.pathFailure)
    if !hidden.isEmpty {
      return "Janus names only \(list(hidden)), a private address, which is not of this machine's network."
    }
    let relays = relays(seen)
    if relays.working {
      return
        "A TURN server works, but finds no way to the media server either: Janus announces an address that cannot be reached from outside, or a firewall blocks its UDP ports."
    }
    let direct =
      "A firewall blocks UDP to the media server, or Janus announces an address that cannot be reached from here"
    return relays.configured
      ? "\(direct); and no TURN server works." : "\(direct); and there is no TURN server for such cases."
  }

  private static func pathCure(_ seen: Observations) -> String {
    if !privateAddresses(seen.call?.pathFailure).isEmpty {
      return "Set nat_1_1_mapping (or stun_server) in janus.jcfg to its public address, or offer TURN."
    }
    let relays = relays(seen)
    let janus =
      "Check nat_1_1_mapping or stun_server and rtp_port_range in janus.jcfg, and that the range is open for UDP."
    return relays.working ? janus : "\(relays.configured ? "Mend" : "Set up") TURN. \(janus)"
  }

  private static func sending(_ call: CallSight) -> Finding {
    // A right that we lack keeps us silent in every call.
    let isForbidden = call.publication == .forbidden || call.conversation.map { !mayPublish($0) } ?? false
    if isForbidden {
      return Finding(
        .sending, .failure, "we may not speak here",
        problem: Problem(
          "publishing-forbidden", cause: "A moderator took the permission for the microphone from us, or from all.",
          cure: "A moderator can give it in the list of participants or the conversation's settings.",
          failure: .callForbidden))
    }
    if let reason = untried(call) { return Finding(.sending, .skipped, reason) }
    switch call.publication {
    case .connected(let packets, let lost, let time):
      let figures: [String: JSONValue] = [
        "packetsSent": .number(Double(packets)), "shareLost": lost.map { .number($0) } ?? .null,
        "roundTripMilliseconds": figure(time),
      ]
      guard let lost else {
        return Finding(
          .sending, .warning, "\(packets) packets sent, of which the media server says nothing", figures: figures,
          problem: Problem(
            "sending-unconfirmed", cause: "Nothing came back from the media server in time.",
            cure: "Look again; if it stays, look into Janus's log."))
      }
      var words = ["\(packets) packets", "\(rounded(lost * 100, 1)) % lost on the way"]
      if let time { words.append("round trip \(milliseconds(time))") }
      guard lost > 0.05 else { return Finding(.sending, .ok, words.joined(separator: ", "), figures: figures) }
      return Finding(
        .sending, .warning, words.joined(separator: ", "), figures: figures,
        problem: Problem(
          "loss", cause: "The network between here and the media server is overloaded, or its radio is bad.",
          cure: "Try a cable, and another network."))
    case .failed(let reason):
      return Finding(
        .sending, .failure, "the media server does not take our sound",
        problem: Problem(
          "publishing-failed", cause: "It said: \(reason)",
          cure: "Look into the logs of Janus and the signaling server."))
    case .forbidden, nil: return Finding(.sending, .skipped, "not tried: there is no path")
    }
  }

  private static func receiving(_ call: CallSight) -> Finding {
    if let reason = untried(call) { return Finding(.receiving, .skipped, reason) }
    let heard = call.heard.filter { $0.packets > 0 }
    guard heard.isEmpty else {
      let words = heard.map { one in
        "\(one.packets) packets of \(one.isOurs ? "a second guest of ours" : one.name.map { "“\($0)”" } ?? "somebody")"
      }
      return Finding(
        .receiving, .ok, list(words),
        figures: [
          "heard": .array(
            heard.map {
              [
                "name": $0.name.map { .string($0) } ?? .null, "packets": .number(Double($0.packets)),
                "own": .bool($0.isOurs),
              ]
            })
        ])
    }
    if call.path == nil { return Finding(.receiving, .skipped, "not tried: there is no path") }
    if call.publication == .forbidden, call.others == 0 {
      return Finding(.receiving, .skipped, "not tried: nobody is to be heard, and a second guest may not speak either")
    }
    return Finding(
      .receiving, .failure, "nothing is heard",
      problem: Problem(
        "nothing-received", cause: "The media server forwards no sound.",
        cure: "Restart Janus, and look into its log and the signaling server's."))
  }
}
