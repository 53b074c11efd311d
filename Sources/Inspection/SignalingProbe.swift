internal import FoundationEssentials
internal import GLibLoop
internal import HTTPClient
internal import TalkProtocol
internal import Transport
internal import WebTransport

/// Says hello to the signaling server and goodbye again, in no room: nobody sees it.
struct SignalingProbe {
  private let inspection: Inspection
  private let settings: SignalingSettings
  private let server: String
  private let socketURL: String
  private let limit: Duration

  /// nil where there is no signaling server to talk to.
  init?(_ inspection: Inspection, _ settings: SignalingSettings, within limit: Duration) {
    guard settings.usesSignalingServer, let server = settings.server, let socketURL = settings.socketURL else {
      return nil
    }
    self.inspection = inspection
    self.limit = limit
    self.settings = settings
    self.server = server
    self.socketURL = socketURL
  }

  func run() async -> SignalingSight {
    async let welcome = welcome()
    let (greeting, time, description) = await greet()
    let (answer, clock) = await welcome
    return SignalingSight(
      url: server, welcome: answer, clock: clock, greeting: greeting, roundTripTime: time, description: description)
  }

  // MARK: HTTP

  /// The address that tells the version to everybody; also whether anything is there at all.
  private func welcome() async -> (SignalingSight.Welcome, ClockOffset?) {
    var url = server
    while url.hasSuffix("/") { url.removeLast() }
    if url.lowercased().hasPrefix("ws") { url = "http" + url.dropFirst(2) }
    let sent = Date.now.timeIntervalSince1970
    let session = HTTPSession(settings: inspection.transport)
    let result: Result<HTTPResponse, TransportError>
    do throws(TransportError) {
      result = .success(
        try await session.send(
          HTTPClient.HTTPRequest("GET", url + "/api/v1/welcome", timeout: limit)))
    } catch { result = .failure(error) }
    let clock = ClockOffset((try? result.get())?.headers["Date"], sent: sent)
    await session.close()
    switch result {
    case .failure(let error): return (.failed(error), nil)
    case .success(let reply):
      guard reply.status == 200, let body = try? JSONCoding.decode([String: JSONValue].self, from: reply.body),
        body["nextcloud-spreed-signaling"] != nil
      else { return (.status(reply.status), clock) }
      return (.version(body["version"]?.string ?? "unknown"), clock)
    }
  }

  // MARK: Socket

  private static let id = "inspection"

  private func greet() async -> (SignalingSight.Greeting, Duration?, ServerDescription?) {
    let socket: WebSocket
    do { socket = try await WebSocket.connect(to: socketURL, settings: inspection.transport) } catch {
      return (.failed(error), nil, nil)
    }
    let patience = LoopTimer(on: .network) { socket.abort() }
    patience.schedule(at: .now + limit)
    // Servers before the feature `welcome` say nothing until they are greeted.
    let impatience = LoopTimer(on: .network) { hello(on: socket, to: ServerDescription()) }
    impatience.schedule(at: .now + .seconds(1))
    defer {
      patience.invalidate()
      impatience.invalidate()
      socket.close()
    }
    var description: ServerDescription?
    var greetedAt: ContinuousClock.Instant?
    for await event in socket.events {
      let text: String
      switch event {
      case .text(let received): text = received
      case .closed(.byUs): return (.silent, nil, description)
      case .closed(.lost(let reason)): return (.closed(reason: reason), nil, description)
      case .closed(.byPeer(let code, let reason)):
        return (.closed(reason: reason.isEmpty ? "code \(code)" : reason), nil, description)
      }
      guard let message = try? ServerMessage(text: text) else { continue }
      switch message.content {
      case .welcome(let server):
        description = server
        impatience.cancel()
        greetedAt = .now
        hello(on: socket, to: server)
      case .hello(let reply) where message.id == Self.id:
        let time = greetedAt.map { ContinuousClock.now - $0 }
        if let server = reply.server, server.features != nil { description = server }
        socket.send(ClientMessage(.bye).text)
        return (.accepted(version: reply.version ?? "unknown"), time, description)
      case .error(let error): return (.refused(error), nil, description)
      case .bye(let reason): return (.closed(reason: reason ?? "no reason given"), nil, description)
      default: continue
      }
    }
    return (.silent, nil, description)
  }

  private func hello(on socket: WebSocket, to server: ServerDescription) {
    let backend = inspection.address.signalingBackendURL
    guard let hello = settings.hello(version: settings.helloVersion(for: server), to: backend) else { return }
    socket.send(ClientMessage(id: Self.id, .hello(hello)).text)
  }
}
