import ArgumentParser
import FoundationEssentials
import TalkClient
import TalkProtocol

/// The options that say as whom requests are made: a guest, unless a user is named.
struct AccountArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Join as this user. The app password is taken from --password-file, TALKBRIDGE_PASSWORD, the systemd credential \
      talkbridge-password, or what talkbridge login has stored. Default: join as a guest.
      """, valueName: "name"))
  var user: String?

  @Option(help: ArgumentHelp("Read the user's app password from this file's first line.", valueName: "file"))
  var passwordFile: String?

  static let usersHaveNames =
    "--name is for guests: a user is shown with the account's own name. Leave out --name or --user."

  func validate() throws {
    if passwordFile != nil, user == nil {
      throw ValidationError("--password-file belongs to a user: name it with --user.")
    }
  }

  var values: Values { Values(user: user, passwordFile: passwordFile) }

  struct Values {
    var user: String?
    var passwordFile: String?

    private var knownPassword: String?

    init(user: String? = nil, passwordFile: String? = nil) {
      self.user = user
      self.passwordFile = passwordFile
    }

    /// Reads what a pipe gives only once.
    mutating func readSecrets() throws(Failure) { knownPassword = try passwordFromFile() }

    /// The account for a conversation; nil for a guest.
    func resolved(for address: ConversationAddress) throws(Failure) -> Account? {
      guard let user else { return nil }
      guard !address.isInsecure else {
        throw Failure(
          "An app password is not sent over http, where everybody on the way can read it. Use the https address.",
          .loginRefused, identifier: "login-insecure")
      }
      return Account(user: user, appPassword: try password(of: user, at: address.baseURL))
    }

    private func password(of user: String, at server: String) throws(Failure) -> String {
      if let knownPassword { return knownPassword }
      if let password = try passwordFromFile() { return password }
      let environment = ProcessInfo.processInfo.environment
      do {
        if let password = environment["TALKBRIDGE_PASSWORD"], !password.isEmpty { return password }
        if let directory = environment["CREDENTIALS_DIRECTORY"] {
          let file = directory + "/talkbridge-password"
          if FileManager.default.fileExists(atPath: file) { return try SecretFile.read(file) }
        }
      } catch { throw Self.failure(error) }
      let stored = try AccountStore().accounts().first { $0.server == server && $0.user == user }
      if let stored { return stored.appPassword }
      throw Failure(
        "There is no app password for \(user) at \(server). Run: talkbridge login \(server)", .loginRefused,
        identifier: "login-missing")
    }

    private func passwordFromFile() throws(Failure) -> String? {
      guard let passwordFile else { return nil }
      do { return try SecretFile.read(passwordFile) } catch { throw Self.failure(error) }
    }

    private static func failure(_ error: any Error) -> Failure {
      Failure("The user's app password cannot be read: \(error).", .loginRefused, identifier: "login-unreadable")
    }
  }
}
