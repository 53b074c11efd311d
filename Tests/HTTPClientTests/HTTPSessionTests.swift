import HTTPClient
import TestSupport
import Testing
import Transport
import WebTransport

@Suite(.timeLimit(.minutes(1))) struct HTTPSessionTests {
  @Test(arguments: ["GET", "POST", "PUT", "DELETE", "PATCH"])
  func `method, path, query, headers and body arrive as they were given`(method: String) async throws {
    let (requests, arrival) = AsyncStream<WebRequest>.makeStream()
    let handler: WebServer.Handler = { request in
      arrival.yield(request)
      return .reply(201, headers: ["X-Answer": "yes"], text: #"{"ocs":{}}"#)
    }
    try await withServer(handler: handler) { port in
      let session = HTTPSession(settings: TransportSettings(userAgent: "talkbridge/0.1"))
      let url = "http://127.0.0.1:\(port)/ocs/v2.php/x?a=1&b=%20"
      let body: [UInt8]? = method == "GET" ? nil : Array(#"{"ü":1}"#.utf8)
      var headers: HTTPHeaders = ["OCS-APIRequest": "true", "X-Bad": "a\r\nX-Injected: b"]
      if body != nil { headers["Content-Type"] = "application/json" }
      let response = try await session.send(HTTPRequest(method, url, headers: headers, body: body))
      #expect(response.status == 201)
      #expect(response.headers["x-answer"] == "yes")
      #expect(response.headers["content-type"] == "application/json; charset=utf-8")
      #expect(String(decoding: response.body, as: UTF8.self) == #"{"ocs":{}}"#)
      #expect(response.url == url)
      var arrived = requests.makeAsyncIterator()
      let request = try #require(await arrived.next())
      #expect(request.method == method)
      #expect(request.path == "/ocs/v2.php/x")
      #expect(request.query == ["a": "1", "b": " "])
      #expect(request.headers["ocs-apirequest"] == "true")
      #expect(request.headers["X-Injected"] == nil)
      #expect(request.headers["User-Agent"] == "talkbridge/0.1")
      #expect(request.headers["Content-Type"] == (body == nil ? nil : "application/json"))
      #expect(request.headers["Expect"] == nil)
      #expect(request.headers["Accept-Encoding"]?.contains("br") == true)
      #expect(request.body == body ?? [])
    }
  }

  @Test func `a POST without content has none`() async throws {
    let handler: WebServer.Handler = { request in
      .reply(request.headers["Content-Length"] == "0" && request.headers["Content-Type"] == nil ? 200 : 400)
    }
    try await withServer(handler: handler) { port in
      let session = HTTPSession()
      let response = try await session.send(HTTPRequest("POST", "http://127.0.0.1:\(port)/", body: []))
      #expect(response.status == 200)
    }
  }

  @Test(arguments: [204, 304, 400, 401, 404, 429, 500, 503])
  func `every status is a reply`(status: Int) async throws {
    let handler: WebServer.Handler = { _ in .reply(status) }
    try await withServer(handler: handler) { port in
      let response = try await HTTPSession().send(HTTPRequest("GET", "http://127.0.0.1:\(port)/"))
      #expect(response.status == status)
      #expect(response.body.isEmpty)
    }
  }

  @Test func `bodies of megabytes arrive whole, both ways`() async throws {
    var random = SeededRandom(seed: 1)
    let body = random.bytes(5_000_000)
    let echo: WebServer.Handler = { request in .reply(body: request.body) }
    try await withServer(maximumBodySize: 8 << 20, handler: echo) { port in
      let response = try await HTTPSession().send(HTTPRequest("POST", "http://127.0.0.1:\(port)/", body: body))
      #expect(response.body == body)
    }
  }

  @Test func `a reply over the limit is refused, whether it was announced or not`() async throws {
    let handler: WebServer.Handler = { _ in .reply(body: [UInt8](repeating: 0, count: 100_001)) }
    try await withServer(handler: handler) { port in
      let session = HTTPSession()
      var request = HTTPRequest("GET", "http://127.0.0.1:\(port)/", maximumReplySize: 100_000)
      await #expect(throws: TransportError.tooLarge(host: "127.0.0.1", limit: 100_000)) {
        try await session.send(request)
      }
      request.maximumReplySize = 100_001
      let response = try await session.send(request)
      #expect(response.body.count == 100_001)
    }
  }

  @Test func `a compressed reply counts by what it unpacks to`() async throws {
    // Ten megabytes of zeros, about ten kilobytes as gzip.
    let gzip = try ChildProcess("sh", ["-c", "head -c 10000000 /dev/zero | gzip"])
    #expect(try await gzip.exit() == .code(0))
    let packed = gzip.outputBytes
    #expect(packed.count < 20_000)
    let handler: WebServer.Handler = { _ in .reply(headers: ["Content-Encoding": "gzip"], body: packed) }
    try await withServer(handler: handler) { port in
      let session = HTTPSession()
      var request = HTTPRequest("GET", "http://127.0.0.1:\(port)/", maximumReplySize: 1_000_000)
      await #expect(throws: TransportError.tooLarge(host: "127.0.0.1", limit: 1_000_000)) {
        try await session.send(request)
      }
      request.maximumReplySize = 10_000_000
      let response = try await session.send(request)
      #expect(response.body == [UInt8](repeating: 0, count: 10_000_000))
    }
  }

  @Test func `a request over the server's limit gets 413`() async throws {
    let handler: WebServer.Handler = { _ in .reply(200) }
    try await withServer(maximumBodySize: 1000, handler: handler) { port in
      let session = HTTPSession()
      for (size, status) in [(1000, 200), (1001, 413), (3_000_000, 413)] {
        let request = HTTPRequest("POST", "http://127.0.0.1:\(port)/", body: [UInt8](repeating: 0, count: size))
        let response = try await session.send(request)
        #expect(response.status == status)
        var chunked = request
        chunked.headers["Transfer-Encoding"] = "chunked"
        let chunkedResponse = try await session.send(chunked)
        #expect(chunkedResponse.status == status)
      }
    }
  }

  @Test func `a hundred requests at once`() async throws {
    let handler: WebServer.Handler = { request in
      try? await Task.sleep(for: .milliseconds(20))
      return .reply(text: request.query["n"] ?? "")
    }
    try await withServer(handler: handler) { port in
      let session = HTTPSession()
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<100 {
          group.addTask {
            let response = try await session.send(HTTPRequest("GET", "http://127.0.0.1:\(port)/?n=\(number)"))
            return response.body == Array("\(number)".utf8)
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test func `Basic credentials are sent, and no description tells them`() async throws {
    let handler: WebServer.Handler = { request in .reply(text: request.headers["Authorization"] ?? "none") }
    try await withServer(handler: handler) { port in
      let credentials = BasicCredentials(user: "alice", password: "wonder:land")
      var request = HTTPRequest("GET", "http://127.0.0.1:\(port)/", credentials: credentials)
      let session = HTTPSession()
      let response = try await session.send(request)
      #expect(String(decoding: response.body, as: UTF8.self) == "Basic YWxpY2U6d29uZGVyOmxhbmQ=")
      request.credentials = nil
      let anonymous = try await session.send(request)
      #expect(anonymous.body == Array("none".utf8))
      var dumped = ""
      dump(credentials, to: &dumped)
      dump(request, to: &dumped)
      for text in ["\(credentials)", "\(request)", dumped, String(reflecting: credentials)] {
        #expect(!text.contains("wonder"))
      }
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct CookieTests {
  private let counting: WebServer.Handler = { request in
    let count = (request.cookies["count"].flatMap { Int($0) } ?? 0) + 1
    var headers: HTTPHeaders = ["Set-Cookie": "count=\(count); Path=/; HttpOnly; SameSite=Lax"]
    headers.add("Set-Cookie", "nc_token=a=b; Path=/index")
    return .reply(request.path == "/fails" ? 403 : 200, headers: headers, text: "\(count)")
  }

  private func count(_ session: HTTPSession, _ port: Int, _ path: String = "/") async throws -> String {
    String(decoding: try await session.send(HTTPRequest("GET", "http://127.0.0.1:\(port)\(path)")).body, as: UTF8.self)
  }

  @Test func `cookies of every reply are kept and sent, each session its own`() async throws {
    try await withServer(handler: counting) { port in
      let (one, two) = (HTTPSession(), HTTPSession())
      let counts = [
        try await count(one, port), try await count(one, port, "/fails"), try await count(one, port),
        try await count(two, port),
      ]
      #expect(counts == ["1", "2", "3", "1"])
    }
  }

  @Test func `cookies can be carried over to another session`() async throws {
    try await withServer(handler: counting) { port in
      let one = HTTPSession()
      _ = try await count(one, port)
      _ = try await count(one, port)
      let cookies = await one.cookies
      #expect(
        cookies.sorted { $0.name < $1.name } == [
          HTTPCookie(domain: "127.0.0.1", isHTTPOnly: true, name: "count", value: "2"),
          HTTPCookie(domain: "127.0.0.1", path: "/index", name: "nc_token", value: "a=b"),
        ])
      #expect(!"\(cookies)".contains("a=b"))
      let two = HTTPSession()
      await two.add(cookies)
      await two.add([HTTPCookie(domain: "127.0.0.1", name: "bad\n", value: "x")])
      #expect(try await count(two, port) == "3")
      #expect(await two.cookies.count == 2)
    }
  }
}
