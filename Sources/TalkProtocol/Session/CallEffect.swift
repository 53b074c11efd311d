/// What the owner of a `CallSession` is to do, in this order. None of it may be skipped; none needs an answer but those
/// whose answer is a `CallSession.Event`.
public enum CallEffect: Hashable, Sendable {
  /// Answer with `reply` or `requestFailed`.
  case request(HTTPRequest)
  /// Open a WebSocket. Answer with `socketOpened` or `socketClosed`, then pass on each text message.
  case openSocket(SocketID, url: String)
  /// The text may hold tokens: not for logs.
  case send(SocketID, text: String)
  /// Close it; its `socketClosed` is not needed any more.
  case closeSocket(SocketID)

  /// Create the peer connection that carries our microphone, with a data channel, and make its offer. Answer with
  /// `PeerEvent`s. Candidates may come at once; they are kept until the offer is out.
  case createPublisher(PeerID, iceServers: [ICEServer])
  /// Create a peer connection for what `participant` sends, from the offer of the media server, and answer it.
  case createSubscriber(PeerID, participant: ParticipantID, offer: String, iceServers: [ICEServer])
  /// A new offer for a living subscriber: apply it and answer.
  case applyOffer(PeerID, sdp: String)
  case applyAnswer(PeerID, sdp: String)
  case addCandidate(PeerID, ICECandidatePayload)
  /// Close it; events of it are not needed any more.
  case closePeer(PeerID)
  /// Send on the data channel of the peer, if it is open.
  case sendData(PeerID, text: String)
  /// A moderator turned our microphone off: send silence until the user turns it on again.
  case muteMicrophone

  case report(CallEvent)
  /// The last effect of all.
  case finish(CallOutcome)
}

/// An HTTP request to Nextcloud, to be sent with `OCS-APIRequest: true`, `Accept: application/json` and the cookies of
/// all replies before.
public struct HTTPRequest: Hashable, Sendable {
  public enum Method: String, Hashable, Sendable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
  }

  public enum Purpose: String, Hashable, Sendable {
    case readCapabilities, joinConversation, readConversation, setGuestName, readSignalingSettings, listCall, joinCall
    case changeCallFlags, leaveCall, leaveConversation
    case sendMessage, readChat, awaitChat, editMessage, deleteMessage, reactToMessage
  }

  public var id: RequestID
  public var purpose: Purpose
  public var method: Method
  public var url: String
  /// JSON. May hold the conversation's password: not for logs.
  public var body: [UInt8]?
  /// To be sent as the recording backend proves that it knows its secret: in `Talk-Recording-Random` and
  /// `Talk-Recording-Checksum`. Only for a request without body.
  public var proof: SecretProof?
  /// For the whole exchange. A server may hold an answer back for 25 s after wrong passwords.
  public var timeout: Duration
}

extension CallEffect: CustomStringConvertible {
  /// For logs: without passwords, tokens, and what people said.
  public var description: String {
    switch self {
    case .request(let request): "\(request)"
    case .openSocket(let id, let url): "open \(id) to \(url)"
    case .send(let id, let text): "send on \(id): \((try? ClientMessage(text: text))?.id ?? "?")"
    case .closeSocket(let id): "close \(id)"
    case .createPublisher(let id, _): "create publisher \(id)"
    case .createSubscriber(let id, let participant, _, _): "create subscriber \(id) of \(participant)"
    case .applyOffer(let id, _): "apply offer to \(id)"
    case .applyAnswer(let id, _): "apply answer to \(id)"
    case .addCandidate(let id, _): "add candidate to \(id)"
    case .closePeer(let id): "close \(id)"
    case .sendData(let id, let text): "send on the data channel of \(id): \(text.count) characters"
    case .muteMicrophone: "mute microphone"
    case .report(let event): "report \(event)"
    case .finish(let outcome): "finish \(outcome)"
    }
  }
}

extension HTTPRequest: CustomStringConvertible {
  public var description: String { "\(id): \(purpose.rawValue) \(method.rawValue) \(url)" }
}

/// What came back.
public struct HTTPReply: Hashable, Sendable {
  public var status: Int
  public var body: [UInt8]
  /// How long we are to leave the server alone: from `Retry-After`, or the delay after wrong passwords and addresses.
  public var retryAfter: Duration?
  /// Whether there was `X-Nextcloud-Maintenance-Mode: 1`.
  public var isMaintenance: Bool
  /// From `X-Chat-Last-Given`: where the next page of a chat begins.
  public var lastGiven: Int?
  /// Where it came from, after the redirects that were followed.
  public var url: String?
  /// From `Location`, of a redirect that was not followed.
  public var location: String?

  public init(
    status: Int, body: [UInt8], retryAfter: Duration? = nil, isMaintenance: Bool = false, lastGiven: Int? = nil,
    url: String? = nil, location: String? = nil
  ) {
    self.url = url
    self.location = location
    self.lastGiven = lastGiven
    self.status = status
    self.body = body
    self.retryAfter = retryAfter
    self.isMaintenance = isMaintenance
  }
}

/// Why nothing came back, or a socket could not be opened. `detail` is one clause for people.
public enum TransportFailure: Error, Hashable, Sendable {
  /// Name not found, connection refused, no route, reset.
  case unreachable(detail: String)
  /// The certificate is not trusted, or the handshake failed.
  case tls(detail: String)
  case timedOut
}

/// Names one HTTP request.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
  public let number: Int
  public var description: String { "request \(number)" }
}

/// Names one WebSocket.
public struct SocketID: Hashable, Sendable, CustomStringConvertible {
  public let number: Int
  public var description: String { "socket \(number)" }
}

/// Names one peer connection.
public struct PeerID: Hashable, Sendable, CustomStringConvertible {
  public let number: Int
  public var description: String { "peer \(number)" }
}

/// Names a participant: its session in signaling. One who reconnects comes back under another.
public struct ParticipantID: Hashable, Sendable, CustomStringConvertible {
  public let session: String
  public init(session: String) { self.session = session }
  public var description: String { String(session.prefix(8)) }
}
