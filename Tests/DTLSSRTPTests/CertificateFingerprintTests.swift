import DTLSSRTP
import Testing

@Suite struct CertificateFingerprintTests {
  private let text = (0..<32).map { ["0A", "B1", "FF", "00"][$0 % 4] }.joined(separator: ":")

  @Test func `a fingerprint is read in either case and written in capitals`() throws {
    let fingerprint = try #require(CertificateFingerprint(sha256: text.lowercased()))
    #expect(fingerprint.description == text)
    #expect(fingerprint == CertificateFingerprint(sha256: text))
  }

  @Test(
    arguments: [
      "", ":", "AA", "AA:BB", "0A:B1:FF", String(repeating: "AA:", count: 32),
      String(repeating: "+A:", count: 31) + "+A",
      String(repeating: "GG:", count: 31) + "GG", String(repeating: "A:", count: 31) + "A",
      String(repeating: "AAA:", count: 31) + "AAA", String(repeating: "-1:", count: 31) + "-1",
      String(repeating: "AA:", count: 31) + "é",
    ]) func `anything else is no fingerprint`(text: String)
  {
    #expect(CertificateFingerprint(sha256: text) == nil)
  }

  @Test func `every identity has a certificate of its own`() throws {
    let (first, second) = (try DTLSIdentity(), try DTLSIdentity())
    #expect(first.fingerprint != second.fingerprint)
    #expect(CertificateFingerprint(sha256: first.fingerprint.description) == first.fingerprint)
  }
}
