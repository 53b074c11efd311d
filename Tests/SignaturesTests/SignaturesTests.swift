import Foundation
import Signatures
import TestSupport
import Testing

@Suite struct SignaturesTests {
  private let random = String(repeating: "0123456789abcdef", count: 4)

  @Test func `the signaling server's checksum is HMAC-SHA256 in hexadecimal`() {
    let checksum = HMAC.sha256(key: "rig-backend-secret".utf8, message: (random + #"{"type":"message"}"#).utf8)
    #expect(checksum.hexadecimal == "bb57c79a61ed8f3bffaa24e02739ead8ce3c7bb5571ce21d15a2ff4cf2ce1020")
    let token = HMAC.sha256(key: "rig-internal-secret".utf8, message: random.utf8)
    #expect(token.hexadecimal == "01a2ff6d62c6df89a30886bf2cf69c46bdb513947c0bcb252d59f2fa2d7d69e1")
  }

  @Test func `a TURN password is HMAC-SHA1 in base64`() {
    let password = HMAC.sha1(key: "rig-turn-secret".utf8, message: "1900000000:rig".utf8)
    #expect(Data(password).base64EncodedString() == "XTT5RX2HZ7UkLnK1LlUxcXeWN3w=")
  }

  @Test func `equal texts are equal, others are not`() {
    #expect(isEqualInConstantTime("abc".utf8, "abc".utf8))
    #expect(!isEqualInConstantTime("abc".utf8, "abd".utf8))
    #expect(!isEqualInConstantTime("abc".utf8, "ab".utf8))
  }

  @Test func `a token is signed so that its public key verifies it`() throws {
    let signer = TokenSigner()
    let token = signer.token(claims: #"{"iat":1}"#.utf8)
    let parts = token.split(separator: ".")
    #expect(parts.count == 3)
    let folder = FileManager.default.temporaryDirectory.appending(path: "talkbridge-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let signature = try #require(Self.decode(String(parts[2])))
    #expect(signature.count == 64)
    try Data(signer.publicKeyPEM.utf8).write(to: folder.appending(path: "key.pem"))
    try Data("\(parts[0]).\(parts[1])".utf8).write(to: folder.appending(path: "signed"))
    try Self.derEncoded(signature).write(to: folder.appending(path: "signature"))
    let openssl = Process()
    openssl.executableURL = URL(filePath: "/usr/bin/openssl")
    openssl.currentDirectoryURL = folder
    openssl.arguments = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "signed"]
    openssl.standardOutput = nil
    try openssl.run()
    openssl.waitUntilExit()
    #expect(openssl.terminationStatus == 0)
  }

  private static func decode(_ text: String) -> [UInt8]? {
    let padded = text.replacing("-", with: "+").replacing("_", with: "/")
    return Data(base64Encoded: padded + String(repeating: "=", count: (4 - padded.count % 4) % 4)).map { [UInt8]($0) }
  }

  /// r and s as an ASN.1 SEQUENCE of two INTEGERs, which is what `openssl dgst` reads.
  private static func derEncoded(_ signature: [UInt8]) -> Data {
    func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
      var value = Array(bytes.drop { $0 == 0 })
      if value.first ?? 0x80 >= 0x80 { value.insert(0, at: 0) }
      return [2, UInt8(value.count)] + value
    }
    let body = integer(signature[..<32]) + integer(signature[32...])
    return Data([0x30, UInt8(body.count)] + body)
  }
}
