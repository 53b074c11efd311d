import ArgumentParser
import FoundationEssentials
import Glibc
import QRCode
import TalkClient
import TalkProtocol
import Transport

struct LoginCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "login",
    abstract: "Get an app password for a user, who allows it in a browser, and store it.",
    discussion: """
      Prints the address of a page, also as a QR code, and waits up to 20 minutes for the user to log in there and say \
      yes. The app password is stored in $XDG_CONFIG_HOME/talkbridge/accounts.json, readable by you alone, for --user. \
      It can be taken back with talkbridge logout, or in the security settings of the account.
      """)

  @OptionGroup var server: ServerArguments

  func run() throws {
    let server = self.server
    runAndExit(tracing: server.trace) {
      await ServerSession.run(server) { session throws(Failure) in
        // Told before the user has done the work.
        _ = try AccountStore().accounts()
        let account = try await session.logIn()
        try AccountStore().add(.init(server: session.base, user: account.user, appPassword: account.appPassword))
        print(
          "Logged in as \(TerminalText.printable(account.user)). Use it with: --user '\(TerminalText.printable(account.user))'"
        )
      }
    }
  }
}

struct LogoutCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logout",
    abstract: "Give app passwords back: the server forgets them, and they are no longer stored.")

  @OptionGroup var server: ServerArguments

  @Option(help: ArgumentHelp("Only that of this user. Default: all of this server.", valueName: "name"))
  var user: String?

  func run() throws {
    let (server, user) = (self.server, self.user)
    runAndExit(tracing: server.trace) {
      await ServerSession.run(server) { session throws(Failure) in
        let entries = try AccountStore().accounts().filter {
          $0.server == session.base && (user == nil || $0.user == user)
        }
        guard !entries.isEmpty else {
          throw Failure("No app password for \(session.base) is stored.", .loginRefused, identifier: "login-missing")
        }
        for entry in entries {
          let wasGood = try await session.revoke(Account(user: entry.user, appPassword: entry.appPassword))
          try AccountStore().remove(entry)
          let user = TerminalText.printable(entry.user)
          print(wasGood ? "Logged out \(user)." : "Logged out \(user), whose app password was no good any more.")
        }
      }
    }
  }
}

/// Which server an account is of, and how to reach it.
struct ServerArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The server's address: https://host, with the sub-path if it has one.", valueName: "url"))
  var url: String

  @OptionGroup var trust: TrustArguments

  @OptionGroup var trace: TraceArgument
}

/// The account business with one server.
struct ServerSession {
  let base: String
  /// Of the installation; the conversation in it may be none.
  let address: ConversationAddress
  private let access: AccountAccess

  private init(_ arguments: ServerArguments) throws(Failure) {
    let address: ConversationAddress
    do {
      // The address of a conversation names the server, too.
      let isConversation = arguments.url.contains("/call/")
      address = try ConversationAddress(isConversation ? arguments.url : arguments.url + "/call/none")
    } catch {
      throw Failure(
        "“\(TerminalText.printable(arguments.url))” is not the address of a server, like https://cloud.example.com.",
        .notAnAddress, identifier: "not-an-address")
    }
    guard !address.isInsecure else {
      throw Failure(
        "An app password is not sent over http, where everybody on the way can read it. Use the https address.",
        .loginRefused, identifier: "login-insecure")
    }
    self.address = address
    base = address.baseURL
    access = AccountAccess(
      base: base,
      settings: try .ofProcess(
        caFile: arguments.trust.caFile, userAgent: "talkbridge on \(ProcessInfo.processInfo.hostName)"))
  }

  /// Runs a command's work, and complains where it fails.
  /// - Parameter json: The failure is told as an event, too.
  static func run(
    _ arguments: ServerArguments, json: Bool = false, _ body: (ServerSession) async throws(Failure) -> Void
  ) async -> ExitCause {
    do throws(Failure) {
      try await body(ServerSession(arguments))
      return .success
    } catch {
      if json { TextStream.standardOutput.write(.failed(error)) }
      complain(error.message)
      return error.status
    }
  }

  func logIn() async throws(Failure) -> Account {
    do throws(AccountAccess.Failure) {
      let pending = try await access.begin()
      print("Open this page in a browser, log in, and grant access:\n\n  \(TerminalText.printable(pending.page))\n")
      if isatty(STDOUT_FILENO) == 1, let symbol = QRSymbol(pending.page) {
        for line in symbol.terminalLines { print(line) }
      }
      fflush(nil)
      return try await access.wait(for: pending)
    } catch { throw failure(error) }
  }

  func revoke(_ account: Account) async throws(Failure) -> Bool {
    do { return try await access.revoke(account) } catch { throw failure(error) }
  }

  func conversations(of account: Account) async throws(Failure) -> [Conversation] {
    do { return try await access.conversations(of: account) } catch { throw failure(error) }
  }

  private func failure(_ error: AccountAccess.Failure) -> Failure {
    switch error {
    case .refused: Failure(CallFailure.loginRefused)
    case .rateLimited: Failure(CallFailure.rateLimited)
    case .maintenance: Failure(CallFailure.maintenance)
    case .unreachable(.unreachable(let detail)): Failure(CallFailure.hostUnreachable(host: base, detail: detail))
    case .unreachable(.tls(let detail)): Failure(CallFailure.tlsFailure(host: base, detail: detail))
    case .unreachable(.timedOut): Failure(CallFailure.noAnswer(host: base))
    case .notOffered(let status):
      Failure(
        CallFailure.notATalkServer(
          host: base, detail: "it offers no login for programs (it answered with HTTP status \(status))"))
    case .expired:
      Failure("Nobody granted access in time. Run talkbridge login again.", .loginRefused, identifier: "login-expired")
    case .unexpected(let status): Failure(CallFailure.serverError(doing: "dealing with the account", status: status))
    }
  }
}
