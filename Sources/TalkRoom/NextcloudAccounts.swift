internal import TalkProtocol

/// The users of the installation, their app passwords, and Login Flow v2 by which a program gets one.
struct NextcloudAccounts {
  /// A login that waits for its user, and afterwards for its program.
  private struct Login {
    var granted: Nextcloud.Login?
  }

  /// By user name.
  var displayNames: [String: String] = [:]
  private(set) var appPasswords: Set<Nextcloud.Login> = []
  private(set) var refusedLogins = 0
  private var logins: [String: Login] = [:]
  private var random = SystemRandomNumberGenerator()

  mutating func add(_ user: String, displayName: String, appPassword: String?) {
    displayNames[user] = displayName
    if let appPassword { appPasswords.insert(.init(user: user, password: appPassword)) }
  }

  /// A user says yes to all logins that wait.
  mutating func grant(to user: String) {
    for (token, login) in logins where login.granted == nil {
      let made = Nextcloud.Login(user: user, password: draw(72))
      appPasswords.insert(made)
      logins[token]?.granted = made
    }
  }

  mutating func revoke(of user: String) { appPasswords = appPasswords.filter { $0.user != user } }

  /// The answer to a request that is about accounts, or whose login is wrong; nil for all others.
  mutating func answer(
    _ request: Nextcloud.Request, path: String, signaling: Nextcloud.Signaling
  ) -> Nextcloud.Reply? {
    if let login = request.login, !appPasswords.contains(login) {
      refusedLogins += 1
      return Self.reply(401, statusCode: 997)
    }
    switch (request.method, path) {
    case ("POST", "/login/v2"):
      let token = draw(128)
      logins[token] = Login()
      return Nextcloud.Reply(
        status: 200,
        body: [
          "poll": ["token": .string(token), "endpoint": .string(signaling.base + "/login/v2/poll")],
          "login": .string(signaling.base + "/login/v2/flow/" + draw(128)),
        ])
    case ("POST", "/login/v2/poll"):
      guard let token = request.body["token"].string, let granted = logins[token]?.granted else {
        return Nextcloud.Reply(status: 404, body: [])
      }
      logins[token] = nil
      return Nextcloud.Reply(
        status: 200,
        body: [
          "server": .string(signaling.base), "loginName": .string(granted.user),
          "appPassword": .string(granted.password),
        ])
    case ("DELETE", "/ocs/v2.php/core/apppassword"):
      guard let login = request.login else { return Self.reply(403, statusCode: 403) }
      appPasswords.remove(login)
      return Self.reply(200, statusCode: 200)
    default: return nil
    }
  }

  private static func reply(_ status: Int, statusCode: Int) -> Nextcloud.Reply {
    Nextcloud.Reply(
      status: status,
      body: [
        "ocs": [
          "meta": ["status": status == 200 ? "ok" : "failure", "statuscode": .int(statusCode), "message": ""],
          "data": [],
        ]
      ])
  }

  private mutating func draw(_ length: Int) -> String {
    let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<length).map { _ in characters.randomElement(using: &random)! })
  }
}
