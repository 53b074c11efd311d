import FoundationEssentials
import TalkProtocol

/// A message as a line of JSON, and as environment variables. The schema is documented in the README and only ever grows.
struct MessageLine {
  private let message: ChatMessage
  private let url: String

  /// - Parameter url: The conversation's.
  init(_ message: ChatMessage, url: String) {
    self.message = message
    self.url = url
  }

  var json: String {
    var members: [String: JSONValue] = [
      "event": "message", "id": number(message.id), "time": .string(time), "kind": .string(kind),
      "conversation": .string(url), "text": .string(message.text),
      "actor": [
        "type": string(message.actorType), "id": string(message.actorId), "name": .string(message.author),
      ],
      "message": string(message.message), "parameters": .object(message.messageParameters ?? [:]),
    ]
    if let reference = message.referenceId, !reference.isEmpty { members["reference"] = .string(reference) }
    if let reactions = message.reactions, !reactions.isEmpty {
      members["reactions"] = .object(reactions.mapValues { .number(Double($0)) })
    }
    if let parent = message.parent {
      members["parent"] = [
        "id": number(parent.id), "name": .string(parent.author), "text": .string(parent.text),
        "deleted": .bool(parent.isDeleted),
      ]
    }
    if message.silent == true { members["silent"] = true }
    if let edited = message.lastEditTimestamp, edited > 0 {
      members["edited"] = ["time": .string(Self.iso(edited)), "name": string(message.lastEditActorDisplayName)]
    }
    return JSONLine.text(.object(members))
  }

  /// For a command that is called with each message. A variable ends at a NUL, and the system takes only so much of one.
  var environment: [String: String] {
    [
      "TALKBRIDGE_ID": String(message.id ?? 0), "TALKBRIDGE_KIND": kind, "TALKBRIDGE_TIME": time,
      "TALKBRIDGE_CONVERSATION": url, "TALKBRIDGE_ACTOR": message.author,
      "TALKBRIDGE_ACTOR_TYPE": message.actorType ?? "", "TALKBRIDGE_ACTOR_ID": message.actorId ?? "",
      "TALKBRIDGE_TEXT": message.text, "TALKBRIDGE_PARENT_ID": message.parent?.id.map(String.init) ?? "",
    ].mapValues { String(decoding: $0.utf8.filter { $0 != 0 }.prefix(100_000), as: UTF8.self) }
  }

  /// `comment`, `deleted`, the name of a system message, or a type of the server's.
  private var kind: String {
    if message.isDeleted { return "deleted" }
    if message.isSystem { return message.systemMessage ?? "system" }
    return message.messageType.flatMap { $0.isEmpty ? nil : $0 } ?? "comment"
  }

  private var time: String { Self.iso(message.timestamp ?? 0) }

  private static func iso(_ seconds: Int) -> String { Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601) }

  private func number(_ value: Int?) -> JSONValue { value.map { .number(Double($0)) } ?? .null }
  private func string(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
}
