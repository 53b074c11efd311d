internal import CCrypto

/// Keyed hashes (RFC 2104), as Nextcloud, the signaling server and TURN servers check them.
public enum HMAC {
  /// HMAC-SHA256, 32 bytes.
  public static func sha256(key: some Collection<UInt8>, message: some Collection<UInt8>) -> [UInt8] {
    compute(EVP_sha256(), key: Array(key), message: Array(message))
  }

  /// HMAC-SHA1, 20 bytes: what TURN's long-lived shared secrets ask for.
  public static func sha1(key: some Collection<UInt8>, message: some Collection<UInt8>) -> [UInt8] {
    compute(EVP_sha1(), key: Array(key), message: Array(message))
  }

  private static func compute(_ hash: OpaquePointer?, key: [UInt8], message: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    let result = CCrypto.HMAC(hash, key, Int32(key.count), message, message.count, &digest, &length)
    precondition(result != nil, "HMAC over memory cannot fail")
    return Array(digest.prefix(Int(length)))
  }
}

extension Collection<UInt8> {
  /// Lower-case hexadecimal digits.
  public var hexadecimal: String {
    reduce(into: "") { text, byte in
      text.append(Character(Unicode.Scalar(byte >> 4 < 10 ? 48 + byte >> 4 : 87 + byte >> 4)))
      text.append(Character(Unicode.Scalar(byte & 15 < 10 ? 48 + byte & 15 : 87 + byte & 15)))
    }
  }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
public func isEqualInConstantTime(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
}
