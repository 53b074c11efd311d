internal import FoundationEssentials
internal import HTTPClient
public import TalkProtocol
public import Transport

/// The account business of a user with a Nextcloud: gets an app password by Login Flow v2, in which the user says yes in a
/// browser, gives it back, and lists what it gives access to.
public struct AccountAccess: Sendable {
  /// A login that waits for its user.
  public struct Pending: Sendable {
    /// The page where the user says yes. It names the login, so it is for that user's eyes.
    public let page: String
    fileprivate let endpoint: String
    fileprivate let token: String
  }

  public enum Failure: Error, Sendable {
    case unreachable(TransportFailure)
    /// The server does not know this way of logging in.
    case notOffered(status: Int)
    /// The app password is not accepted; it is not to be tried again.
    case refused
    case rateLimited
    case maintenance
    /// Nobody said yes in time.
    case expired
    /// An answer that is no part of the flow.
    case unexpected(status: Int)
  }

  /// As long as a server keeps a login waiting.
  private static let patience = Duration.seconds(20 * 60)

  private let base: String
  private let settings: TransportSettings
  private let pollInterval: Duration

  /// - Parameters:
  ///   - base: The installation, without a trailing slash.
  ///   - settings: The user agent becomes the name of the app password in the user's list of devices.
  public init(base: String, settings: TransportSettings, pollInterval: Duration = .seconds(2)) {
    self.base = base
    self.settings = settings
    self.pollInterval = pollInterval
  }

  /// Asks the server for a login.
  public func begin() async throws(Failure) -> Pending {
    let reply = try await send(HTTPClient.HTTPRequest("POST", base + "/index.php/login/v2", body: []))
    guard reply.status == 200 else { throw .notOffered(status: reply.status) }
    let answer = try? JSONDecoder().decode(Beginning.self, from: Data(reply.body))
    // The answer to the poll is a password: not over a worse way than the one that was chosen.
    guard let answer, base.hasPrefix("http:") || answer.poll.endpoint.hasPrefix("https:") else {
      throw .notOffered(status: reply.status)
    }
    return Pending(page: answer.login, endpoint: answer.poll.endpoint, token: answer.poll.token)
  }

  /// Waits until the user has said yes.
  public func wait(for login: Pending) async throws(Failure) -> Account {
    let deadline = ContinuousClock.now + Self.patience
    let form = Array("token=\(login.token.percentEncoded)".utf8)
    var failures = 0
    while ContinuousClock.now < deadline {
      do throws(Failure) {
        let reply = try await send(
          HTTPClient.HTTPRequest(
            "POST", login.endpoint, headers: ["Content-Type": "application/x-www-form-urlencoded"], body: form))
        failures = 0
        switch reply.status {
        case 200:
          guard let end = try? JSONDecoder().decode(End.self, from: Data(reply.body)) else {
            throw .unexpected(status: 200)
          }
          return Account(user: end.loginName, appPassword: end.appPassword)
        case 404, 429, 502, 503: break
        case let status: throw .unexpected(status: status)
        }
      } catch .unreachable(let failure) {
        // The user is on the way; a lost connection is not the end of that.
        failures += 1
        if failures > 5 { throw .unreachable(failure) }
      }
      do { try await Task.sleep(for: pollInterval) } catch { throw .expired }
    }
    throw .expired
  }

  /// Makes the server forget an app password.
  /// - Returns: Whether it was still good.
  public func revoke(_ account: Account) async throws(Failure) -> Bool {
    let reply = try await send(
      HTTPClient.HTTPRequest(
        "DELETE", base + "/ocs/v2.php/core/apppassword",
        headers: ["OCS-APIRequest": "true", "Accept": "application/json"],
        credentials: account.credentials))
    switch reply.status {
    case 200: return true
    case 401, 403: return false
    case _: throw Self.failure(reply)
    }
  }

  /// The conversations that the user belongs to.
  public func conversations(of account: Account) async throws(Failure) -> [Conversation] {
    let reply = try await send(
      HTTPClient.HTTPRequest(
        "GET", base + "/ocs/v2.php/apps/spreed/api/v4/room",
        headers: ["OCS-APIRequest": "true", "Accept": "application/json"], credentials: account.credentials))
    guard reply.status == 200, let envelope = try? OCSEnvelope<[Conversation]>(body: reply.body) else {
      throw Self.failure(reply)
    }
    return envelope.data ?? []
  }

  private static func failure(_ response: HTTPResponse) -> Failure {
    let reply = HTTPReply(response)
    switch reply.status {
    case 401: return .refused
    case 429: return .rateLimited
    case 503 where reply.isMaintenance: return .maintenance
    case let status: return .unexpected(status: status)
    }
  }

  private func send(_ request: HTTPClient.HTTPRequest) async throws(Failure) -> HTTPResponse {
    let session = HTTPSession(settings: settings)
    let result: Result<HTTPResponse, TransportError>
    do throws(TransportError) { result = .success(try await session.send(request)) } catch { result = .failure(error) }
    await session.close()
    switch result {
    case .success(let reply): return reply
    case .failure(let error): throw .unreachable(TransportFailure(error))
    }
  }

  private struct Beginning: Decodable {
    struct Poll: Decodable {
      var token: String
      var endpoint: String
    }
    var poll: Poll
    var login: String
  }

  private struct End: Decodable {
    var loginName: String
    var appPassword: String
  }
}
