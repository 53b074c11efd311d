internal import CCurl
public import GLibLoop
public import Transport

/// An HTTP client with one cookie jar, over libcurl, on a GLib loop.
///
/// HTTP/2 where the server speaks it; gzip, brotli and zstd are undone. TLS is always verified. Cookies of every reply are
/// kept, in memory. Only redirects that stay with the host that was asked are followed: to the same origin, or from
/// `http` to `https` on the same host; every other 3xx reply is handed back as it is.
public actor HTTPSession {
  private nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// The transfers whose tasks were cancelled, on whatever thread, until the loop gets to them.
  private struct Cancellations {
    var ids: [Int] = []
    var wakeup: LoopTimer?
  }

  private let settings: TransportSettings
  private let multi: UnsafeMutableRawPointer
  /// The cookie jar, and a handle through which it is read.
  private let jar: UnsafeMutableRawPointer
  private let jarHandle: UnsafeMutableRawPointer
  private var hook: SessionHook?
  private var watches: [Int32: DescriptorWatch] = [:]
  private var timer: LoopTimer?
  private var transfers: [Int: Transfer] = [:]
  private var nextID = 0
  /// Gives the handles back on the loop. A transfer keeps the session, so that none is left by then.
  private let handlesCleanup: LoopCleanup
  private nonisolated let cancellations = Locked(Cancellations())
  private var isClosed = false

  private static let maximumRedirects = 5
  /// Once a process, and thread-safe as the initialisation of every global.
  private static let isReady = CCurl_global_init() == CURLE_OK

  public init(settings: TransportSettings = TransportSettings(), on loop: GLibExecutor = .network) {
    precondition(Self.isReady, "libcurl cannot be initialised")
    self.loop = loop
    self.settings = settings
    multi = curl_multi_init()!
    jar = curl_share_init()!
    CCurl_share_cookies(jar)
    jarHandle = curl_easy_init()!
    CCurl_set_pointer(jarHandle, CURLOPT_SHARE, jar)
    CCurl_set_string(jarHandle, CURLOPT_COOKIEFILE, "")
    nonisolated(unsafe) let handles = (multi: multi, jarHandle: jarHandle, jar: jar)  // used on the loop's thread
    handlesCleanup = LoopCleanup(on: loop) {
      CCurl_multi_set_callbacks(handles.multi, nil, nil, nil)
      curl_multi_cleanup(handles.multi)
      curl_easy_cleanup(handles.jarHandle)
      curl_share_cleanup(handles.jar)
    }
  }

  // MARK: Requests

  /// Sends a request and waits for the whole reply. Any status is a reply.
  /// - Throws: `TransportError`; `.cancelled` when the task is cancelled meanwhile, which also ends the transfer.
  public func send(_ request: HTTPRequest) async throws(TransportError) -> HTTPResponse {
    var request = request
    var address = try WebAddress(request.url)
    for _ in 0..<Self.maximumRedirects {
      let response = try await observed(request, address)
      guard let target = try redirect(response, from: address), address.mayRedirect(to: target) else { return response }
      if response.status == 303 || ([301, 302].contains(response.status) && request.method == "POST") {
        if request.method != "HEAD" { request.method = "GET" }
        request.body = nil
        request.headers["Content-Type"] = nil
      }
      address = target
    }
    throw .lost(host: address.host, reason: "it redirects in a circle")
  }

  private func redirect(_ response: HTTPResponse, from address: WebAddress) throws(TransportError) -> WebAddress? {
    guard [301, 302, 303, 307, 308].contains(response.status), let location = response.headers["Location"] else {
      return nil
    }
    // One that cannot be followed is the caller's to judge, like any other reply.
    return try? WebAddress(location, relativeTo: address)
  }

  /// As `perform`, and tells the observer.
  private func observed(_ request: HTTPRequest, _ address: WebAddress) async throws(TransportError) -> HTTPResponse {
    guard let observer = settings.observer else { return try await perform(request, address) }
    var headers = request.headers
    if let credentials = request.credentials { headers["Authorization"] = credentials.header }
    observer(
      .request(
        method: request.method, url: address.url, headers: headers,
        cookies: cookies.filter { $0.isFor(address) }.map { ($0.name, $0.value) }, body: request.body))
    do throws(TransportError) {
      let response = try await perform(request, address)
      observer(.reply(url: response.url, status: response.status, headers: response.headers, body: response.body))
      return response
    } catch {
      observer(.requestFailed(url: address.url, reason: error.description))
      throw error
    }
  }

  private func perform(_ request: HTTPRequest, _ address: WebAddress) async throws(TransportError) -> HTTPResponse {
    guard !isClosed, !Task.isCancelled else { throw .cancelled }
    start()
    let id = nextID
    nextID += 1
    let transfer = Transfer(id, request, to: address, settings: settings, sharing: jar)
    transfers[id] = transfer
    return try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        transfer.continuation = continuation
        curl_multi_add_handle(multi, transfer.easy)
      }
    } onCancel: {
      let wakeup = cancellations.withLock { cancellations in
        cancellations.ids.append(id)
        return cancellations.wakeup
      }
      wakeup?.wake()
    }.get()
  }

  /// Ends what is under way; every later request fails as `.cancelled`.
  public func close() {
    isClosed = true
    for transfer in transfers.values { finish(transfer, .failure(.cancelled)) }
  }

  // MARK: Cookies

  /// The cookies of the jar.
  public var cookies: [HTTPCookie] {
    let list = CCurl_get_cookies(jarHandle)
    defer { curl_slist_free_all(list) }
    var cookies: [HTTPCookie] = []
    var entry = list
    while let line = entry?.pointee {
      if let cookie = HTTPCookie(netscapeLine: String(cString: line.data)) { cookies.append(cookie) }
      entry = line.next
    }
    return cookies
  }

  /// Puts cookies into the jar, over those of the same name, domain and path.
  public func add(_ cookies: [HTTPCookie]) {
    for line in cookies.compactMap(\.netscapeLine) { CCurl_set_string(jarHandle, CURLOPT_COOKIELIST, line) }
  }
}

// MARK: - Driving libcurl

extension HTTPSession {
  /// Once, on the loop: the callbacks need what an initialiser cannot give.
  private func start() {
    guard hook == nil else { return }
    let hook = SessionHook(self)
    self.hook = hook
    timer = LoopTimer(on: loop, in: self) { $0.drive(CURL_SOCKET_TIMEOUT, 0) }
    let wakeup = LoopTimer(on: loop, in: self) { $0.carryOutCancellations() }
    cancellations.withLock { $0.wakeup = wakeup }
    CCurl_multi_set_callbacks(
      multi,
      { _, descriptor, what, data, _ in
        SessionHook.session(data)?.assumeIsolated { $0.watch(descriptor, what) }
        return 0
      },
      { _, milliseconds, data in
        SessionHook.session(data)?.assumeIsolated { $0.setTimer(milliseconds) }
        return 0
      }, Unmanaged.passUnretained(hook).toOpaque())
  }

  /// libcurl says which of its sockets to watch, and for what; from inside a call of ours.
  private func watch(_ descriptor: Int32, _ what: Int32) {
    watches.removeValue(forKey: descriptor)?.invalidate()
    let interest: DescriptorWatch.Interest
    switch what {
    case CURL_POLL_IN: interest = .read
    case CURL_POLL_OUT: interest = .write
    case CURL_POLL_INOUT: interest = [.read, .write]
    default: return
    }
    watches[descriptor] = DescriptorWatch(descriptor, interest, on: loop) { [weak self] possible in
      var events: Int32 = 0
      if possible.contains(.read) { events |= CURL_CSELECT_IN }
      if possible.contains(.write) { events |= CURL_CSELECT_OUT }
      self?.assumeIsolated { $0.drive(descriptor, events) }
    }
  }

  private func setTimer(_ milliseconds: Int) {
    if milliseconds < 0 { timer?.cancel() } else { timer?.schedule(at: .now + .milliseconds(milliseconds)) }
  }

  private func drive(_ descriptor: Int32, _ events: Int32) {
    var running: Int32 = 0
    curl_multi_socket_action(multi, descriptor, events, &running)
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left)?.pointee {
      guard message.msg == CURLMSG_DONE, let easy = message.easy_handle else { continue }
      let transfer = Transfer.of(easy)
      finish(transfer, transfer.outcome(message.data.result))
    }
  }

  private func carryOutCancellations() {
    let ids = cancellations.withLock { cancellations in
      let ids = cancellations.ids
      cancellations.ids = []
      return ids
    }
    for transfer in ids.compactMap({ transfers[$0] }) { finish(transfer, .failure(.cancelled)) }
  }

  private func finish(_ transfer: Transfer, _ outcome: Result<HTTPResponse, TransportError>) {
    transfers[transfer.id] = nil
    curl_multi_remove_handle(multi, transfer.easy)
    transfer.continuation?.resume(returning: outcome)
    transfer.continuation = nil
  }
}

/// What libcurl's callbacks carry: the way back to the session, which outlives its handles.
private final class SessionHook: Sendable {
  private weak let session: HTTPSession?

  init(_ session: HTTPSession) { self.session = session }

  static func session(_ data: UnsafeMutableRawPointer?) -> HTTPSession? {
    Unmanaged<SessionHook>.fromOpaque(data!).takeUnretainedValue().session
  }
}
