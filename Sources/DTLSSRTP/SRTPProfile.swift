internal import CSRTP

/// How RTP and RTCP are encrypted and authenticated; the number is the one DTLS negotiates (RFC 5764 §4.1.2,
/// RFC 7714 §14.2).
public enum SRTPProfile: UInt16, Sendable, CaseIterable, CustomStringConvertible {
  /// AES-128 in counter mode with an HMAC-SHA1 tag of 80 bits.
  case aes128CounterMode = 1
  case aeadAES128GCM = 7
  case aeadAES256GCM = 8

  /// The profiles that this libsrtp can do, in our order of preference: GCM costs a third of the older profile.
  public static let supported: [SRTPProfile] = [.aeadAES128GCM, .aeadAES256GCM, .aes128CounterMode].filter {
    var policy = srtp_crypto_policy_t()
    return srtp_crypto_policy_set_from_profile_for_rtp(&policy, $0.library) == srtp_err_status_ok
  }

  /// The name in IANA's registry, as webrtc-stats wants it (`srtpCipher`).
  public var description: String {
    switch self {
    case .aes128CounterMode: "SRTP_AES128_CM_HMAC_SHA1_80"
    case .aeadAES128GCM: "SRTP_AEAD_AES_128_GCM"
    case .aeadAES256GCM: "SRTP_AEAD_AES_256_GCM"
    }
  }

  var openSSLName: String {
    switch self {
    case .aes128CounterMode: "SRTP_AES128_CM_SHA1_80"
    case .aeadAES128GCM, .aeadAES256GCM: description
    }
  }

  var library: srtp_profile_t { srtp_profile_t(rawValue: UInt32(rawValue)) }
  var keyLength: Int { Int(srtp_profile_get_master_key_length(library)) }
  var saltLength: Int { Int(srtp_profile_get_master_salt_length(library)) }
  /// Bytes of the authentication tag behind each packet.
  var tagLength: Int { self == .aes128CounterMode ? 10 : 16 }
  /// Bytes of keying material that DTLS exports for both directions.
  var keyingMaterialLength: Int { 2 * (keyLength + saltLength) }
}
