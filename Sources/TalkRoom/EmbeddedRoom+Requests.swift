internal import FoundationEssentials
internal import GLibLoop
internal import Glibc
internal import Signatures
internal import TalkProtocol
internal import Transport
internal import WebTransport

/// How the room answers requests: faults first, then what a real signaling server asks, then what clients ask.
extension EmbeddedRoom {
  func respond(to request: WebRequest) async -> WebResponse {
    if let redirection = faults.redirection {
      return .reply(redirection.status, headers: ["Location": redirection.base + request.path])
    }
    if faults.isUntrusted {
      let page = "<p>Access through untrusted domain. Edit the “trusted_domains” setting in config/config.php.</p>"
      return .reply(400, headers: ["Content-Type": "text/html; charset=utf-8"], text: page)
    }
    guard request.path.hasPrefix(options.installation.path + "/") else { return .reply(404, text: "Not Found") }
    return await respond(
      below: WebRequest(
        method: request.method, path: String(request.path.dropFirst(options.installation.path.count)),
        queryString: request.queryString, headers: request.headers, body: request.body))
  }

  private func respond(below request: WebRequest) async -> WebResponse {
    if faults.replyDelay > .zero { try? await Task.sleep(for: faults.replyDelay) }
    if isOutOfReach { return .drop }
    if faults.droppedRequests.contains(where: { request.path.hasSuffix($0) }) { return .drop }
    if Self.takes(request, from: &faults.lostRequests) { return .drop }
    if let status = faults.refusedRequests.first(where: { request.path.hasSuffix($0.key) })?.value {
      return webResponse(server.nextcloud.failure(status))
    }
    if request.path == "/standalone-signaling/api/v1/welcome", !server.nextcloud.signaling.isInternal {
      return .reply(
        200, text: #"{"nextcloud-spreed-signaling":"Welcome","version":"\#(SignalingHub.version)"}"#)
    }
    if request.path == "/standalone-signaling/spreed" {
      if let status = faults.refusedHandshake { return .reply(status, text: "{}") }
      return .webSocket(options: .init(maximumMessageSize: SignalingHub.largestMessage)) { [weak self] socket in
        await self?.serve(socket)
      }
    }
    if request.path == SignalingBackend.path, let backend {
      guard let body = backend.verified(request) else { return .reply(403, text: "{}") }
      return await backendReply(to: body)
    }
    var body = JSONValue(parsing: request.body) ?? .null
    if body == .null, !request.body.isEmpty { body = .object(request.form.mapValues { .string($0) }) }
    var wanted = Nextcloud.Request(
      method: request.method, path: request.path, query: request.query, cookies: request.cookies, body: body,
      login: Self.login(request.headers["Authorization"]), isRecorder: isRecorder(request))
    let title = "\(request.method) \(request.path)"
    options.observer?(.init(.received, title, String(decoding: request.body, as: UTF8.self)))
    var (reply, effects) = server.handle(wanted, time: time, at: .now)
    defer { options.observer?(.init(.sent, title, reply.text)) }
    await carryOut(effects)
    if let wait = reply.waitsForChat {
      await chatGrows(within: wait)
      wanted.query["timeout"] = "0"
      (reply, effects) = server.handle(wanted, time: time, at: .now)
      await carryOut(effects)
    }
    if Self.takes(request, from: &faults.lostReplies) { return .drop }
    if let last = faults.lastRequest, Self.matches(request, last) { isOutOfReach = true }
    return isOutOfReach ? .drop : webResponse(reply)
  }

  /// Whether it comes from a recording server that knows the secret; nil where it does not claim to.
  private func isRecorder(_ request: WebRequest) -> Bool? {
    guard let random = request.headers["Talk-Recording-Random"],
      let checksum = request.headers["Talk-Recording-Checksum"]
    else { return nil }
    guard let secret = options.recordingSecret, random.count >= 32 else { return false }
    let expected = HMAC.sha256(key: secret.utf8, message: Array(random.utf8) + request.body).hexadecimal
    return isEqualInConstantTime(Array(expected.utf8), Array(checksum.utf8))
  }

  /// Reads HTTP's Basic scheme (RFC 7617).
  private static func login(_ header: String?) -> Nextcloud.Login? {
    guard let header, header.lowercased().hasPrefix("basic "),
      let data = Data(base64Encoded: String(header.dropFirst("basic ".count))),
      let text = String(data: data, encoding: .utf8), let colon = text.firstIndex(of: ":")
    else { return nil }
    return Nextcloud.Login(user: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
  }

  /// Whether a fault that happens so many times happens now.
  private static func takes(_ request: WebRequest, from faults: inout [String: Int]) -> Bool {
    let key = faults.keys.first { matches(request, $0) }
    guard let key, let left = faults[key], left > 0 else { return false }
    faults[key] = left - 1
    return true
  }

  /// RFC 9110 §5.6.7.
  private static func dateHeader(_ seconds: Int) -> String {
    var (seconds, parts) = (time_t(seconds), tm())
    gmtime_r(&seconds, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      // In English, for this program never leaves the C locale.
      let count = strftime(text.baseAddress!, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
      return count > 0 ? String(cString: text.baseAddress!) : ""
    }
  }

  /// Whether a request has this method and end of path.
  private static func matches(_ request: WebRequest, _ description: String) -> Bool {
    let words = description.split(separator: " ")
    return words.count == 2 && request.method == words[0] && request.path.hasSuffix(words[1])
  }

  private func webResponse(_ reply: Nextcloud.Reply) -> WebResponse {
    var headers: HTTPHeaders = [:]
    for (name, value) in reply.headers { headers[name] = value }
    if faults.nextcloudClockShift != .zero {
      headers["Date"] = Self.dateHeader(time + Int(faults.nextcloudClockShift.components.seconds))
    }
    if let cookie = reply.sessionCookie {
      headers["Set-Cookie"] = "\(Nextcloud.sessionCookieName)=\(cookie); path=/; HttpOnly; SameSite=Lax"
    }
    if let page = reply.page {
      headers["Content-Type"] = "text/html; charset=utf-8"
      return .reply(reply.status, headers: headers, text: page)
    }
    guard let body = reply.body else { return .reply(reply.status, headers: headers) }
    return .reply(reply.status, headers: headers, text: body.text)
  }

  /// What the real signaling server asks of its Nextcloud.
  private func backendReply(to body: JSONValue) async -> WebResponse {
    let token = body["room"]["roomid"].string ?? ""
    let talkSession = body["room"]["sessionid"].string ?? ""
    guard body["type"].string == "room" else {
      return webResponse(server.nextcloud.ok(SignalingBackend.answer(to: body)))
    }
    if body["room"]["action"].string == "leave" {
      await moderate { $0.sessionLeft(talkSession, room: token, time: $1) }
      return webResponse(server.nextcloud.ok(SignalingBackend.answer(to: body)))
    }
    let admission = server.nextcloud.admission(token, talkSession: talkSession)
    return webResponse(server.nextcloud.ok(SignalingBackend.answer(admission, room: token)))
  }

  private func chatGrows(within wait: Duration) async {
    nextWaiter += 1
    let id = nextWaiter
    let timer = LoopTimer(on: .network) { [weak self] in
      self?.assumeIsolated { $0.chatWaiters.removeValue(forKey: id)?.resume() }
    }
    timer.schedule(at: .now + wait)
    await withCheckedContinuation { chatWaiters[id] = $0 }
    timer.invalidate()
  }

  func wakeChatWaiters() {
    let waiters = chatWaiters.values
    chatWaiters = [:]
    for waiter in waiters { waiter.resume() }
  }
}
