import GLibLoop
import TalkProtocol
import Transport
import WebTransport

/// As much of a Talk server as a guest who listens meets, with what a test wants to go wrong.
final class ScriptedTalkServer: Sendable {
  struct Script: Sendable {
    /// Answers instead of the server's own, by the path's end.
    var answers: [String: WebResponse] = [:]
    /// What the settings name; nil for the server itself, on its sub-path.
    var signalingServer: String?
    var refusesSockets = false
    /// How often a socket is dropped right after the room was entered.
    var drops = 0
  }

  private struct State {
    var script: Script
    var requests: [WebRequest] = []
    var messages: [String] = []
    var sockets = 0
    var port = 0
  }

  private let state: Locked<State>

  init(_ script: Script = Script()) { state = Locked(State(script: script)) }

  var requests: [WebRequest] { state.withLock { $0.requests } }
  /// Everything that clients said on sockets.
  var messages: [String] { state.withLock { $0.messages } }
  var sockets: Int { state.withLock { $0.sockets } }

  /// Runs `body` with the address of the conversation `token123`.
  func run(
    certificate: WebServer.Certificate? = nil, host: String = "127.0.0.1",
    _ body: (ConversationAddress) async throws -> Void
  ) async throws {
    let server = WebServer(certificate: certificate) { [self] in answer($0) }
    let port = try await server.listen()
    state.withLock { $0.port = port }
    let scheme = certificate == nil ? "http" : "https"
    do {
      try await body(ConversationAddress("\(scheme)://\(host):\(port)/cloud/index.php/call/token123?x#y"))
    } catch {
      await server.stop()
      throw error
    }
    await server.stop()
  }

  private func answer(_ request: WebRequest) -> WebResponse {
    let script = state.withLock { state in
      state.requests.append(request)
      return state.script
    }
    if let (_, answer) = script.answers.first(where: { request.path.hasSuffix($0.key) }) { return answer }
    guard request.path.hasPrefix("/cloud/") else { return .reply(404) }
    if request.path == "/cloud/spreed" {
      return script.refusesSockets ? .reply(502) : .webSocket { [self] in await serve($0) }
    }
    guard request.headers["OCS-APIRequest"] == "true", request.headers["Accept"] == "application/json" else {
      return .reply(400, text: "<xml/>")
    }
    switch (request.method, request.path.dropFirst("/cloud/ocs/v2.php/".count)) {
    case ("GET", "cloud/capabilities"):
      return ocs(
        #"{"capabilities":{"spreed":{"features":["conversation-v4","signaling-v3"],"config":{}}}}"#,
        cookies: ["oc_session=COOKIE-ONE; Path=/cloud; HttpOnly"])
    case ("POST", "apps/spreed/api/v4/room/token123/participants/active"):
      guard request.cookies["oc_session"] == "COOKIE-ONE" else { return .reply(401) }
      return ocs(
        #"{"token":"token123","type":3,"displayName":"Room","sessionId":"ncsession","actorType":"guests","permissions":254,"participantType":4,"lobbyState":0,"readOnly":0,"hasCall":false}"#,
        cookies: ["oc_session=COOKIE-TWO; Path=/cloud; HttpOnly", "nc_sameSiteCookielax=true; Path=/cloud"])
    case _ where request.cookies["oc_session"] != "COOKIE-TWO": return .reply(401)
    case ("POST", "apps/spreed/api/v1/guest/token123/name"): return ocs("[]")
    case ("GET", "apps/spreed/api/v3/signaling/settings"):
      let port = state.withLock { $0.port }
      let server = script.signalingServer ?? "http://127.0.0.1:\(port)/cloud/"
      return ocs(
        #"{"signalingMode":"external","server":"\#(server)","helloAuthParams":{"1.0":{"userid":null,"ticket":"TICKET-SECRET"},"2.0":{"token":"JWT-SECRET"}},"stunservers":[],"turnservers":[]}"#
      )
    case ("GET", "apps/spreed/api/v4/call/token123"): return ocs("[]")
    case ("DELETE", _): return ocs("[]")
    default: return .reply(404)
    }
  }

  private func ocs(_ data: String, cookies: [String] = []) -> WebResponse {
    .reply(
      headers: HTTPHeaders(cookies.map { .init(name: "Set-Cookie", value: $0) }),
      text: #"{"ocs":{"meta":{"status":"ok","statuscode":200},"data":\#(data)}}"#)
  }

  private func serve(_ socket: WebSocket) async {
    state.withLock { $0.sockets += 1 }
    socket.send(#"{"type":"welcome","welcome":{"features":["mcu","hello-v2"],"version":"2.0.0"}}"#)
    for await case .text(let text) in socket.events {
      state.withLock { $0.messages.append(text) }
      guard let message = try? ClientMessage(text: text), let id = message.id else { continue }
      switch message.content {
      case .hello:
        socket.send(
          #"{"id":"\#(id)","type":"hello","hello":{"version":"2.0","sessionid":"sigsession","resumeid":"RESUME-SECRET","userid":"","server":{"features":["mcu"],"version":"2.0.0"}}}"#
        )
      case .room:
        socket.send(#"{"id":"\#(id)","type":"room","room":{"roomid":"token123","properties":{}}}"#)
        let isDropped = state.withLock { state in
          state.script.drops -= 1
          return state.script.drops >= 0
        }
        if isDropped { socket.abort() }
      default: break
      }
    }
  }
}
