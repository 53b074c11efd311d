internal import CUSRSCTP
internal import GLibLoop

/// usrsctp as a whole: it is process-wide, has one clock, and tells associations apart by an address.
///
/// usrsctp calls back in the middle of our own calls. The callbacks therefore touch nothing but the mailbox of the address
/// in question; its owner looks into it when the call has returned. A callback for an address without a mailbox, that is
/// for an association that is gone, is ignored.
enum SCTPStack {
  /// What usrsctp handed over for one association, in order.
  struct Mailbox {
    var packets: [[UInt8]] = []
    var deliveries: [Delivery] = []
    /// Called after a timer put something in here.
    var wake: @Sendable () -> Void
    var isEmpty: Bool { packets.isEmpty && deliveries.isEmpty }
  }

  /// A message, a part of one, or a notification.
  struct Delivery: Sendable {
    var bytes: [UInt8]
    var stream: UInt16
    var payloadProtocol: UInt32
    var isNotification: Bool
    var isEndOfMessage: Bool
  }

  private struct State {
    var mailboxes: [UInt: Mailbox] = [:]
    var lastAddress: UInt = 0
    // usrsctp never frees all of what it registers for an address; so they are used again.
    var freeAddresses: [UInt] = []
    var lastTick = ContinuousClock.now
    /// Sockets whose owner went away without closing them, with their addresses.
    var abandoned: [(socket: UInt, address: UInt)] = []
  }

  /// usrsctp's own timers are no finer than what is asked of them: its shortest is the delayed acknowledgement.
  private static let tickInterval = Duration.milliseconds(50)
  /// Packets and messages that nobody has taken; what is beyond that is dropped, as a network might do.
  private static let maximumWaiting = 4096

  private static let state = Locked(State())
  private static let timer = LoopTimer(on: .network) { tick() }

  private static let started: Void = {
    usrsctp_init_nothreads(
      0,
      { address, bytes, count, _, _ in
        SCTPStack.collect(packet: UnsafeRawBufferPointer(start: bytes, count: count), for: UInt(bitPattern: address))
        return 0
      }, nil)
    // Over DTLS there are no other addresses to tell, no congestion marks, and no strangers to answer (RFC 8261 §6).
    usrsctp_sysctl_set_sctp_asconf_enable(0)
    usrsctp_sysctl_set_sctp_auto_asconf(0)
    usrsctp_sysctl_set_sctp_ecn_enable(0)
    usrsctp_sysctl_set_sctp_auth_enable(0)
    usrsctp_sysctl_set_sctp_blackhole(2)
    // When a peer counts as gone is for each association to say, not for a count of one chunk's transmissions.
    usrsctp_sysctl_set_sctp_max_retran_chunk(65535)
    // Milliseconds; the default of 200 is as long as the first retransmission waits.
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(20)
  }()

  // MARK: Associations

  /// Reserves an address for a new association.
  static func open(wake: @escaping @Sendable () -> Void) -> UInt {
    started
    let (address, isNew, isFirst) = state.withLock { state in
      let isFirst = state.mailboxes.isEmpty
      if isFirst { state.lastTick = .now }
      let reused = state.freeAddresses.popLast()
      if reused == nil { state.lastAddress += 1 }
      let address = reused ?? state.lastAddress
      state.mailboxes[address] = Mailbox(wake: wake)
      return (address, reused == nil, isFirst)
    }
    if isNew { usrsctp_register_address(UnsafeMutableRawPointer(bitPattern: address)) }
    if isFirst { timer.schedule(at: .now + tickInterval) }
    return address
  }

  /// Gives the address back. Its socket must be closed already.
  static func release(_ address: UInt) {
    state.withLock { state in
      guard state.mailboxes.removeValue(forKey: address) != nil else { return }
      state.freeAddresses.append(address)
    }
  }

  /// Has the loop close a socket whose owner is being deallocated, on whatever thread.
  static func abandon(socket: UInt, address: UInt) {
    state.withLock { $0.abandoned.append((socket, address)) }
    timer.wake()
  }

  // Asked again and again, also between packets of sound: to look into a mailbox costs no memory, to change it does.

  static func takePackets(of address: UInt) -> [[UInt8]] {
    state.withLock { state in
      guard let packets = state.mailboxes[address]?.packets, !packets.isEmpty else { return [] }
      state.mailboxes[address]?.packets = []
      return packets
    }
  }

  static func takeDeliveries(of address: UInt) -> [Delivery] {
    state.withLock { state in
      guard let deliveries = state.mailboxes[address]?.deliveries, !deliveries.isEmpty else { return [] }
      state.mailboxes[address]?.deliveries = []
      return deliveries
    }
  }

  // MARK: Callbacks of usrsctp

  private static func collect(packet: UnsafeRawBufferPointer, for address: UInt) {
    let bytes = Array(packet)
    state.withLock { state in
      guard let count = state.mailboxes[address]?.packets.count, count < maximumWaiting else { return }
      state.mailboxes[address]?.packets.append(bytes)
    }
  }

  static func collect(_ delivery: Delivery, for address: UInt) {
    state.withLock { state in
      guard let count = state.mailboxes[address]?.deliveries.count, count < maximumWaiting else { return }
      state.mailboxes[address]?.deliveries.append(delivery)
    }
  }

  // MARK: Time

  /// Lets the time that has passed count for all associations, and wakes the owners of those that have something to say.
  static func tick() {
    let now = ContinuousClock.now
    let (milliseconds, abandoned) = state.withLock { state in
      let milliseconds = Int64((now - state.lastTick) / .milliseconds(1))
      // What is left of a millisecond counts next time.
      state.lastTick += .milliseconds(milliseconds)
      let abandoned = state.abandoned
      state.abandoned = []
      return (milliseconds, abandoned)
    }
    for (socket, address) in abandoned {
      usrsctp_close(OpaquePointer(bitPattern: socket))
      release(address)
    }
    usrsctp_handle_timers(UInt32(clamping: milliseconds))
    let (owners, isIdle) = state.withLock { state in
      (state.mailboxes.values.filter { !$0.isEmpty }.map(\.wake), state.mailboxes.isEmpty)
    }
    if !isIdle { timer.schedule(at: now + tickInterval) }
    for wake in owners { wake() }
  }
}
