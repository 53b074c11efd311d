internal import COpenSSL
internal import CSRTP

/// Why a packet was refused. These are counted, not reported: on an open port they are ordinary.
public enum SRTPError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Received already, or too old to tell.
  case replayed
  /// Forged, damaged in transit, or encrypted with other keys.
  case notAuthentic
  /// No RTP or RTCP packet.
  case malformed
  /// The peer sends on more sources (SSRC) than a session keeps state for.
  case tooManySources
  /// The buffer has no room for the trailer behind the packet.
  case noRoom
  /// Anything else, with libsrtp's status.
  case library(Int32)

  public var description: String {
    switch self {
    case .replayed: "SRTP: the packet was received before, or is too old"
    case .notAuthentic: "SRTP: the packet is forged, damaged or encrypted with other keys"
    case .malformed: "SRTP: the packet is no RTP or RTCP packet"
    case .tooManySources: "SRTP: the peer sends on more than \(SRTPSession.maximumSources) sources"
    case .noRoom: "SRTP: \(SRTPSession.trailerRoom) bytes must be free behind the packet"
    case .library(let status): "SRTP: libsrtp reports status \(status)"
    }
  }
}

/// The SRTP and SRTCP contexts of one DTLS association, both directions (RFC 3711, RFC 7714); all sources share the keys.
///
/// Packets are changed in place, nothing is allocated, except when a source is seen for the first time. Not thread-safe:
/// it belongs to the loop that owns the association.
public struct SRTPSession: ~Copyable {
  /// Bytes that must be free behind a packet that is to be protected.
  public static let trailerRoom = Int(SRTP_MAX_TRAILER_LEN) + 4
  /// Sources that a peer may send on before further ones are refused, so that nobody can fill our memory with them.
  public static let maximumSources = 256

  public let profile: SRTPProfile
  private let inbound: srtp_t
  private let outbound: srtp_t
  private var sources: Set<UInt32> = []

  /// - Parameters:
  ///   - keyingMaterial: What DTLS exported: client key, server key, client salt, server salt (RFC 5764 §4.2).
  ///   - isClient: Whether we were the DTLS client.
  init(profile: SRTPProfile, keyingMaterial: borrowing Span<UInt8>, isClient: Bool) throws(SRTPError) {
    guard keyingMaterial.count == profile.keyingMaterialLength else { throw .malformed }
    try check(Self.initialized)
    let client = try makeContext(profile, keyingMaterial, ofClient: true, sends: isClient)
    let server: srtp_t
    do {
      server = try makeContext(profile, keyingMaterial, ofClient: false, sends: !isClient)
    } catch {
      srtp_dealloc(client)
      throw error
    }
    self.profile = profile
    outbound = isClient ? client : server
    inbound = isClient ? server : client
  }

  deinit {
    srtp_dealloc(inbound)
    srtp_dealloc(outbound)
  }

  private static let initialized = srtp_init()

  /// Encrypts the RTP packet in the first `count` bytes of `buffer`; returns its new length.
  ///
  /// `trailerRoom` bytes must be free behind it. A packet may be sent again under its old sequence number only if it is
  /// the same in every bit.
  public mutating func protectRTP(_ buffer: inout MutableSpan<UInt8>, count: Int) throws(SRTPError) -> Int {
    guard count >= 12 else { throw .malformed }
    return try apply(srtp_protect, outbound, &buffer, count, trailer: Self.trailerRoom)
  }

  /// Encrypts the compound RTCP packet in the first `count` bytes of `buffer`; returns its new length.
  ///
  /// `trailerRoom` bytes must be free behind it.
  public mutating func protectRTCP(_ buffer: inout MutableSpan<UInt8>, count: Int) throws(SRTPError) -> Int {
    guard count >= 8 else { throw .malformed }
    return try apply(srtp_protect_rtcp, outbound, &buffer, count, trailer: Self.trailerRoom)
  }

  /// Checks and decrypts the SRTP packet in the first `count` bytes of `buffer`; returns the length of the RTP packet.
  public mutating func unprotectRTP(_ buffer: inout MutableSpan<UInt8>, count: Int) throws(SRTPError) -> Int {
    guard count >= 12 + profile.tagLength, count <= buffer.count else { throw .malformed }
    let source = readBigEndian(buffer, at: 8)
    try admit(source)
    let length = try apply(srtp_unprotect, inbound, &buffer, count, trailer: 0)
    sources.insert(source)
    return length
  }

  /// Checks and decrypts the SRTCP packet in the first `count` bytes of `buffer`; returns the length of the RTCP packet.
  public mutating func unprotectRTCP(_ buffer: inout MutableSpan<UInt8>, count: Int) throws(SRTPError) -> Int {
    guard count >= 8 + 4 + profile.tagLength, count <= buffer.count else { throw .malformed }
    let source = readBigEndian(buffer, at: 4)
    try admit(source)
    let length = try apply(srtp_unprotect_rtcp, inbound, &buffer, count, trailer: 0)
    sources.insert(source)
    return length
  }

  private func admit(_ source: UInt32) throws(SRTPError) {
    guard sources.count < Self.maximumSources || sources.contains(source) else { throw .tooManySources }
  }
}

private typealias Transform = (srtp_t?, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int32>?) -> srtp_err_status_t

private func apply(
  _ transform: Transform, _ context: srtp_t, _ buffer: inout MutableSpan<UInt8>, _ count: Int, trailer: Int
) throws(SRTPError) -> Int {
  guard buffer.count >= count, buffer.count - count >= trailer else { throw .noRoom }
  guard var length = Int32(exactly: count) else { throw .malformed }
  let status = buffer.withUnsafeMutableBytes { transform(context, $0.baseAddress, &length) }
  try check(status)
  return Int(length)
}

private func readBigEndian(_ buffer: borrowing MutableSpan<UInt8>, at offset: Int) -> UInt32 {
  UInt32(buffer[offset]) << 24 | UInt32(buffer[offset + 1]) << 16 | UInt32(buffer[offset + 2]) << 8
    | UInt32(buffer[offset + 3])
}

private func check(_ status: srtp_err_status_t) throws(SRTPError) {
  switch status {
  case srtp_err_status_ok: return
  case srtp_err_status_replay_fail, srtp_err_status_replay_old: throw .replayed
  case srtp_err_status_auth_fail, srtp_err_status_cipher_fail: throw .notAuthentic
  case srtp_err_status_bad_param, srtp_err_status_parse_err: throw .malformed
  default: throw .library(Int32(bitPattern: status.rawValue))
  }
}

private func makeContext(
  _ profile: SRTPProfile, _ material: borrowing Span<UInt8>, ofClient: Bool, sends: Bool
) throws(SRTPError) -> srtp_t {
  var policy = srtp_policy_t()
  try check(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile.library))
  try check(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile.library))
  policy.ssrc.type = sends ? ssrc_any_outbound : ssrc_any_inbound
  policy.window_size = 1024
  policy.allow_repeat_tx = 1

  let (keyLength, saltLength) = (profile.keyLength, profile.saltLength)
  let keyStart = ofClient ? 0 : keyLength
  let saltStart = 2 * keyLength + (ofClient ? 0 : saltLength)
  var context: srtp_t?
  let status = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: keyLength + saltLength) { key in
    for index in 0..<keyLength { key[index] = material[keyStart + index] }
    for index in 0..<saltLength { key[keyLength + index] = material[saltStart + index] }
    policy.key = key.baseAddress
    let status = srtp_create(&context, &policy)
    OPENSSL_cleanse(key.baseAddress, key.count)
    return status
  }
  try check(status)
  guard let context else { throw .library(Int32(bitPattern: srtp_err_status_alloc_fail.rawValue)) }
  return context
}
