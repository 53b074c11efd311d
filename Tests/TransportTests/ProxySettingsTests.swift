import Testing
import Transport

struct ProxySettingsTests {
  @Test func `an empty environment means direct connections`() throws {
    let settings = try ProxySettings(environment: ["PATH": "/bin", "https_proxy": ""])
    #expect(settings == .none)
    #expect(settings.proxy(scheme: "https", host: "example.org", port: 443) == nil)
  }

  @Test func `each scheme has its proxy, all_proxy stands in, and lower case wins`() throws {
    let settings = try ProxySettings(environment: [
      "https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2", "ALL_PROXY": "socks5h://three:3",
    ])
    for scheme in ["https", "wss", "WSS"] {
      #expect(settings.proxy(scheme: scheme, host: "a", port: 443)?.url == "http://one:1")
    }
    #expect(settings.proxy(scheme: "ws", host: "a", port: 80)?.url == "socks5h://three:3")
  }

  @Test(arguments: [
    ("*", "any.org", true), ("example.org", "example.org", true), ("example.org", "talk.example.org", true),
    ("example.org", "badexample.org", false), (".example.org", "talk.example.org", true),
    ("*.example.org", "talk.example.org", true), ("EXAMPLE.org", "Example.ORG", true),
    ("example.org:443", "example.org", true),
    ("example.org:80", "example.org", false), ("[::1]:443", "::1", true), ("::1", "::1", true),
    ("a, b,127.0.0.1", "127.0.0.1", true), ("", "a", false),
  ])
  func `no_proxy names the hosts that are reached directly`(list: String, host: String, isDirect: Bool) throws {
    let settings = try ProxySettings(environment: ["https_proxy": "proxy:1", "no_proxy": list])
    #expect((settings.proxy(scheme: "https", host: host, port: 443) == nil) == isDirect)
  }

  @Test(arguments: [
    ("proxy", "http://proxy:1080"), ("proxy:8080", "http://proxy:8080"), ("https://proxy/", "https://proxy:443"),
    ("SOCKS5://u:p@[fd00::1]:9", "socks5://u:p@[fd00::1]:9"), ("http://u:p@ss@host:1", "http://u:p@ss@host:1"),
  ])
  func `addresses are understood`(text: String, url: String) { #expect(ProxyAddress(text)?.url == url) }

  @Test(arguments: [
    "", "http://", "ftp://proxy", "http://proxy:0", "http://proxy:x", "http://proxy:99999", "[::1", "a b",
  ])
  func `what is no address is refused`(text: String) {
    #expect(ProxyAddress(text) == nil)
  }

  @Test func `a bad variable is named, its content is not`() {
    let error = #expect(throws: TransportError.self) {
      try ProxySettings(environment: ["https_proxy": "ftp://user:secret@host"])
    }
    #expect("\(error!)".contains("https_proxy"))
    #expect(!"\(error!)".contains("secret"))
  }

  @Test func `no description tells the credentials`() {
    let address = ProxyAddress("http://user:secret@proxy:8080")!
    var dumped = ""
    dump(TransportSettings(proxies: ProxySettings(secure: address)), to: &dumped)
    for text in [
      "\(address)", String(reflecting: address), dumped, "\(TransportSettings(proxies: .init(plain: address)))",
    ] {
      #expect(!text.contains("secret") && !text.contains("user:"))
      #expect(text.contains("proxy:8080"))
    }
  }
}

struct HTTPHeadersTests {
  @Test func `names compare without regard to case and keep all their values`() {
    var headers: HTTPHeaders = ["Set-Cookie": "a=1", "Content-Type": "text/html"]
    headers.add("set-cookie", "b=2")
    #expect(headers["SET-COOKIE"] == "a=1")
    #expect(headers.all("Set-Cookie") == ["a=1", "b=2"])
    headers["set-cookie"] = "c=3"
    #expect(headers.all("Set-Cookie") == ["c=3"])
    headers["Content-Type"] = nil
    #expect(headers["content-type"] == nil)
    #expect(headers["Content-Typf"] == nil)
  }
}
