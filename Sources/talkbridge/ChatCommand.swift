import ArgumentParser
import TalkClient
import TalkProtocol

/// The options that every command of the chat has.
struct ChatArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "The conversation's address, as the browser shows it: https://host/call/TOKEN.", valueName: "url"))
  var url: String

  @Option(help: ArgumentHelp("The name that others see. Default: the session's, or talkbridge.", valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      """
      Keep cookies and name in this file, so that the next command with it is the same guest; made if it is not there. \
      Whoever can read it can speak as this guest. Default: each command is a new guest.
      """, valueName: "file"))
  var session: String?

  @OptionGroup var account: AccountArguments
  @OptionGroup var password: RoomPasswordArgument

  @OptionGroup var trust: TrustArguments

  @OptionGroup var log: LogArguments

  @OptionGroup var trace: TraceArgument

  func validate() throws {
    guard account.user != nil else { return }
    if name != nil { throw ValidationError(AccountArguments.usersHaveNames) }
    if session != nil {
      throw ValidationError(
        "--session keeps a guest between commands; a user needs none: leave out --session or --user.")
    }
  }
}

struct ChatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Read, follow and write the chat of a conversation; for bots, logs and alerts.",
    subcommands: [
      ChatSendCommand.self, ChatReadCommand.self, ChatFollowCommand.self, ChatReactCommand.self, ChatEditCommand.self,
      ChatDeleteCommand.self,
    ])
}

struct ChatSendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send",
    abstract: "Send a message, and once; print its id.",
    discussion: """
      Where the connection breaks before the server's answer, the chat is read to see whether the message is there, and it \
      is sent again only if it is not: this takes ten seconds to a few minutes.
      """)

  @OptionGroup var chat: ChatArguments

  @Argument(help: ArgumentHelp("What to say. Default: what standard input holds.", valueName: "text"))
  var text: String?

  @Option(help: ArgumentHelp("Answer the message of this id.", valueName: "id"))
  var replyTo: Int?

  @Flag(help: "Cause no notifications.")
  var silent = false

  func run() throws {
    let (plan, text, replyTo, silent) = (ChatPlan(chat), self.text, self.replyTo, self.silent)
    runAndExit(tracing: chat.trace) { await plan.send(text, replyTo: replyTo, isSilent: silent) }
  }
}

struct ChatReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read", abstract: "Print messages as they are now, oldest first.")

  @OptionGroup var chat: ChatArguments

  @Option(help: ArgumentHelp("Print the last so many messages. Default: 100.", valueName: "count"))
  var last: Int?

  @Option(help: ArgumentHelp("Print what came after the message of this id.", valueName: "id"))
  var since: Int?

  @Flag(help: "Print everything from the beginning.")
  var all = false

  @Flag(help: "Print a JSON object for each message, a line each.")
  var json = false

  func validate() throws {
    guard [last != nil, since != nil, all].count(where: { $0 }) <= 1 else {
      throw ValidationError("Give one of --last, --since and --all.")
    }
    if let last, last < 1 { throw ValidationError("--last takes a count from 1 upwards.") }
    if let since, since < 0 { throw ValidationError("--since takes an id.") }
  }

  func run() throws {
    let extent: ChatHistory.Extent = all ? .all : since.map { .since($0) } ?? .last(last ?? 100)
    let (plan, json) = (ChatPlan(chat), self.json)
    runAndExit(tracing: chat.trace) { await plan.read(extent, json: json) }
  }
}

struct ChatFollowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "follow",
    abstract: "Print messages as they come, for ever: each once, none missed, whatever the network does.",
    discussion: """
      --exec runs a program for each message, one after the other: the message as JSON on its standard input, its parts in \
      the environment (TALKBRIDGE_ID, _KIND, _TIME, _CONVERSATION, _ACTOR, _ACTOR_TYPE, _ACTOR_ID, _TEXT, _PARENT_ID). No \
      shell sees any of it; TALKBRIDGE_PASSWORD is not passed on. A program that fails, or takes longer than \
      --exec-limit and is ended, is complained of, and the next message comes all the same.
      """)

  @OptionGroup var chat: ChatArguments

  @Option(
    help: ArgumentHelp("Begin with what came after the message of this id. Default: with what comes.", valueName: "id"))
  var since: Int?

  @Flag(help: "Print a JSON object for each message, a line each.")
  var json = false

  @Option(
    help: ArgumentHelp("Run this program for each message: a path or a name, without arguments.", valueName: "command"))
  var exec: String?

  @Option(
    help: ArgumentHelp("How long the program may take: 60 (seconds), 30s, 5m. Default: 60s.", valueName: "time"))
  var execLimit: TimeLength?

  func validate() throws {
    if let since, since < 0 { throw ValidationError("--since takes an id.") }
    if let exec, exec.isEmpty || !MessageCommand.exists(exec) {
      throw ValidationError("There is no program “\(exec)” that could be run. Arguments belong into a script of yours.")
    }
    if execLimit != nil, exec == nil { throw ValidationError("--exec-limit belongs to --exec.") }
  }

  func run() throws {
    let (plan, since, json, command) = (
      ChatPlan(chat), self.since, self.json,
      exec.map { [execLimit] in
        MessageCommand(program: $0, limit: execLimit?.duration ?? .seconds(60))
      }
    )
    runAndExit(tracing: chat.trace) { await plan.follow(since: since, json: json, command: command) }
  }
}

struct ChatReactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "react", abstract: "React to a message.")

  @OptionGroup var chat: ChatArguments

  @Argument(help: ArgumentHelp("The message's id.", valueName: "id"))
  var id: Int

  @Argument(help: ArgumentHelp("An emoji: 👍", valueName: "emoji"))
  var emoji: String

  func run() throws {
    let (plan, id, emoji) = (ChatPlan(chat), self.id, self.emoji)
    runAndExit(tracing: chat.trace) { await plan.change { client in try await client.react(to: id, with: emoji) } }
  }
}

struct ChatEditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit", abstract: "Change the text of a message of our own; as a guest, with --session.")

  @OptionGroup var chat: ChatArguments

  @Argument(help: ArgumentHelp("The message's id.", valueName: "id"))
  var id: Int

  @Argument(help: ArgumentHelp("The new text. Default: what standard input holds.", valueName: "text"))
  var text: String?

  func run() throws {
    let (plan, id, text) = (ChatPlan(chat), self.id, self.text)
    runAndExit(tracing: chat.trace) {
      await plan.change { client in try await client.edit(id, to: try text ?? ChatPlan.textOnInput()) }
    }
  }
}

struct ChatDeleteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a message of our own; as a guest, with --session.")

  @OptionGroup var chat: ChatArguments

  @Argument(help: ArgumentHelp("The message's id.", valueName: "id"))
  var id: Int

  func run() throws {
    let (plan, id) = (ChatPlan(chat), self.id)
    runAndExit(tracing: chat.trace) { await plan.change { client in try await client.delete(id) } }
  }
}
