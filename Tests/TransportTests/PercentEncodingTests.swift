import Testing
import Transport

@Suite struct PercentEncodingTests {
  @Test(arguments: [
    ("", ""), ("abc-._~XYZ019", "abc-._~XYZ019"), ("a b&c=d%", "a%20b%26c%3Dd%25"), ("\n", "%0A"),
    ("å日", "%C3%A5%E6%97%A5"),
  ])
  func `all but the unreserved characters are written as triples, and read back`(text: String, encoded: String) {
    #expect(text.percentEncoded == encoded)
    #expect(encoded.percentDecoded == text)
  }

  @Test func `what is no triple stays as it is`() {
    #expect("100 % %zz %4".percentDecoded == "100 % %zz %4")
  }
}
