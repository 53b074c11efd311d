import GLibLoop
import Glibc

/// An HTTP proxy for tests that understands CONNECT and nothing else, and notes whom it was asked for.
public final class TestProxy: Sendable {
  private struct State {
    var asked: [String] = []
    var descriptors: [Int32] = []
    var isStopped = false
  }

  public let port: Int
  private let listener: Int32
  private let credentials: String?
  private let state = Locked(State())

  /// - Parameter credentials: What `Proxy-Authorization` must hold, as `Basic …`; without it, the proxy answers 407.
  public init(credentials: String? = nil) throws {
    self.credentials = credentials
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard listener >= 0, isBound else { throw TestProxyError(description: "the proxy has no port: errno \(errno)") }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    let accepting = inThread { [self] in
      while case let client = accept(listener, nil, nil), client >= 0 {
        pthread_detach(inThread { self.serve(client) })
      }
      close(listener)
    }
    pthread_detach(accepting)
  }

  /// The targets of the CONNECT requests so far, as `host:port`.
  public var asked: [String] { state.withLock { $0.asked } }

  /// Ends it and every connection through it.
  public func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    let descriptors = state.withLock { state in
      state.isStopped = true
      return state.descriptors
    }
    for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  private func serve(_ client: Int32) {
    defer { close(client) }
    var head: [UInt8] = []
    while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
      var byte: UInt8 = 0
      guard head.count < 8192, read(client, &byte, 1) == 1 else { return }
      head.append(byte)
    }
    let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
    let words = lines[0].split(separator: " ")
    guard words.count == 3, words[0] == "CONNECT" else { return answer(client, "405 Method Not Allowed") }
    state.withLock { [target = String(words[1])] in $0.asked.append(target) }
    if let credentials,
      !lines.contains(where: { $0.lowercased() == "proxy-authorization: \(credentials.lowercased())" })
    {
      return answer(client, "407 Proxy Authentication Required")
    }
    guard let colon = words[1].lastIndex(of: ":"), let server = connected(to: words[1][words[1].index(after: colon)...])
    else { return answer(client, "502 Bad Gateway") }
    defer { close(server) }
    let isStopped = state.withLock { state in
      state.descriptors += [client, server]
      return state.isStopped
    }
    defer { state.withLock { [client] in $0.descriptors.removeAll { $0 == client || $0 == server } } }
    guard !isStopped else { return }
    answer(client, "200 Connection established")
    let back = inThread { self.copy(server, client) }
    copy(client, server)
    pthread_join(back, nil)
  }

  private func answer(_ client: Int32, _ status: String) {
    let fields =
      status.hasPrefix("2")
      ? "" : "Proxy-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\nConnection: close\r\n"
    _ = Array("HTTP/1.1 \(status)\r\n\(fields)\r\n".utf8).withUnsafeBytes { write(client, $0.baseAddress, $0.count) }
  }

  /// Every target is taken for this machine.
  private func connected(to port: Substring) -> Int32? {
    guard let number = UInt16(port) else { return nil }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    address.sin_port = number.bigEndian
    let isConnected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if isConnected { return descriptor }
    close(descriptor)
    return nil
  }

  private func copy(_ source: Int32, _ target: Int32) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(source, &buffer, buffer.count), count > 0 {
      guard send(target, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
    }
    shutdown(target, Int32(SHUT_WR))
    shutdown(source, Int32(SHUT_RD))
  }
}

public struct TestProxyError: Error, CustomStringConvertible {
  public let description: String
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// The thread is to be joined or detached.
func inThread(_ run: @escaping @Sendable () -> Void) -> pthread_t {
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    {
      Unmanaged<ThreadBody>.fromOpaque($0!).takeRetainedValue().run()
      return nil
    }, Unmanaged.passRetained(ThreadBody(run)).toOpaque())
  return thread
}
