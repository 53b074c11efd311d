/// Why something cannot be done in the chat.
public enum ChatFailure: Error, Hashable, Sendable {
  /// We do not get into the conversation, or the server is not as it should be.
  case room(CallFailure)
  case missingFeature(String)
  case emptyMessage
  /// In characters (Unicode scalars), as the server counts. The limit is nil where the server has not told it.
  case tooLong(length: Int, limit: Int?)
  case chatForbidden
  case readOnly
  /// The message that was to be answered, changed or reacted to is not there, or is of a kind that cannot be.
  case noSuchMessage(id: Int)
  case mayNotChange(id: Int)
  case notChangeable(id: Int)
  case tooManyMentions
  /// What was asked for is no part of the server's words. `reason` is the server's.
  case refused(reason: String)
  /// The server took the message or not, and is not to be asked.
  case mayHaveBeenSent
  /// The server was asked: it has not got the message.
  case notSent

  /// A short name that never changes, for programs.
  public var identifier: String {
    switch self {
    case .room(let failure): failure.identifier
    case .missingFeature: "missing-feature"
    case .emptyMessage: "empty-message"
    case .tooLong: "message-too-long"
    case .chatForbidden: "chat-forbidden"
    case .readOnly: "read-only"
    case .noSuchMessage: "no-such-message"
    case .mayNotChange: "may-not-change"
    case .notChangeable: "not-changeable"
    case .tooManyMentions: "too-many-mentions"
    case .refused: "refused"
    case .mayHaveBeenSent: "may-have-been-sent"
    case .notSent: "not-sent"
    }
  }
}

extension ChatFailure: CustomStringConvertible {
  /// What happened, what it means, what to do.
  public var description: String {
    switch self {
    case .room(let failure): failure.description
    case .missingFeature(let feature):
      "Talk on this server cannot do that: it lacks “\(feature)”. Ask its administrator for an update."
    case .emptyMessage: "The message is empty. Give a text, as an argument or on standard input."
    case .tooLong(let length, let limit):
      "The message is too long: \(length) characters, and the server takes \(limit.map(String.init) ?? "fewer"). Nothing was sent."
    case .chatForbidden: "We may not write in the chat here. Ask a moderator for the permission."
    case .readOnly: "The conversation is locked, so nothing can be written. Ask a moderator to unlock it."
    case .noSuchMessage(let id):
      "There is no message \(id) in this conversation that this could be done to. `talkbridge chat read` shows the ids."
    case .mayNotChange(let id):
      "Message \(id) is not ours to change. A guest keeps its identity between commands with --session only."
    case .notChangeable(let id):
      "Message \(id) cannot be changed any more: it is too old, or of a kind that cannot be."
    case .tooManyMentions: "The server takes no more mentions from guests today. Try again tomorrow, or without “@”."
    case .refused(let reason): "The server refused: \(reason)."
    case .mayHaveBeenSent:
      "The connection was lost after the message went out and did not come back: it may have been sent, or not. Read the chat before sending it again."
    case .notSent: "The message was not sent: the server lost it several times. Try again later."
    }
  }
}

extension ChatFailure {
  /// Whether the same attempt may work a little later.
  public var isTransient: Bool {
    if case .room(let failure) = self { failure.isTransient || failure == .lobby } else { false }
  }

  public init(_ failure: TransportFailure, host: String) {
    self =
      switch failure {
      case .unreachable(let detail): .room(.hostUnreachable(host: host, detail: detail))
      case .tls(let detail): .room(.tlsFailure(host: host, detail: detail))
      case .timedOut: .room(.noAnswer(host: host))
      }
  }

  /// What a refusal of `request` means. `hasPassword`: whether one was given.
  public init(_ reply: HTTPReply, to request: ChatRequest, host: String, hasPassword: Bool = false) {
    let reason = (try? OCSEnvelope<TalkErrorBody>(body: reply.body))?.data?.error
    let answer = reason.map { "\($0), HTTP status \(reply.status)" } ?? "HTTP status \(reply.status)"
    let unexpected = ChatFailure.room(.serverError(doing: request.doing, status: reply.status))
    self =
      switch (reply.status, request) {
      case (429, .send) where reason == "mentions": .tooManyMentions
      case (429, _): .room(.rateLimited)
      case (503, _) where reply.isMaintenance: .room(.maintenance)
      case (500..., _): unexpected
      case (401, _): .room(.loginNeeded)
      case (_, .readCapabilities):
        .room(.notATalkServer(host: host, detail: "it answered with HTTP status \(reply.status)"))
      case (412, _): .room(.lobby)
      case (403, .join) where reason == "password": .room(hasPassword ? .passwordWrong : .passwordNeeded)
      case (403, .join) where reason == "ban": .room(.banned)
      case (403, .join): .room(.conversationForbidden)
      case (404, .join): .room(.unknownConversation)
      case (406, _), (422, .join): .room(.federated)
      case (400, .send(let draft)) where reason == "reply-to": .noSuchMessage(id: draft.replyTo ?? 0)
      case (400, .send) where reason == "message", (400, .edit) where reason == "message": .emptyMessage
      case (413, .send(let draft)): .tooLong(length: draft.text.unicodeScalars.count, limit: nil)
      case (413, .edit(_, let text)): .tooLong(length: text.unicodeScalars.count, limit: nil)
      case (404, .edit(let id, _)), (404, .delete(let id)), (404, .react(let id, _)): .noSuchMessage(id: id)
      case (403, .edit(let id, _)), (403, .delete(let id)): .mayNotChange(id: id)
      case (400, .edit(let id, _)), (400, .delete(let id)), (405, .edit(let id, _)), (405, .delete(let id)):
        .notChangeable(id: id)
      case (403, .send), (403, .react): .chatForbidden
      case (404, _): .room(.conversationGone)
      default: .refused(reason: answer)
      }
  }
}

extension ChatRequest {
  fileprivate var doing: String {
    switch self {
    case .readCapabilities: "telling what it can do"
    case .join: "letting us into the conversation"
    case .setName: "taking our name"
    case .send: "taking the message"
    case .history, .messages: "giving the chat"
    case .edit: "changing the message"
    case .delete: "deleting the message"
    case .react: "taking the reaction"
    case .leave: "letting us go"
    }
  }
}
