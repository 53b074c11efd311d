internal import FoundationEssentials
internal import HTTPClient
internal import TalkClient
internal import TalkProtocol
internal import Transport

/// Asks the Nextcloud what it is and what it tells clients, without entering a conversation.
struct ServerProbe {
  private let inspection: Inspection

  private let limit: Duration

  /// - Parameter limit: For each request.
  init(_ inspection: Inspection, within limit: Duration) {
    self.inspection = inspection
    self.limit = limit
  }

  private var address: ConversationAddress { inspection.address }

  func capabilities() async -> ServerSight {
    let sent = Date.now.timeIntervalSince1970
    let started = ContinuousClock.now
    let reply: HTTPResponse
    do { reply = try await get(address.ocsURL("cloud/capabilities")) } catch {
      return ServerSight(capabilities: .failure(Self.failure(error, host: address.host)))
    }
    return ServerSight(
      capabilities: Self.understood(reply, host: address.host), roundTripTime: ContinuousClock.now - started,
      clock: ClockOffset(reply.headers["Date"], sent: sent))
  }

  /// Those for no conversation in particular: they name the same servers, and are given to guests, too.
  func settings() async -> Result<SignalingSettings, CallFailure> {
    let reply: HTTPResponse
    do { reply = try await get(address.talkURL("v3/signaling/settings")) } catch {
      return .failure(Self.failure(error, host: address.host))
    }
    guard reply.status == 200, let settings = try? OCSEnvelope<SignalingSettings>(body: reply.body).data else {
      return .failure(.serverError(doing: "giving its signaling settings", status: reply.status))
    }
    return .success(settings)
  }

  private func get(_ url: String) async throws(TransportError) -> HTTPResponse {
    let session = HTTPSession(settings: inspection.transport)
    let credentials = inspection.account.map { BasicCredentials(user: $0.user, password: $0.appPassword) }
    let result: Result<HTTPResponse, TransportError>
    do throws(TransportError) {
      result = .success(
        try await session.send(
          HTTPClient.HTTPRequest(
            "GET", url, headers: ["OCS-APIRequest": "true", "Accept": "application/json"], credentials: credentials,
            timeout: limit)))
    } catch { result = .failure(error) }
    await session.close()
    return try result.get()
  }

  static func understood(_ reply: HTTPResponse, host: String) -> Result<ServerCapabilities, CallFailure> {
    switch reply.status {
    case 200: break
    case 401: return .failure(.loginRefused)
    case 429: return .failure(.rateLimited)
    case 503 where reply.headers["X-Nextcloud-Maintenance-Mode"] == "1": return .failure(.maintenance)
    case 500...: return .failure(.serverError(doing: "telling what it can do", status: reply.status))
    case let status:
      return .failure(.notATalkServer(host: host, detail: "it answers with HTTP status \(status)"))
    }
    guard let capabilities = try? OCSEnvelope<ServerCapabilities>(body: reply.body).data else {
      return .failure(.notATalkServer(host: host, detail: "its answer is not that of a Nextcloud"))
    }
    guard let talk = capabilities.talk else { return .failure(.talkUnavailable) }
    for feature in ["conversation-v4", "signaling-v3"] where !talk.has(feature) {
      return .failure(.talkTooOld(missing: feature))
    }
    return .success(capabilities)
  }

  private static func failure(_ error: TransportError, host: String) -> CallFailure {
    switch error {
    case .tls(_, let failure): .tlsFailure(host: host, detail: "\(failure)")
    case .caFile(let path, let reason): .tlsFailure(host: host, detail: "the CA file \(path) cannot be used: \(reason)")
    case .timedOut: .noAnswer(host: host)
    case .hostNotFound: .hostUnreachable(host: host, detail: "its name was not found")
    case .unreachable(_, let reason): .hostUnreachable(host: host, detail: reason)
    case .connectTimedOut: .hostUnreachable(host: host, detail: "it did not take the connection in time")
    default: .hostUnreachable(host: host, detail: "\(error)")
    }
  }
}

extension ClockOffset {
  /// - Parameters:
  ///   - header: The value of `Date` (RFC 9110 §5.6.7).
  ///   - sent: When the request went out, in seconds since 1970; its answer came just now.
  init?(_ header: String?, sent: Double) {
    guard let header, let date = HTTPDate.seconds(header) else { return nil }
    self.init(date: Double(date), sent: sent, received: Date.now.timeIntervalSince1970)
  }
}
