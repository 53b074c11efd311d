internal import CCurl
internal import Glibc
internal import Transport

/// One request on its way through libcurl: an easy handle and what came in over it. Lives on the session's loop.
final class Transfer {
  let id: Int
  let easy: UnsafeMutableRawPointer
  let address: WebAddress
  var continuation: CheckedContinuation<Result<HTTPResponse, TransportError>, Never>?

  private let caFile: String?
  private let hasProxy: Bool
  private let maximumReplySize: Int
  private var headerLines: UnsafeMutablePointer<curl_slist>?
  private var headers = HTTPHeaders()
  private var headerBytes = 0
  private var body: [UInt8] = []
  private var isTooLarge = false
  private let errorText: UnsafeMutablePointer<CChar>

  init(
    _ id: Int, _ request: HTTPRequest, to address: WebAddress, settings: TransportSettings,
    sharing cookies: UnsafeMutableRawPointer
  ) {
    self.id = id
    self.address = address
    caFile = settings.caFile
    maximumReplySize = request.maximumReplySize
    easy = curl_easy_init()!
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    let proxy = settings.proxies.proxy(scheme: address.scheme, host: address.host, port: address.port)
    hasProxy = proxy != nil

    set(CURLOPT_URL, address.url)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    set(CURLOPT_USERAGENT, settings.userAgent)
    set(CURLOPT_ACCEPT_ENCODING, "")
    // Always given, so that libcurl does not read the environment in its own way.
    set(CURLOPT_PROXY, proxy?.url ?? "")
    set(CURLOPT_NOPROXY, "")
    if let caFile {
      // The system's authorities stay trusted through the default CAPATH.
      set(CURLOPT_CAINFO, caFile)
    }
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_PIPEWAIT, 1)
    set(CURLOPT_FRESH_CONNECT, request.mayBeRepeated ? 0 : 1)
    // Without it, giving up a name that is still being resolved would wait for the resolver, and the loop with it.
    set(CURLOPT_QUICK_EXIT, 1)
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.wholeMilliseconds)
    set(CURLOPT_TIMEOUT_MS, request.timeout.wholeMilliseconds)
    CCurl_set_size(easy, CURLOPT_MAXFILESIZE_LARGE, maximumReplySize)
    CCurl_set_pointer(easy, CURLOPT_SHARE, cookies)
    set(CURLOPT_COOKIEFILE, "")
    if let credentials = request.credentials {
      set(CURLOPT_HTTPAUTH, CCurl_auth_basic())
      set(CURLOPT_USERNAME, credentials.user)
      set(CURLOPT_PASSWORD, credentials.password)
    }
    setMethod(request)
    setHeaders(request)

    let me = Unmanaged.passUnretained(self).toOpaque()
    CCurl_set_pointer(easy, CURLOPT_PRIVATE, me)
    CCurl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
    CCurl_set_pointer(easy, CURLOPT_WRITEDATA, me)
    CCurl_set_pointer(easy, CURLOPT_HEADERDATA, me)
    CCurl_set_receiver(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, data in
      let transfer = Unmanaged<Transfer>.fromOpaque(data!).takeUnretainedValue()
      return transfer.received(body: UnsafeRawBufferPointer(start: bytes, count: size * count))
    }
    CCurl_set_receiver(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, data in
      let transfer = Unmanaged<Transfer>.fromOpaque(data!).takeUnretainedValue()
      return transfer.received(header: UnsafeRawBufferPointer(start: bytes, count: size * count))
    }
  }

  deinit {
    curl_easy_cleanup(easy)
    curl_slist_free_all(headerLines)
    errorText.deallocate()
  }

  /// The transfer that an easy handle belongs to.
  static func of(_ easy: UnsafeMutableRawPointer) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(CCurl_get_private(easy)!).takeUnretainedValue()
  }

  private func setMethod(_ request: HTTPRequest) {
    switch (request.method, request.body) {
    case ("GET", nil): set(CURLOPT_HTTPGET, 1)
    case ("HEAD", nil): set(CURLOPT_NOBODY, 1)
    case (let method, let body):
      if let body {
        CCurl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, body.count)
        body.withUnsafeBytes { bytes in
          _ = CCurl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        }
      } else if method == "POST" {
        set(CURLOPT_POSTFIELDS, "")
      }
      set(CURLOPT_CUSTOMREQUEST, method)
    }
  }

  private func setHeaders(_ request: HTTPRequest) {
    var headers = request.headers
    // What libcurl would add by itself: a content type that is wrong here, a pause for a `100 Continue`.
    var lines = ["Expect:"]
    if request.body != nil, headers["Content-Type"] == nil { lines.append("Content-Type:") }
    if headers["Accept"] == nil { headers["Accept"] = "*/*" }
    for field in headers.fields {
      let line = field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)"
      // A line break would start another header.
      lines.append(String(decoding: line.utf8.map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self))
    }
    for line in lines { headerLines = curl_slist_append(headerLines, line) }
    CCurl_set_pointer(easy, CURLOPT_HTTPHEADER, headerLines)
  }

  private func set(_ option: CURLoption, _ value: Int) { CCurl_set_long(easy, option, value) }
  private func set(_ option: CURLoption, _ value: String) { CCurl_set_string(easy, option, value) }

  // MARK: What comes in

  private func received(body bytes: UnsafeRawBufferPointer) -> Int {
    guard body.count + bytes.count <= maximumReplySize else {
      isTooLarge = true
      return 0
    }
    body.append(contentsOf: bytes)
    return bytes.count
  }

  private func received(header bytes: UnsafeRawBufferPointer) -> Int {
    headerBytes += bytes.count
    guard headerBytes <= 256 << 10 else {
      isTooLarge = true
      return 0
    }
    let line = String(decoding: bytes, as: UTF8.self)
    if line.hasPrefix("HTTP/") {
      // Another reply begins; the one before was interim (1xx).
      headers = HTTPHeaders()
    } else if let colon = line.firstIndex(of: ":") {
      headers.add(String(line[..<colon]), line[line.index(after: colon)...].trimmed)
    }
    return bytes.count
  }

  // MARK: The end

  /// What the request came to, once libcurl is done with it.
  func outcome(_ code: CURLcode) -> Result<HTTPResponse, TransportError> {
    guard code == CURLE_OK else { return .failure(failure(code)) }
    let status = CCurl_get_long(easy, CURLINFO_RESPONSE_CODE)
    return .success(HTTPResponse(status: status, headers: headers, body: body, url: address.url))
  }

  private func failure(_ code: CURLcode) -> TransportError {
    let host = address.host
    let text = String(cString: curl_easy_strerror(code))
    if isTooLarge { return .tooLarge(host: host, limit: maximumReplySize) }
    let proxyStatus = CCurl_get_long(easy, CURLINFO_HTTP_CONNECTCODE)
    if hasProxy, proxyStatus != 0, !(200..<300).contains(proxyStatus) {
      return .proxy(reason: "it refused the connection with HTTP status \(proxyStatus)")
    }
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST: return .hostNotFound(host: host)
    case CURLE_COULDNT_RESOLVE_PROXY: return .proxy(reason: "its host was not found")
    case CURLE_PROXY: return .proxy(reason: text)
    case CURLE_COULDNT_CONNECT:
      if hasProxy { return .proxy(reason: "it cannot be reached") }
      let number = CCurl_get_long(easy, CURLINFO_OS_ERRNO)
      return .unreachable(host: host, reason: number == 0 ? text : String(cString: strerror(Int32(clamping: number))))
    case CURLE_OPERATION_TIMEDOUT:
      let isConnected = CCurl_get_time(easy, CURLINFO_PRETRANSFER_TIME_T) > 0
      return isConnected ? .timedOut(host: host) : .connectTimedOut(host: host)
    case CURLE_PEER_FAILED_VERIFICATION:
      return .tls(host: host, TLSFailure(verifyResult: CCurl_get_long(easy, CURLINFO_SSL_VERIFYRESULT)))
    case CURLE_SSL_CACERT_BADFILE:
      return .caFile(path: caFile ?? "of the system", reason: "it is not there, or holds no certificate in PEM form")
    case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR,
      CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED:
      let detail = String(cString: errorText)
      return .tls(host: host, .handshake(detail.isEmpty ? text : detail))
    case CURLE_FILESIZE_EXCEEDED: return .tooLarge(host: host, limit: maximumReplySize)
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return .invalidURL(reason: text)
    default: return .lost(host: host, reason: text)
    }
  }
}

extension TLSFailure {
  /// From OpenSSL's result of the verification. Names are compared by libcurl, before it asks for that result; so the
  /// value that it starts with (1) means those.
  fileprivate init(verifyResult: Int) {
    self =
      switch verifyResult {
      case 0, 1, 62, 63, 64: .nameMismatch
      case 10: .expired
      case 9: .notYetValid
      case 23: .revoked
      case 2, 18, 19, 20, 21, 24, 26, 27, 28: .unknownAuthority
      default: .handshake("certificate verification failed with OpenSSL's code \(verifyResult)")
      }
  }
}

extension Duration {
  /// At least one: zero means no limit to libcurl.
  fileprivate var wholeMilliseconds: Int {
    let (seconds, attoseconds) = components
    guard seconds < 1_000_000 else { return 1_000_000_000 }
    return max(1, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
  }
}

extension Substring {
  fileprivate var trimmed: String {
    let isSpace: (Character) -> Bool = { $0.isWhitespace }
    guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
      return ""
    }
    return String(self[first...last])
  }
}
