/// Reads a part of a chat, page by page: the last messages, or all since one.
///
/// Pure: ask `request`, give the answer to `take`, until there is no request any more.
public struct ChatHistory: Sendable {
  public enum Extent: Hashable, Sendable {
    case last(Int)
    case all
    /// What comes after the message of this id.
    case since(Int)
  }

  /// Oldest first. Without those that only tell of changes to others, which show them themselves.
  public private(set) var messages: [ChatMessage] = []
  /// What to ask next; nil when everything is there.
  public private(set) var request: ChatRequest?
  private let extent: Extent

  public init(_ extent: Extent) {
    self.extent = extent
    switch extent {
    case .last(let count): request = count > 0 ? .history(before: 0, limit: min(count, ChatRequest.largestPage)) : nil
    case .all: request = .history(before: 0, limit: ChatRequest.largestPage)
    case .since(let id): request = .messages(after: id, wait: .zero)
    }
  }

  /// Takes the answer to `request`.
  /// - Parameter host: For failures' words.
  public mutating func take(_ reply: HTTPReply, host: String) throws(ChatFailure) {
    guard let request else { return }
    guard let page = ChatPage(reply) else { throw ChatFailure(reply, to: request, host: host) }
    self.request = nil
    switch request {
    case .history(let before, _):
      let older = page.messages.filter { !$0.isUpdate && (before == 0 || $0.id ?? 0 < before) }
      messages.insert(contentsOf: older.sorted { ($0.id ?? 0) < ($1.id ?? 0) }, at: 0)
      // Further down, and only down: a server that turns round would keep us for ever.
      let next = page.lastGiven ?? page.messages.compactMap(\.id).min() ?? 0
      if case .last(let count) = extent {
        if messages.count >= count { return messages.removeFirst(messages.count - count) }
      }
      if next > 0, before == 0 || next < before {
        self.request = .history(before: next, limit: ChatRequest.largestPage)
      }
    case .messages(let after, _, _):
      let newer = page.messages.filter { !$0.isUpdate && $0.id ?? 0 > after }
      messages += newer.sorted { ($0.id ?? 0) < ($1.id ?? 0) }
      if page.furthest > after { self.request = .messages(after: page.furthest, wait: .zero) }
    default: break
    }
  }
}
