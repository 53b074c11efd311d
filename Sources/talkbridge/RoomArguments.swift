import ArgumentParser

/// The password of a conversation. It comes from a file: arguments are seen by everybody on the machine.
struct RoomPasswordArgument: ParsableArguments {
  @Option(
    name: .customLong("room-password-file"),
    help: ArgumentHelp("Read the conversation's password from this file's first line.", valueName: "file"))
  var file: String?

  /// The conversation's password, if one was given.
  static func read(_ file: String?) throws(Failure) -> String? {
    guard let file else { return nil }
    do { return try SecretFile.read(file) } catch {
      throw Failure("The conversation's password cannot be read: \(error).", .usage, identifier: "password-unreadable")
    }
  }
}

/// The options about what keeps people out of a conversation's call.
struct RoomArguments: ParsableArguments {
  @OptionGroup var password: RoomPasswordArgument

  @Flag(help: "Agree to being recorded, where the call asks for that.")
  var consent = false

  @Flag(help: "Wait while the lobby is closed, and enter when it opens. Default: give up at once.")
  var waitInLobby = false

  var values: Values { Values(passwordFile: password.file, consents: consent, waitsInLobby: waitInLobby) }

  struct Values {
    var passwordFile: String?
    var consents = false
    var waitsInLobby = false

    private var knownPassword: String?

    init(passwordFile: String? = nil, consents: Bool = false, waitsInLobby: Bool = false) {
      self.passwordFile = passwordFile
      self.consents = consents
      self.waitsInLobby = waitsInLobby
    }

    func password() throws(Failure) -> String? {
      if let knownPassword { return knownPassword }
      return try RoomPasswordArgument.read(passwordFile)
    }

    /// Reads what a pipe gives only once.
    mutating func readSecrets() throws(Failure) { knownPassword = try password() }
  }
}
