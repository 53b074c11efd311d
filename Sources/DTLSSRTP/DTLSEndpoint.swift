internal import COpenSSL

/// One end of a DTLS 1.2 association (RFC 6347, RFC 8827 §6.5) without I/O: datagrams in, datagrams out, a deadline as a value.
///
/// After each call that takes `now`, and after `send` and `close`, do three things: `drain` what is to be sent, look at
/// `state`, and arrange that `handleTimeout` is called at `deadline`.
///
/// Nothing is trusted before the peer's certificate was found to be one of those given to `expect`: until then the state
/// stays `handshaking`, no keys are handed out, and application data that came early waits (the answer of signaling may
/// well arrive after the handshake's end).
///
/// Not thread-safe; it belongs to one loop.
public struct DTLSEndpoint: ~Copyable {
  public enum Role: Sendable {
    /// Sends the first flight (`a=setup:active`).
    case client
    /// Waits for it (`a=setup:passive`).
    case server
  }

  public enum State: Sendable, Equatable {
    case handshaking
    /// The keys are there and the peer is the one that signaling announced.
    case connected
    /// One side has said good-bye (close_notify).
    case closed
    case failed(DTLSError)
  }

  /// The most application data that fits into one record (RFC 6347 §4.1).
  public static let maximumMessageLength = 16384
  /// Application data that nobody has taken: beyond this many messages further ones are dropped.
  static let maximumWaitingMessages = 64
  /// Output that nobody has drained: beyond this many bytes all of it is dropped, as a network might do.
  static let maximumWaitingOutput = 256 * 1024

  public let role: Role
  public private(set) var state = State.handshaking
  /// When `handleTimeout` is to be called; nil when nothing waits.
  public private(set) var deadline: ContinuousClock.Instant?
  /// The certificate that the peer has shown, once the handshake is through; whether it is the right one is for `state` to say.
  public private(set) var remoteFingerprint: CertificateFingerprint?

  private let ssl: OpaquePointer
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer
  private let mtu: Int
  private var expected: [CertificateFingerprint]?
  private var isHandshakeComplete = false
  private var hasGivenKeys = false
  private var messages: [[UInt8]] = []

  /// - Parameters:
  ///   - identity: The certificate that we show. Its fingerprint must be in our SDP.
  ///   - mtu: The largest datagram of a handshake in bytes, without IP and UDP headers; at least 256.
  public init(role: Role, identity: DTLSIdentity, mtu: Int = 1200) throws(DTLSError) {
    ERR_clear_error()
    guard let ssl = SSL_new(identity.context) else { throw .setup(takeOpenSSLErrors()) }
    guard let incoming = COpenSSL_memory_bio(), let outgoing = COpenSSL_memory_bio() else {
      SSL_free(ssl)
      throw .setup(takeOpenSSLErrors())
    }
    self.role = role
    self.mtu = max(256, mtu)
    self.ssl = ssl
    self.incoming = incoming
    self.outgoing = outgoing
    SSL_set_bio(ssl, incoming, outgoing)
    COpenSSL_set_mtu(ssl, self.mtu)
    DTLS_set_timer_cb(ssl) { _, previous in nextRetransmission(afterMicroseconds: previous) }
    switch role {
    case .client: SSL_set_connect_state(ssl)
    case .server: SSL_set_accept_state(ssl)
    }
  }

  deinit { SSL_free(ssl) }

  /// Begins the handshake: a client's first flight. A server does nothing but wait.
  public mutating func start(at now: ContinuousClock.Instant) {
    guard state == .handshaking else { return }
    proceed()
    updateDeadline(at: now)
  }

  /// Names the certificates that the peer may show, from its SDP. Before this call nothing is trusted.
  public mutating func expect(_ fingerprints: [CertificateFingerprint]) {
    expected = fingerprints
    verify()
  }

  /// Takes in what the network brought. Bytes that are no DTLS, or none of this association, are ignored.
  public mutating func receive(_ datagram: Span<UInt8>, at now: ContinuousClock.Instant) {
    // One record at a time: OpenSSL then never keeps the rest of a datagram for the next call.
    var rest = datagram
    while state == .handshaking || state == .connected, let length = lengthOfFirstRecord(in: rest) {
      let record = rest.extracting(..<length)
      COpenSSL_empty(incoming)
      let written = record.withUnsafeBufferPointer { BIO_write(incoming, $0.baseAddress, Int32($0.count)) }
      guard Int(written) == length else { break }
      proceed()
      rest = rest.extracting(length...)
    }
    updateDeadline(at: now)
  }

  /// Sends the last flight again when `deadline` has passed, or gives up.
  public mutating func handleTimeout(at now: ContinuousClock.Instant) {
    guard let deadline, now >= deadline else { return }
    ERR_clear_error()
    // OpenSSL keeps its own time by the wall clock. When that was set back, this does nothing and is asked again.
    if COpenSSL_handle_timeout(ssl) < 0 {
      _ = takeOpenSSLErrors()
      fail(.timedOut)
    }
    updateDeadline(at: now)
  }

  /// Hands every waiting datagram to `send`, in order.
  public mutating func drain(_ send: (Span<UInt8>) -> Void) {
    var start: UnsafeMutablePointer<CChar>?
    let count = COpenSSL_pending(outgoing, &start)
    guard count > 0, let start else { return }
    start.withMemoryRebound(to: UInt8.self, capacity: count) {
      forEachDatagram(of: Span(_unsafeStart: $0, count: count), mtu: mtu, send)
    }
    COpenSSL_empty(outgoing)
  }

  /// Encrypts `data`, at most `maximumMessageLength` bytes, as one record; it leaves with the next `drain`.
  public mutating func send(_ data: Span<UInt8>) throws(DTLSError) {
    guard state == .connected else { throw .notConnected }
    guard !data.isEmpty else { return }
    guard data.count <= Self.maximumMessageLength else { throw .messageTooLong(data.count) }
    ERR_clear_error()
    let sent = data.withUnsafeBufferPointer { SSL_write(ssl, $0.baseAddress, Int32($0.count)) }
    guard Int(sent) == data.count else {
      let error = DTLSError.handshake(takeOpenSSLErrors())
      fail(error)
      throw error
    }
    boundOutput()
  }

  /// The next piece of application data, as it was sent; nil when there is none or the peer is not verified yet.
  public mutating func nextMessage() -> [UInt8]? {
    switch state {
    case .connected, .closed: messages.isEmpty ? nil : messages.removeFirst()
    case .handshaking, .failed: nil
    }
  }

  /// Says good-bye to the peer (close_notify) and ends the association.
  public mutating func close() {
    switch state {
    case .handshaking, .connected:
      ERR_clear_error()
      SSL_shutdown(ssl)
      state = .closed
      deadline = nil
    case .closed, .failed: break
    }
  }

  // MARK: What was negotiated

  /// The cipher suite by IANA's name, as webrtc-stats wants it (`dtlsCipher`); nil until the handshake is through.
  public var cipher: String? {
    guard isHandshakeComplete, let cipher = SSL_get_current_cipher(ssl), let name = SSL_CIPHER_standard_name(cipher)
    else { return nil }
    return String(cString: name)
  }

  /// The SRTP profile that both sides support; nil until the handshake is through.
  public var srtpProfile: SRTPProfile? {
    guard isHandshakeComplete, let profile = SSL_get_selected_srtp_profile(ssl) else { return nil }
    return UInt16(exactly: profile.pointee.id).flatMap(SRTPProfile.init)
  }

  /// Makes the contexts that protect media with the keys of this association (RFC 5764 §4.2).
  ///
  /// Call it once per association: a second session would encrypt other packets with the same keys.
  /// - Throws: `notConnected` before the peer is verified, `noSRTPProfile` when none was agreed upon.
  public mutating func makeSRTPSession() throws(DTLSError) -> SRTPSession {
    guard state == .connected else { throw .notConnected }
    guard let profile = srtpProfile else { throw .noSRTPProfile }
    precondition(!hasGivenKeys, "a second SRTP session would encrypt other packets with the keys of the first")
    hasGivenKeys = true
    ERR_clear_error()
    var material = [UInt8](repeating: 0, count: profile.keyingMaterialLength)
    defer { material.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
    let label = "EXTRACTOR-dtls_srtp"
    guard
      SSL_export_keying_material(ssl, &material, material.count, label, label.utf8.count, nil, 0, 0) == 1
    else { throw .setup(takeOpenSSLErrors()) }
    do {
      return try SRTPSession(profile: profile, keyingMaterial: material.span, isClient: role == .client)
    } catch {
      throw .setup(error.description)
    }
  }

  // MARK: The steps of the handshake

  private mutating func proceed() {
    if !isHandshakeComplete { handshake() }
    if isHandshakeComplete { readRecords() }
    boundOutput()
  }

  private mutating func handshake() {
    ERR_clear_error()
    let result = SSL_do_handshake(ssl)
    guard result == 1 else { return judge(result) }
    isHandshakeComplete = true
    guard let certificate = SSL_get1_peer_certificate(ssl) else {
      return fail(.handshake("the peer shows no certificate"))
    }
    defer { X509_free(certificate) }
    guard let fingerprint = CertificateFingerprint(of: certificate) else { return fail(.setup(takeOpenSSLErrors())) }
    remoteFingerprint = fingerprint
    verify()
  }

  private mutating func verify() {
    guard state == .handshaking, let expected, let shown = remoteFingerprint else { return }
    let isRight = expected.reduce(false) { found, fingerprint in fingerprint.matches(shown) || found }
    if isRight {
      state = .connected
    } else {
      SSL_shutdown(ssl)
      fail(.fingerprintMismatch(shown: shown))
    }
  }

  private mutating func readRecords() {
    while state == .handshaking || state == .connected {
      ERR_clear_error()
      var length = 0
      let result = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.maximumMessageLength) { buffer in
        let result = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &length)
        // An empty record is legal and means nothing.
        if result == 1, length > 0, messages.count < Self.maximumWaitingMessages {
          messages.append(Array(UnsafeMutableBufferPointer(rebasing: buffer[..<length])))
        }
        return result
      }
      if result != 1 { return judge(result) }
    }
  }

  /// What a call that did not succeed means for the association.
  private mutating func judge(_ result: Int32) {
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
      break
    case SSL_ERROR_ZERO_RETURN:
      SSL_shutdown(ssl)
      state = .closed
    case SSL_ERROR_SYSCALL where ERR_peek_error() == 0 && !(isHandshakeComplete && SSL_in_init(ssl) != 0):
      // There are no system calls here: OpenSSL says so when it has thrown a damaged record away. (After the handshake,
      // to be "in init" means that it has given the association up.)
      break
    default:
      fail(.handshake(takeOpenSSLErrors()))
    }
  }

  private mutating func fail(_ error: DTLSError) {
    state = .failed(error)
    messages = []
    deadline = nil
  }

  private mutating func updateDeadline(at now: ContinuousClock.Instant) {
    guard state == .handshaking, !isHandshakeComplete else {
      deadline = nil
      return
    }
    let wait = COpenSSL_timeout_microseconds(ssl)
    deadline = wait < 0 ? nil : now + .microseconds(max(wait, 1000))
  }

  private func boundOutput() {
    if BIO_ctrl_pending(outgoing) > Self.maximumWaitingOutput { COpenSSL_empty(outgoing) }
  }
}

/// How long to wait before a flight is sent again: 50 ms at first, as a call should not wait a second for one lost
/// packet, then twice as long each time, at most 3 s. OpenSSL gives up after twelve times, that is after 21 s.
func nextRetransmission(afterMicroseconds previous: UInt32) -> UInt32 {
  previous == 0 ? 50_000 : min(previous, 1_500_000) * 2
}
