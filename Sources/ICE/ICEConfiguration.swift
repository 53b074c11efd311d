/// A STUN or TURN server entry of the signaling settings.
public struct ICEServer: Sendable {
  public var urls: [String]
  public var username: String
  public var credential: String

  public init(urls: [String], username: String = "", credential: String = "") {
    self.urls = urls
    self.username = username
    self.credential = credential
  }
}

extension ICEServer: CustomStringConvertible {
  /// The addresses alone: user name and credential never reach a log.
  public var description: String { urls.joined(separator: " ") }
}

/// What an ICE agent may use to find a path.
public struct ICEConfiguration: Sendable {
  /// In order of preference. Of the STUN servers the first whose name resolves is used; at most eight TURN addresses are.
  public var servers: [ICEServer] = []
  /// Only relayed candidates, so that no address of this machine is shown.
  public var relayOnly = false
  /// The only local IP addresses to use, loopback allowed; empty for all of this machine's but loopback.
  public var localAddresses: [String] = []
  /// The local UDP ports to use; nil for any.
  public var portRange: ClosedRange<UInt16>?
  /// A file of PEM certificates that vouch for `turns:` servers, in place of the system's.
  public var certificateAuthorityFile: String?
  /// How long to look for a path, from the first remote candidate or from the end of the exchange.
  public var patience: Duration = .seconds(8)

  public init() {}
}

/// The user name fragment and password of one side (RFC 8445 §5.3).
public struct ICECredentials: Equatable, Sendable {
  public let usernameFragment: String
  public let password: String

  public init(usernameFragment: String, password: String) {
    self.usernameFragment = usernameFragment
    self.password = password
  }
}

extension ICECredentials: CustomStringConvertible {
  /// Without the password.
  public var description: String { usernameFragment }
}

/// Who chooses among the working pairs (RFC 8445 §6.1.1): the side that sent the offer controls.
public enum ICERole: Sendable {
  case controlling, controlled
}

/// A local address in the configuration is not an IP address.
public struct ICEConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  public let address: String
  public var description: String { "\"\(address)\" is not an IP address of this machine." }
}
