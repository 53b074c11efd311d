import Glibc
import TestSupport

/// Sockets on 127.0.0.1. By way of `getaddrinfo`, for to Swift `sockaddr_in` is another type where libnice is imported.
enum LoopbackSocket {
  typealias Use = (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32

  /// Makes a socket and binds or connects it.
  static func make(_ type: __socket_type, port: UInt16, _ use: Use) throws -> Int32 {
    var hints = addrinfo()
    hints.ai_family = AF_INET
    hints.ai_socktype = Int32(type.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    getaddrinfo("127.0.0.1", String(port), &hints, &list)
    defer { freeaddrinfo(list) }
    guard let address = list?.pointee else { throw DeadlineExceeded(description: "loopback has no address") }
    let descriptor = socket(address.ai_family, address.ai_socktype, 0)
    guard use(descriptor, address.ai_addr, address.ai_addrlen) == 0 else {
      close(descriptor)
      throw DeadlineExceeded(description: "port \(port): \(String(cString: strerror(errno)))")
    }
    return descriptor
  }
}
