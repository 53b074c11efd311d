import HTTPClient
import Testing

@Suite struct HTTPDateTests {
  @Test(arguments: [
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
  ])
  func `a time is read in each of the forms that HTTP knows`(text: String) {
    #expect(HTTPDate.seconds(text) == 784_111_777)
  }

  @Test(arguments: ["", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT"])
  func `what is no time is none`(text: String) {
    #expect(HTTPDate.seconds(text) == nil)
  }
}
