internal import COpenSSL

/// The SHA-256 hash of a certificate, by which a peer is recognised: the value of `a=fingerprint:sha-256 …` in SDP
/// (RFC 8122 §5).
public struct CertificateFingerprint: Sendable, Hashable, CustomStringConvertible {
  static let byteCount = 32
  let bytes: [UInt8]

  /// Reads 32 pairs of hexadecimal digits, in either case, separated by colons; nil when `text` is anything else.
  public init?(sha256 text: some StringProtocol) {
    let pairs = text.split(separator: ":", omittingEmptySubsequences: false)
    guard pairs.count == Self.byteCount else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    for pair in pairs {
      guard pair.utf8.count == 2, pair.first != "+", let byte = UInt8(pair, radix: 16) else { return nil }
      bytes.append(byte)
    }
    self.bytes = bytes
  }

  /// The hash of a certificate; nil when OpenSSL has no memory left.
  init?(of certificate: OpaquePointer) {
    var digest = [UInt8](repeating: 0, count: Self.byteCount)
    var length = UInt32(Self.byteCount)
    guard X509_digest(certificate, EVP_sha256(), &digest, &length) == 1, length == Self.byteCount else { return nil }
    bytes = digest
  }

  /// Compares in a time that does not depend on the bytes.
  func matches(_ other: CertificateFingerprint) -> Bool {
    CRYPTO_memcmp(bytes, other.bytes, Self.byteCount) == 0
  }

  /// `AA:BB:…`, as SDP wants it.
  public var description: String {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(3 * bytes.count)
    for byte in bytes {
      if !text.isEmpty { text.append(UInt8(ascii: ":")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
