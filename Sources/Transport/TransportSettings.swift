/// How servers are reached, over HTTP and WebSockets alike: one value serves both.
public struct TransportSettings: Sendable {
  /// A PEM file of certificate authorities that are trusted beside the system's own.
  public var caFile: String?
  public var proxies: ProxySettings
  /// The `User-Agent` header.
  public var userAgent: String
  /// How long a connection may take to come about: name resolution, TCP, proxy and TLS together.
  public var connectTimeout: Duration
  /// Hears all that is said over HTTP and WebSockets.
  public var observer: TrafficObserver?

  public init(
    caFile: String? = nil, proxies: ProxySettings = .none, userAgent: String = "talkbridge",
    connectTimeout: Duration = .seconds(8), observer: TrafficObserver? = nil
  ) {
    self.caFile = caFile
    self.proxies = proxies
    self.userAgent = userAgent
    self.connectTimeout = connectTimeout
    self.observer = observer
  }
}
