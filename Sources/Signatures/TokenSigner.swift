internal import CCrypto
import FoundationEssentials

/// Signs JSON Web Tokens with ES256 (RFC 7515, RFC 7518 §3.4) by a P-256 key of its own.
public final class TokenSigner: Sendable {
  // An EVP_PKEY is reference-counted and, once made, only read; OpenSSL allows signing with it from several threads.
  private nonisolated(unsafe) let key: OpaquePointer

  public init() {
    guard let key = CCrypto_new_p256_key() else { preconditionFailure("libcrypto has no P-256") }
    self.key = key
  }

  deinit { EVP_PKEY_free(key) }

  /// The public key, PEM (SubjectPublicKeyInfo).
  public var publicKeyPEM: String {
    let bio = BIO_new(BIO_s_mem())
    defer { BIO_free(bio) }
    PEM_write_bio_PUBKEY(bio, key)
    var bytes: UnsafeMutablePointer<CChar>?
    let count = CCrypto_bio_bytes(bio, &bytes)
    return String(decoding: UnsafeRawBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
  }

  /// A token with these claims.
  /// - Parameter claims: A JSON object, as UTF-8.
  public func token(claims: some Collection<UInt8>) -> String {
    let signed = Self.base64URL(Array(#"{"typ":"JWT","alg":"ES256"}"#.utf8)) + "." + Self.base64URL(Array(claims))
    return signed + "." + Self.base64URL(signature(over: Array(signed.utf8)))
  }

  /// r and s, 32 bytes each.
  private func signature(over message: [UInt8]) -> [UInt8] {
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    var length = 0
    guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
      EVP_DigestSign(context, nil, &length, message, message.count) == 1
    else { preconditionFailure("ES256 signing over memory cannot fail") }
    var encoded = [UInt8](repeating: 0, count: length)
    guard EVP_DigestSign(context, &encoded, &length, message, message.count) == 1 else {
      preconditionFailure("ES256 signing over memory cannot fail")
    }
    var start: UnsafePointer<UInt8>?
    return encoded.withUnsafeBufferPointer { bytes in
      start = bytes.baseAddress
      let parsed = d2i_ECDSA_SIG(nil, &start, length)
      defer { ECDSA_SIG_free(parsed) }
      var fixed = [UInt8](repeating: 0, count: 64)
      fixed.withUnsafeMutableBufferPointer { fixed in
        _ = BN_bn2binpad(ECDSA_SIG_get0_r(parsed), fixed.baseAddress, 32)
        _ = BN_bn2binpad(ECDSA_SIG_get0_s(parsed), fixed.baseAddress! + 32, 32)
      }
      return fixed
    }
  }

  /// Base64 with the URL alphabet and no padding (RFC 4648 §5).
  static func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}
