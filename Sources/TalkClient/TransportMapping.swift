internal import HTTPClient
internal import TalkProtocol
internal import Transport
internal import WebTransport

// Between the words of the transports and those of the protocol.

extension HTTPClient.HTTPRequest {
  init(_ request: TalkProtocol.HTTPRequest, account: Account?) {
    var headers: HTTPHeaders = ["OCS-APIRequest": "true", "Accept": "application/json"]
    if let proof = request.proof {
      headers["Talk-Recording-Random"] = proof.random
      headers["Talk-Recording-Checksum"] = proof.checksum
    }
    if request.body != nil { headers["Content-Type"] = "application/json" }
    self.init(
      request.method.rawValue, request.url, headers: headers, body: request.body, credentials: account?.credentials,
      timeout: request.timeout, mayBeRepeated: request.purpose != .sendMessage)
  }
}

extension HTTPReply {
  init(_ response: HTTPResponse) {
    // Nextcloud gives seconds; a date (RFC 9110 §10.2.3) says nothing that the session's own patience would not.
    let seconds = response.headers["Retry-After"].flatMap { Int($0) }.flatMap { (0...86_400).contains($0) ? $0 : nil }
    // “25600ms”: what the server would wait for before the next attempt.
    let throttling = response.headers["X-Nextcloud-Bruteforce-Throttled"].flatMap { value in
      value.hasSuffix("ms") ? Int(value.dropLast(2)).flatMap { (0...3_600_000).contains($0) ? $0 : nil } : nil
    }
    let pauses: [Duration] = [seconds.map { .seconds($0) }, throttling.map { .milliseconds($0) }].compactMap(\.self)
    self.init(
      status: response.status, body: response.body, retryAfter: pauses.max(),
      isMaintenance: response.headers["X-Nextcloud-Maintenance-Mode"] == "1",
      lastGiven: response.headers["X-Chat-Last-Given"].flatMap { Int($0) }, url: response.url,
      location: (300..<400).contains(response.status) ? response.headers["Location"] : nil)
  }
}

extension TransportFailure {
  /// The session names the host and says what to do; so this is the reason alone.
  init(_ error: TransportError) {
    self =
      switch error {
      case .tls(_, let failure): .tls(detail: "\(failure)")
      case .caFile(let path, let reason): .tls(detail: "the CA file \(path) cannot be used: \(reason)")
      case .timedOut: .timedOut
      case .hostNotFound: .unreachable(detail: "its name was not found")
      case .unreachable(_, let reason): .unreachable(detail: reason)
      case .connectTimedOut: .unreachable(detail: "it did not take the connection in time")
      case .proxy(let reason): .unreachable(detail: "the proxy failed: \(reason)")
      case .lost(_, let reason): .unreachable(detail: "the connection broke: \(reason)")
      case .tooLarge(_, let limit): .unreachable(detail: "it sent more than \(limit) bytes")
      case .upgradeRefused(_, let status): .unreachable(detail: "it refused the WebSocket with HTTP status \(status)")
      case .invalidURL(let reason): .unreachable(detail: "its address cannot be used: \(reason)")
      case .cancelled: .unreachable(detail: "the attempt was given up")
      }
  }

  /// nil when the server closed the socket in form.
  init?(_ closure: WebSocketClosure) {
    switch closure {
    case .byPeer, .byUs: return nil
    case .lost(let reason): self = .unreachable(detail: reason)
    }
  }
}
