internal import DataChannel

/// The data channels of a peer, its own one among them: wanted from the start, there once the other side is.
struct PeerChannels {
  /// Bytes of a text message; longer ones are dropped. What Talk says is far shorter.
  private static let longestMessage = 65_536

  /// Of the channel that texts go to unless another is named; nil for none.
  private let ownLabel: String?
  private var own: UInt16?
  private var association: SCTPAssociation?
  private var labelsToOpen: [String]

  init(ownLabel: String?) {
    self.ownLabel = ownLabel
    labelsToOpen = [ownLabel].compactMap { $0 }
  }

  var isThere: Bool { association != nil }

  /// Begins to speak SCTP over DTLS, and opens what is wanted.
  /// - Parameter wake: Called on the network loop when time has moved the association on.
  mutating func start(
    isDTLSClient: Bool, remoteMaximumMessageLength: Int?, wake: @escaping @Sendable () -> Void
  ) throws(DataChannelError) {
    let association = try SCTPAssociation(isDTLSClient: isDTLSClient, wake: wake)
    if let remoteMaximumMessageLength { association.remoteMaximumMessageLength = remoteMaximumMessageLength }
    self.association = association
    let labels = labelsToOpen
    labelsToOpen = []
    do throws(DataChannelError) { for label in labels { try open(label) } } catch {
      self.association = nil
      throw error
    }
  }

  /// Opens a channel now, or when the association is there.
  mutating func open(_ label: String) throws(DataChannelError) {
    guard let association else { return labelsToOpen.append(label) }
    let id = try association.openChannel(label: label)
    if label == ownLabel, own == nil { own = id }
  }

  func send(_ text: String, on channel: UInt16?) throws(PeerError) {
    guard let association, let id = channel ?? own else { throw .dataChannel("There is no data channel yet.") }
    do { try association.send(text: text, on: id) } catch { throw .dataChannel(error.description) }
  }

  func receive(_ packet: Span<UInt8>) { association?.receive(packet) }

  /// To be called after whatever may have moved the association on: takes what happened, sends what is to be sent.
  mutating func advance(_ emit: (PeerEvent) -> Void, send: (Span<UInt8>) -> Void) {
    guard let association else { return }
    while let event = association.nextEvent() {
      switch event {
      case .channelOpened(let id, let label, _): emit(.dataChannelOpened(id: id, label: label))
      case .text(let text, let channel) where text.utf8.count <= Self.longestMessage:
        emit(.message(text, channel: channel))
      case .connected, .text, .binary, .channelClosed: break
      case .closed:
        self.association = nil
        emit(.dataChannelsEnded("The other side has ended the data channels."))
      }
    }
    association.drain(send)
  }

  func close() { association?.close() }
}
