import Gateway
import TalkClient
import TalkProtocol

/// The chat beside a call: what is written there is shown, what the user types is sent, and lines that begin with `/` are
/// commands.
actor CallChat {
  static let help = "what you type is sent; /mute, /hand and /quit are commands, // begins a message with a slash"

  private let client: ChatClient
  private let url: String
  private let gateway: CallGateway
  private let reporter: Reporter

  private var following: Task<Void, Never>?
  /// Whether we are in the conversation, the lobby behind us.
  private var isInRoom = false
  private var isOver = false
  private var entrance: CheckedContinuation<Void, Never>?

  init(_ client: ChatClient, url: String, gateway: CallGateway, reporter: Reporter) {
    self.client = client
    self.url = url
    self.gateway = gateway
    self.reporter = reporter
  }

  // MARK: The call

  /// Something happened in the call; to be told in order.
  func handle(_ event: GatewayEvent) async {
    guard case .call(let event) = event else { return }
    switch event {
    case .conversationJoined: begin()
    case .chatChanged: await client.ring()
    case .phase(let phase):
      isInRoom = phase.isInRoom
      // Outside of the room nobody tells us of news.
      await client.setBell(isInRoom)
      if isInRoom { open() }
    default: break
    }
  }

  /// The call is over.
  func end() async {
    isOver = true
    open()
    following?.cancel()
    await following?.value
  }

  private func open() {
    entrance?.resume()
    entrance = nil
  }

  private func untilInRoom() async {
    guard !isInRoom, !isOver else { return }
    await withCheckedContinuation { entrance = $0 }
  }

  // MARK: Reading

  private func begin() {
    guard following == nil, !isOver else { return }
    following = Task {
      do throws(ChatFailure) {
        try await client.follow(since: nil) { news in await self.show(news) }
      } catch {
        await reporter.warn("the chat cannot be read any more: \(error)")
      }
    }
  }

  private func show(_ news: ChatClient.News) async {
    switch news {
    case .messages(let messages):
      for message in messages { await reporter.chat(message, url: url) }
    // What keeps us out of the room is told by the call.
    case .report(.interrupted(let failure)): if isInRoom { await reporter.chatInterrupted(failure) }
    case .report(.restored): if isInRoom { await reporter.chatRestored() }
    case .report(.following): break
    }
  }

  // MARK: Writing

  /// Deals with lines in their order until there are no more, or the call is over.
  func take(_ lines: AsyncStream<String>) async {
    for await line in lines {
      switch ChatInput(line) {
      case .nothing: break
      case .message(let text): await send(text)
      case .command(.quit): return await carryOut(.quit)
      case .command(let command): await carryOut(command)
      }
    }
  }

  /// Does what a command says.
  func carryOut(_ command: ChatInput.Command) async {
    switch command {
    case .mute: await gateway.toggleMuted()
    case .hand: await gateway.toggleHand()
    case .quit: await gateway.leave()
    case .help: await reporter.note(Self.help)
    case .unknown(let name):
      await reporter.warn(
        "there is no command /\(name); /help tells which there are, and // begins a message with a slash")
    }
  }

  private func send(_ text: String) async {
    await untilInRoom()
    var random = SystemRandomNumberGenerator()
    do throws(ChatFailure) {
      guard !isOver else { throw .notSent }
      let id = try await client.send(text, referenceID: ChatDraft.referenceID(using: &random))
      await reporter.chatSent(text, id: id)
    } catch {
      await reporter.chatNotSent(text, error)
    }
  }
}

/// What a line that was typed means.
enum ChatInput: Equatable {
  enum Command: Equatable {
    case mute, hand, quit, help
    case unknown(String)
  }

  case nothing
  case message(String)
  case command(Command)

  init(_ line: String) {
    let words = line.trimmingPrefix(while: \.isWhitespace)
    if words.allSatisfy(\.isWhitespace) {
      self = .nothing
    } else if words.hasPrefix("//") {
      self = .message(String(words.dropFirst()))
    } else if words.hasPrefix("/") {
      let name = words.dropFirst().prefix { !$0.isWhitespace }
      switch name {
      case "mute", "m": self = .command(.mute)
      case "hand", "h": self = .command(.hand)
      case "quit", "q": self = .command(.quit)
      case "help", "?": self = .command(.help)
      default: self = .command(.unknown(String(name)))
      }
    } else {
      self = .message(line)
    }
  }
}

extension CallPhase {
  fileprivate var isInRoom: Bool {
    switch self {
    case .waitingForCall, .enteringCall, .inCall: true
    default: false
    }
  }
}
