internal import HTTPClient

/// A user of a Nextcloud, with a password for this program alone (an app password).
///
/// Its description names the user and no more of it.
public struct Account: Sendable, Equatable {
  public let user: String
  public let appPassword: String

  public init(user: String, appPassword: String) {
    self.user = user
    self.appPassword = appPassword
  }

  var credentials: BasicCredentials { BasicCredentials(user: user, password: appPassword) }
}

extension Account: CustomStringConvertible, CustomReflectable {
  public var description: String { "account of \(user)" }
  public var customMirror: Mirror { Mirror(self, children: ["user": user]) }
}
