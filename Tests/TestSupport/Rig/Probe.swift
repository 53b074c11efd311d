internal import Glibc

/// Whether something accepts TCP connections at a port of the rig's server address.
func canConnect(to port: UInt16) -> Bool {
  let socket = open(.tcp, port)
  if socket >= 0 { close(socket) }
  return socket >= 0
}

/// What comes back over TCP within a second, until the other side closes; empty when nothing does.
func answer(from port: UInt16, to request: String) -> String {
  let socket = open(.tcp, port)
  guard socket >= 0 else { return "" }
  defer { close(socket) }
  var bytes = Array(request.utf8)
  send(socket, &bytes, bytes.count, Int32(MSG_NOSIGNAL))
  var reply: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while reply.count < 1 << 16 {
    let count = recv(socket, &buffer, buffer.count, 0)
    guard count > 0 else { break }
    reply += buffer[..<count]
  }
  return String(decoding: reply, as: UTF8.self)
}

/// Whether a STUN Binding request over UDP is answered within 50 ms.
func answersSTUN(port: UInt16) -> Bool {
  let socket = open(.udp, port)
  guard socket >= 0 else { return false }
  defer { close(socket) }
  // RFC 8489 §5: type Binding, no attributes, the magic cookie, any transaction id.
  var request: [UInt8] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42] + [UInt8](repeating: 7, count: 12)
  send(socket, &request, request.count, 0)
  var wait = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
  guard poll(&wait, 1, 50) == 1 else { return false }
  var reply = [UInt8](repeating: 0, count: 512)
  return recv(socket, &reply, reply.count, 0) >= 20 && reply[0] == 1 && reply[1] == 1
}

private enum Transport { case tcp, udp }

/// A socket connected to a port of the rig's server address, with a receive time limit of a second; -1 if refused.
private func open(_ transport: Transport, _ port: UInt16) -> Int32 {
  let type = transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
  let descriptor = socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  inet_pton(AF_INET, Rig.serverAddress, &address.sin_addr)
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard connected == 0 else {
    close(descriptor)
    return -1
  }
  var limit = timeval(tv_sec: 1, tv_usec: 0)
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  return descriptor
}
