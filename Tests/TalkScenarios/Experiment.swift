internal import TalkProtocol
public import TalkRoom
internal import TestSupport

/// Something that guests try, in the right order or a wrong one, and what a real installation made of it.
///
/// Recorded with Nextcloud 32, Talk 21 and the signaling server 1.2.4 and 2.0.2. What comes out either way (entering call
/// and room at the same time) is not among them.
public struct Experiment: Sendable, CustomStringConvertible {
  /// The name that it had when it was recorded; descriptive where it was not part of that table.
  public let name: String
  public let situation: String
  public let outcome: String
  private let body: @Sendable (Setting) async throws -> [String]

  init(
    _ name: String, _ situation: String, _ outcome: String,
    _ body: @escaping @Sendable (Setting) async throws -> [String]
  ) {
    self.name = name
    self.situation = situation
    self.outcome = outcome
    self.body = body
  }

  public var description: String { "\(name): \(situation)" }

  /// Tries it.
  /// - Returns: What came of it, to be compared with `outcome`.
  public func run(in setting: Setting) async throws -> String {
    do {
      let steps = try await body(setting)
      await setting.closeGuests()
      return steps.joined(separator: ", ")
    } catch {
      await setting.closeGuests()
      throw error
    }
  }

  /// Where experiments take place: an installation in whose `token` somebody publishes already.
  public actor Setting {
    public nonisolated let base: String
    public nonisolated let room: EmbeddedRoom
    /// A conversation in which `publisher` speaks.
    public nonisolated let token: String
    /// A conversation for this experiment alone.
    public nonisolated let ownToken: String
    /// The session of the one who publishes.
    public nonisolated let publisher: String
    public nonisolated let mediaAddress: String
    /// How long the server waits for a publisher.
    public nonisolated let patience: Duration
    private var guests: [CallGuest] = []

    public init(
      base: String, room: EmbeddedRoom, token: String, ownToken: String, publisher: String, mediaAddress: String,
      patience: Duration
    ) {
      self.base = base
      self.room = room
      self.token = token
      self.ownToken = ownToken
      self.publisher = publisher
      self.mediaAddress = mediaAddress
      self.patience = patience
    }

    func guest(in token: String? = nil) -> CallGuest {
      let guest = CallGuest(base: base, token: token ?? self.token, mediaAddress: mediaAddress)
      guests.append(guest)
      return guest
    }

    /// A guest that did everything in the right order.
    func caller(flags: Int = 3, in token: String? = nil) async throws -> CallGuest {
      let guest = guest(in: token)
      try await guest.enterCall(flags: flags)
      return guest
    }

    /// A caller that publishes and is connected.
    func speaker(in token: String? = nil, mark: UInt8 = 2) async throws -> CallGuest {
      let guest = try await caller(in: token)
      try await guest.publishAndConnect(mark: mark)
      return guest
    }

    func closeGuests() async {
      for guest in guests { await guest.close() }
      guests = []
    }
  }
}

extension Experiment {
  /// The conversations that an installation must have for `runAll`.
  public static var conversations: [HostedConversation] {
    ([sharedToken] + all.indices.map(ownToken)).map { HostedConversation(token: $0, name: "Experiments") }
  }

  private static let sharedToken = "experiments"
  private static func ownToken(_ index: Int) -> String { "experiment\(index)" }

  /// Tries all of them, several at a time, and gives what came of each.
  /// - Parameters:
  ///   - patience: How long the server waits for a publisher.
  ///   - mediaAddress: The local address that guests' media uses.
  public static func runAll(
    base: String, room: EmbeddedRoom, mediaAddress: String, patience: Duration
  ) async throws -> [(experiment: Experiment, outcome: String)] {
    let publisher = CallGuest(base: base, token: sharedToken, mediaAddress: mediaAddress)
    try await publisher.enterCall(name: "Publisher")
    try await publisher.publishAndConnect()
    let session = await publisher.session
    let outcomes = await withTaskGroup(of: (experiment: Experiment, outcome: String).self) { group in
      var outcomes: [(experiment: Experiment, outcome: String)] = []
      for (index, experiment) in all.enumerated() {
        if index >= mostAtATime, let outcome = await group.next() { outcomes.append(outcome) }
        group.addTask {
          let setting = Setting(
            base: base, room: room, token: sharedToken, ownToken: ownToken(index), publisher: session,
            mediaAddress: mediaAddress, patience: patience)
          do {
            return (experiment, try await experiment.run(in: setting))
          } catch {
            return (experiment, "\(error)")
          }
        }
      }
      for await outcome in group { outcomes.append(outcome) }
      return outcomes
    }
    await publisher.close()
    return outcomes
  }

  private static let mostAtATime = 12
}
