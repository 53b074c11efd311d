import FoundationEssentials
import GLibLoop
import Glibc
import Logging
import SystemPackage
import TalkClient
import TalkProtocol
import Transport

/// What the user asked of the chat, carried out: from the command line to the exit code.
struct ChatPlan: Sendable {
  private let url: String
  private let name: String?
  private let sessionPath: String?
  private let account: AccountArguments.Values
  private let passwordPath: String?
  private let caFile: String?
  private let logLevel: Logger.Level

  private static let defaultName = "talkbridge"
  /// Longer than what any server takes, in bytes; more is not read.
  private static let longestInput = 4 << 20

  init(_ arguments: ChatArguments) {
    url = arguments.url
    name = arguments.name
    sessionPath = arguments.session
    account = arguments.account.values
    passwordPath = arguments.password.file
    caFile = arguments.trust.caFile
    logLevel = arguments.log.level
  }

  func send(_ text: String?, replyTo: Int?, isSilent: Bool) async -> ExitCause {
    await run { client, _ in
      let text = try text ?? Self.textOnInput()
      var random = SystemRandomNumberGenerator()
      let reference = ChatDraft.referenceID(using: &random)
      let id = try await client.send(text, replyTo: replyTo, isSilent: isSilent, referenceID: reference)
      if let id { try Self.write("\(id)\n") }
    }
  }

  func read(_ extent: ChatHistory.Extent, json: Bool) async -> ExitCause {
    await run(json: json) { client, address in
      let messages = try await client.read(extent)
      // In pieces: the whole of a long chat need not be there a second time.
      for message in messages { try Self.write(Self.line(message, address, json: json)) }
    }
  }

  func change(_ change: @Sendable (ChatClient) async throws -> Void) async -> ExitCause {
    await run { client, _ in try await change(client) }
  }

  func follow(since: Int?, json: Bool, command: MessageCommand?) async -> ExitCause {
    await run(json: json) { client, address in
      let ending = Locked<Failure?>(nil)
      let following = Locked<Task<Void, any Error>?>(nil)
      // Before the first message a task of its own does not exist yet: a signal then finds nothing to end.
      let task = Task {
        // A guest that is to last is not to leave with the signaling session.
        try await client.follow(since: since, usesSignaling: sessionPath == nil) { news in
          do throws(Failure) {
            try await Self.show(news, address, json: json, command: command)
          } catch {
            ending.withLock { $0 = error }
            following.withLock { $0 }?.cancel()
          }
        }
      }
      following.withLock { $0 = task }
      if ending.withLock({ $0 }) != nil { task.cancel() }
      let interrupts = Locked(0)
      let signals = [SIGINT, SIGTERM, SIGHUP].map { signal in
        SignalWatch(signal, on: .network) {
          task.cancel()
          let count = interrupts.withLock { count in
            count += 1
            return count
          }
          if count > 1 { _exit(ExitCause.interrupted.rawValue) }
        }
      }
      defer { withExtendedLifetime(signals) {} }
      try await task.value
      if let failure = ending.withLock({ $0 }) { throw failure }
    }
  }

  private static func show(
    _ news: ChatClient.News, _ address: ConversationAddress, json: Bool, command: MessageCommand?
  ) async throws(Failure) {
    switch news {
    case .messages(let messages):
      for message in messages {
        guard !Task.isCancelled else { return }
        try write(line(message, address, json: json))
        if let command, let complaint = await command.run(MessageLine(message, url: address.conversationURL)) {
          complain("message \(message.id ?? 0): \(complaint)")
        }
      }
    case .report(let report):
      switch report {
      case .following(let id):
        if json {
          try write(EventLine("following", ["after": .number(Double(id))]).text + "\n")
        } else if Console.standardError.abilities.isInteractive {
          complain("following the chat; Ctrl-C ends")
        }
      case .interrupted(let failure):
        if json { try write(EventLine("interrupted", ["message": .string("\(failure)")]).text + "\n") }
        complain("waiting, nothing will be missed: \(failure)")
      case .restored:
        if json { try write(EventLine("restored").text + "\n") }
        complain("connected again")
      }
    }
  }

  // MARK: The frame of every command

  private func run(
    json: Bool = false, _ body: (ChatClient, ConversationAddress) async throws -> Void
  ) async -> ExitCause {
    do {
      try await takePart(body)
      return .success
    } catch {
      let error = Failure(chat: error)
      // Who reads our output has enough.
      if error.identifier == Self.readerGone { return .success }
      if json {
        let members: [String: JSONValue] = [
          "error": .string(error.identifier), "message": .string(error.message),
          "exitCode": .number(Double(error.status.rawValue)),
        ]
        try? Self.write(EventLine("failed", members).text + "\n")
      }
      complain(error.message)
      return error.status
    }
  }

  private func takePart(
    _ body: (ChatClient, ConversationAddress) async throws -> Void
  ) async throws {
    let address = try ConversationAddress(url)
    if address.isInsecure {
      complain("\(address.host) is reached over http: everybody on the way can read and change everything")
    }
    let password = try RoomPasswordArgument.read(passwordPath)
    let account = try account.resolved(for: address)
    var file: SessionFile?
    if let sessionPath { file = try await SessionFile(path: sessionPath) }
    let session = file?.session ?? GuestSession()
    let client = ChatClient(
      address: address, account: account, password: password, session: session,
      settings: try .ofProcess(caFile: caFile),
      logger: logger())
    let name = self.name ?? session.name ?? Self.defaultName
    try await client.enter(name: name)
    try await file?.write(client.guestSession)
    do {
      try await body(client, address)
    } catch {
      await end(client, keepsSession: file != nil)
      throw error
    }
    try await file?.write(client.guestSession)
    await end(client, keepsSession: file != nil)
  }

  /// A guest that is to last stays: for the server, one that left and comes again is another.
  private func end(_ client: ChatClient, keepsSession: Bool) async {
    if !keepsSession { await client.leave() }
  }

  private func logger() -> Logger {
    var logger = Logger(label: "talkbridge") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = logLevel
    return logger
  }

  // MARK: In and out

  static func textOnInput() throws(Failure) -> String {
    do {
      let bytes = try FileDescriptor.standardInput.readAll(atMost: longestInput)
      return withoutLineEnd(String(decoding: bytes, as: UTF8.self))
    } catch {
      // What came before is not sent: it would end in the middle.
      throw Failure("standard input cannot be read: \(error).", .inputUnusable, identifier: "input-unusable")
    }
  }

  private static func withoutLineEnd(_ text: String) -> String {
    var text = text[...]
    while let last = text.last, last.isNewline { text.removeLast() }
    return String(text)
  }

  private static func line(_ message: ChatMessage, _ address: ConversationAddress, json: Bool) -> String {
    json
      ? MessageLine(message, url: address.conversationURL).json + "\n" : message.lines { localTime($0) } + "\n"
  }

  /// As `2026-11-22 13:52`, in this machine's time zone.
  private static func localTime(_ seconds: Int) -> String {
    var time = time_t(seconds)
    var parts = tm()
    localtime_r(&time, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(1900 + Int(parts.tm_year))-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min))"
  }

  private static let readerGone = "reader-gone"

  private static func write(_ text: String) throws(Failure) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count > 0 {
        bytes = bytes.dropFirst(count)
      } else if errno == EPIPE {
        throw Failure("nobody reads the output any more", .success, identifier: readerGone)
      } else if errno != EINTR {
        let reason = String(cString: strerror(errno))
        throw Failure(
          "standard output cannot be written: \(reason).", .outputUnwritable, identifier: "output-unwritable")
      }
    }
  }
}

extension Failure {
  init(_ failure: ChatFailure) {
    self.init(failure.description, ExitCause(failure), identifier: failure.identifier)
  }

  fileprivate init(chat error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let failure as ChatFailure: self.init(failure)
    case let error as ConversationAddressError:
      self.init(error.description, .notAnAddress, identifier: "not-an-address")
    default: self.init("\(error)", .unexpected, identifier: "unexpected")
    }
  }
}

extension ExitCause {
  init(_ failure: ChatFailure) {
    self =
      switch failure {
      case .room(let failure): ExitCause(failure)
      case .missingFeature: .notATalkServer
      case .emptyMessage, .tooLong, .noSuchMessage, .notChangeable, .tooManyMentions, .refused: .messageRefused
      case .chatForbidden, .readOnly, .mayNotChange: .chatForbidden
      case .mayHaveBeenSent: .maybeSent
      case .notSent: .serverBusy
      }
  }
}
