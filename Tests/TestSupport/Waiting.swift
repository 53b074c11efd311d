/// A condition did not come true in time.
public struct DeadlineExceeded: Error, CustomStringConvertible {
  public let description: String

  public init(description: String) { self.description = description }
}

/// Waits until `condition` holds, looking every few milliseconds, and throws when it does not within `limit`.
///
/// The limit is a safety net against a hang, not part of what a test asserts: keep it generous.
/// - Parameter pause: Between two looks; longer where looking takes long.
public func eventually(
  within limit: Duration = .seconds(60), every pause: Duration = .milliseconds(5), _ what: String,
  isolation: isolated (any Actor)? = #isolation,
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while !(try await condition()) {
    guard ContinuousClock.now < deadline else { throw DeadlineExceeded(description: "waited \(limit) for \(what)") }
    try await Task.sleep(for: pause)
  }
}
