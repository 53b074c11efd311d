internal import CUSRSCTP
internal import Glibc

/// The SCTP association under WebRTC's data channels (RFC 8831, RFC 8832): SCTP packets in, SCTP packets out, what happened
/// as events. The owner carries the packets in DTLS records.
///
/// It lives on the network loop, `GLibExecutor.network`: call it there alone. After each call, and when `wake` is called,
/// `drain` the packets and take all events with `nextEvent`.
public final class SCTPAssociation {
  public enum Event: Sendable, Equatable {
    /// Both sides are there; channels that were opened before are announced to the peer now.
    case connected
    /// The peer opened a channel, or agreed to one of ours.
    case channelOpened(id: UInt16, label: String, subprotocol: String)
    /// A message. Its channel need not have been announced: some senders forget to.
    case text(String, channel: UInt16)
    case binary([UInt8], channel: UInt16)
    /// The peer closed the channel.
    case channelClosed(id: UInt16)
    /// The association has ended, by the peer's will or because it is unreachable. Nothing follows.
    case closed
  }

  /// The largest packet that `drain` gives out; with DTLS around it, it is still smaller than 1200 bytes.
  public static let maximumPacketLength = 1160
  /// The longest message that is received, in bytes: say so in SDP (`a=max-message-size`). Longer ones are dropped.
  public static let maximumMessageLength = 256 * 1024
  /// Bytes of messages that wait for the network before `send` refuses further ones.
  public static let maximumBacklog = 1024 * 1024
  static let maximumStreams: UInt16 = 256
  static let maximumWaitingEvents = 1024
  private static let headerLength = 12
  private static let bufferSize: Int32 = 512 * 1024

  /// When packets that nobody acknowledges are sent again, and how often, before the peer counts as gone.
  struct Retransmission {
    var initialWait = Duration.milliseconds(500)
    var shortestWait = Duration.milliseconds(200)
    var longestWait = Duration.seconds(5)
    var attempts: UInt16 = 8
  }

  private struct Channel {
    var label: String
    var subprotocol: String
    /// Whether the peer knows of it.
    var isOpen: Bool
  }

  private struct Message {
    var channel: UInt16
    var payloadProtocol: PayloadProtocol
    var bytes: [UInt8]
  }

  /// A message of which the end is still to come; nil bytes when it has become too long.
  private typealias Partial = [UInt8]?

  /// The longest message that the peer takes, from its SDP; 64 KiB if that says nothing (RFC 8841 §6.1).
  public var remoteMaximumMessageLength = 65536

  private let address: UInt
  private let socket: OpaquePointer
  /// The number of the next channel of ours. Numbers are not used twice, so that nothing that was said on a closed
  /// channel is taken for something said on its successor.
  private var nextChannel: UInt16
  private var isClosed = false
  private var isConnected = false
  private var channels: [UInt16: Channel] = [:]
  private var partials: [UInt16: Partial] = [:]
  private var backlog: [Message] = []
  private var backlogLength = 0
  private var events: [Event] = []
  /// Messages of the peer that were longer than `maximumMessageLength`, or that nobody had taken.
  public private(set) var droppedMessages = 0

  /// Begins to connect at once, as both sides do in WebRTC; so make it when DTLS is connected.
  /// - Parameters:
  ///   - isDTLSClient: Our role in DTLS; it decides whose channels have even numbers (RFC 8832 §6).
  ///   - wake: Called on the network loop when packets or events came about by the passing of time. Never called within
  ///     a call of yours.
  public convenience init(isDTLSClient: Bool, wake: @escaping @Sendable () -> Void) throws(DataChannelError) {
    try self.init(isDTLSClient: isDTLSClient, retransmission: Retransmission(), wake: wake)
  }

  init(
    isDTLSClient: Bool, retransmission: Retransmission, wake: @escaping @Sendable () -> Void
  ) throws(DataChannelError) {
    nextChannel = isDTLSClient ? 0 : 1
    address = SCTPStack.open(wake: wake)
    let identity = UnsafeMutableRawPointer(bitPattern: address)
    let socket = usrsctp_socket(
      AF_CONN, Int32(SOCK_STREAM.rawValue), Int32(IPPROTO_SCTP),
      { _, _, data, count, info, flags, owner in
        SCTPAssociation.collect(data, count, info, flags, for: UInt(bitPattern: owner))
        return 1
      }, nil, 0, identity)
    guard let socket else {
      SCTPStack.release(address)
      throw .setup(errno)
    }
    self.socket = socket
    var error = CUSRSCTP_configure(
      socket, Self.bufferSize, Self.maximumStreams, milliseconds(retransmission.initialWait),
      milliseconds(retransmission.shortestWait), milliseconds(retransmission.longestWait), retransmission.attempts)
    if error == 0 {
      error = CUSRSCTP_connect(
        socket, identity, UInt32(Self.maximumPacketLength - Self.headerLength), retransmission.attempts)
    }
    guard error == 0 else {
      close()
      throw .setup(error)
    }
  }

  deinit {
    guard !isClosed else { return }
    SCTPStack.abandon(socket: UInt(bitPattern: socket), address: address)
  }

  // MARK: Packets and events

  /// Takes in an SCTP packet, that is, the content of a DTLS record. Malformed ones are dropped.
  public func receive(_ packet: Span<UInt8>) {
    guard !isClosed, packet.count <= Int(UInt16.max), isAcceptable(sctpPacket: packet) else { return }
    packet.withUnsafeBufferPointer {
      usrsctp_conninput(UnsafeMutableRawPointer(bitPattern: address), $0.baseAddress, $0.count, 0)
    }
    handleDeliveries()
    flush()
  }

  /// Hands every packet that waits to be sent to `send`, in order.
  public func drain(_ send: (Span<UInt8>) -> Void) {
    handleDeliveries()
    flush()
    for packet in takePackets() { send(packet.span) }
  }

  /// The next thing that happened; nil when there is none.
  public func nextEvent() -> Event? {
    handleDeliveries()
    return events.isEmpty ? nil : events.removeFirst()
  }

  // MARK: Channels

  /// Opens a reliable, ordered channel and returns its number. Messages may be sent on it at once, even before the
  /// association is connected.
  public func openChannel(label: String, subprotocol: String = "") throws(DataChannelError) -> UInt16 {
    guard !isClosed else { throw .closed }
    let longest = max(label.utf8.count, subprotocol.utf8.count)
    guard longest <= ChannelControl.maximumNameLength else { throw .nameTooLong(longest) }
    guard nextChannel < Self.maximumStreams else { throw .tooManyChannels }
    let id = nextChannel
    nextChannel += 2
    channels[id] = Channel(label: label, subprotocol: subprotocol, isOpen: false)
    let open = ChannelControl.open(label: label, subprotocol: subprotocol)
    enqueue(Message(channel: id, payloadProtocol: .control, bytes: open.bytes))
    return id
  }

  /// Sends text on a channel.
  public func send(text: String, on channel: UInt16) throws(DataChannelError) {
    try send(Array(text.utf8), as: text.isEmpty ? .emptyString : .string, on: channel)
  }

  /// Sends bytes on a channel.
  public func send(binary: [UInt8], on channel: UInt16) throws(DataChannelError) {
    try send(binary, as: binary.isEmpty ? .emptyBinary : .binary, on: channel)
  }

  /// Closes a channel; what was sent on it before still arrives.
  public func closeChannel(_ id: UInt16) {
    guard !isClosed, channels.removeValue(forKey: id) != nil else { return }
    CUSRSCTP_reset_stream(socket, id)
  }

  /// Ends the association and tells the peer so (ABORT); `drain` gives out that last packet. The events that wait can
  /// still be taken.
  public func close() {
    guard !isClosed else { return }
    usrsctp_close(socket)
    finalPackets = SCTPStack.takePackets(of: address)
    SCTPStack.release(address)
    isClosed = true
    backlog = []
    partials = [:]
  }

  private var finalPackets: [[UInt8]] = []

  private func takePackets() -> [[UInt8]] {
    guard isClosed else { return SCTPStack.takePackets(of: address) }
    defer { finalPackets = [] }
    return finalPackets
  }

  // MARK: Sending

  private func send(_ bytes: [UInt8], as payloadProtocol: PayloadProtocol, on channel: UInt16) throws(DataChannelError)
  {
    guard !isClosed else { throw .closed }
    guard channels[channel] != nil else { throw .unknownChannel(channel) }
    guard bytes.count <= min(remoteMaximumMessageLength, Self.maximumMessageLength) else {
      throw .messageTooLong(bytes.count)
    }
    guard backlogLength + bytes.count <= Self.maximumBacklog else { throw .backlogFull }
    enqueue(Message(channel: channel, payloadProtocol: payloadProtocol, bytes: bytes.isEmpty ? [0] : bytes))
  }

  private func enqueue(_ message: Message) {
    backlog.append(message)
    backlogLength += message.bytes.count
    flush()
  }

  private func flush() {
    guard isConnected, !isClosed else { return }
    var sent = 0
    for message in backlog {
      let error = CUSRSCTP_send(
        socket, message.channel, message.payloadProtocol.rawValue, message.bytes, message.bytes.count)
      if error == EWOULDBLOCK { break }
      // Any other error is about this message alone (its stream does not exist): it is dropped.
      sent += 1
      backlogLength -= message.bytes.count
    }
    backlog.removeFirst(sent)
  }

  // MARK: Receiving

  /// What usrsctp calls in the middle of other calls; `data` is ours to free.
  private static func collect(
    _ data: UnsafeMutableRawPointer?, _ count: Int, _ info: sctp_rcvinfo, _ flags: Int32, for address: UInt
  ) {
    guard let data else { return }
    SCTPStack.collect(
      SCTPStack.Delivery(
        bytes: Array(UnsafeRawBufferPointer(start: data, count: count)), stream: info.rcv_sid,
        payloadProtocol: UInt32(bigEndian: info.rcv_ppid), isNotification: flags & MSG_NOTIFICATION != 0,
        isEndOfMessage: flags & Int32(MSG_EOR) != 0),
      for: address)
    free(data)
  }

  private func handleDeliveries() {
    guard !isClosed else { return }
    for delivery in SCTPStack.takeDeliveries(of: address) {
      if delivery.isNotification {
        handleNotification(delivery.bytes)
      } else {
        reassemble(delivery)
      }
      if isClosed { return }
    }
  }

  private func handleNotification(_ bytes: [UInt8]) {
    guard bytes.count >= 8 else { return }
    switch Int32(load(bytes, at: 0)) {
    case SCTP_ASSOC_CHANGE:
      guard bytes.count >= 10 else { return }
      switch Int32(load(bytes, at: 8)) {
      case SCTP_COMM_UP:
        guard !isConnected else { return }
        isConnected = true
        emit(.connected)
        flush()
      case SCTP_COMM_LOST, SCTP_SHUTDOWN_COMP, SCTP_CANT_STR_ASSOC, SCTP_RESTART:
        // A peer that restarts has forgotten the channels; WebRTC has no use for that.
        close()
        events.append(.closed)
      default: break
      }
    case SCTP_STREAM_RESET_EVENT:
      guard Int32(load(bytes, at: 2)) & SCTP_STREAM_RESET_INCOMING_SSN != 0 else { return }
      for offset in stride(from: 12, to: bytes.count - 1, by: 2) { handleReset(of: load(bytes, at: offset)) }
    default: break
    }
  }

  private func handleReset(of stream: UInt16) {
    partials[stream] = nil
    guard channels.removeValue(forKey: stream) != nil else { return }
    // Both directions are closed, each by its sender (RFC 8831 §6.7).
    CUSRSCTP_reset_stream(socket, stream)
    emit(.channelClosed(id: stream))
  }

  private func reassemble(_ delivery: SCTPStack.Delivery) {
    let stream = delivery.stream
    if delivery.isEndOfMessage, partials[stream] == nil { return handleMessage(delivery.bytes, delivery) }
    var whole: Partial = partials.removeValue(forKey: stream) ?? []
    let waiting = partials.values.reduce(0) { $0 + ($1?.count ?? 0) }
    if waiting + (whole?.count ?? 0) + delivery.bytes.count > Self.maximumMessageLength {
      whole = nil
    } else {
      whole?.append(contentsOf: delivery.bytes)
    }
    if !delivery.isEndOfMessage {
      partials[stream] = .some(whole)
    } else if let whole {
      handleMessage(whole, delivery)
    } else {
      droppedMessages += 1
    }
  }

  private func handleMessage(_ bytes: [UInt8], _ delivery: SCTPStack.Delivery) {
    guard bytes.count <= Self.maximumMessageLength else {
      droppedMessages += 1
      return
    }
    let channel = delivery.stream
    switch PayloadProtocol(rawValue: delivery.payloadProtocol) {
    case .control: handleControl(bytes, channel)
    case .string: emit(.text(String(decoding: bytes, as: UTF8.self), channel: channel))
    case .emptyString: emit(.text("", channel: channel))
    case .binary: emit(.binary(bytes, channel: channel))
    case .emptyBinary: emit(.binary([], channel: channel))
    case nil: droppedMessages += 1
    }
  }

  private func handleControl(_ bytes: [UInt8], _ id: UInt16) {
    switch ChannelControl(bytes) {
    case .open(let label, let subprotocol):
      // A channel of ours, or one that is open already, cannot be opened by the peer.
      guard channels[id] == nil, id % 2 != nextChannel % 2 else { return }
      channels[id] = Channel(label: label, subprotocol: subprotocol, isOpen: true)
      enqueue(Message(channel: id, payloadProtocol: .control, bytes: ChannelControl.acknowledge.bytes))
      emit(.channelOpened(id: id, label: label, subprotocol: subprotocol))
    case .acknowledge:
      guard let channel = channels[id], !channel.isOpen else { return }
      channels[id]?.isOpen = true
      emit(.channelOpened(id: id, label: channel.label, subprotocol: channel.subprotocol))
    case nil:
      droppedMessages += 1
    }
  }

  private func emit(_ event: Event) {
    guard events.count < Self.maximumWaitingEvents else {
      droppedMessages += 1
      return
    }
    events.append(event)
  }
}

private func milliseconds(_ duration: Duration) -> UInt32 { UInt32(clamping: Int64(duration / .milliseconds(1))) }

/// A 16-bit number of a usrsctp structure, in the order of this machine.
private func load(_ bytes: [UInt8], at offset: Int) -> UInt16 {
  bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
}
