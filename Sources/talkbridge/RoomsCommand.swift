import ArgumentParser
import TalkClient
import TalkProtocol

struct RoomsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rooms",
    abstract: "List the conversations of a user; those with a call going on are marked with *.")

  @OptionGroup var server: ServerArguments

  @OptionGroup var account: AccountArguments

  @Flag(help: "Print one JSON object a line.")
  var json = false

  func validate() throws {
    if account.user == nil { throw ValidationError("Guests have no conversations: name a user with --user.") }
  }

  func run() throws {
    let (server, account, json) = (self.server, self.account.values, self.json)
    runAndExit(tracing: server.trace) {
      await ServerSession.run(server, json: json) { session throws(Failure) in
        for conversation in try await session.conversations(of: account) {
          print(json ? session.line(conversation) : session.sentence(conversation))
        }
      }
    }
  }
}

extension ServerSession {
  /// Those with a call first, then by name.
  fileprivate func conversations(of account: AccountArguments.Values) async throws(Failure) -> [Conversation] {
    guard let account = try account.resolved(for: address) else { return [] }
    return try await conversations(of: account).filter { $0.token != nil }.sorted {
      let (one, other) = ($0.hasCall == true, $1.hasCall == true)
      return one == other ? $0.title.lowercased() < $1.title.lowercased() : one
    }
  }

  private func url(_ conversation: Conversation) -> String { "\(base)/call/\(conversation.token ?? "")" }

  fileprivate func sentence(_ conversation: Conversation) -> String {
    TerminalText.printable("\(conversation.hasCall == true ? "*" : " ") \(url(conversation))  \(conversation.title)")
  }

  /// The members are documented in the README.
  fileprivate func line(_ conversation: Conversation) -> String {
    let started = conversation.callStartTime.flatMap { $0 > 0 ? $0 : nil }
    return EventLine(
      "conversation",
      [
        "url": .string(url(conversation)), "name": .string(conversation.title),
        "hasCall": .bool(conversation.hasCall == true), "moderator": .bool(conversation.isModerator),
        "callStartTime": started.map { .number(Double($0)) } ?? .null,
        "readOnly": .bool(conversation.readOnly == true), "lobby": .bool(conversation.lobbyState == 1),
      ]
    ).text
  }
}

extension Conversation {
  /// As people see it.
  fileprivate var title: String { displayName ?? name ?? "" }
}
