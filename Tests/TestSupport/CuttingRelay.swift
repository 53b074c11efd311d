internal import GLibLoop
internal import Glibc

/// A TCP relay to a port of this machine that cuts its first connections after so many bytes of the answer: a bad network.
public final class CuttingRelay: Sendable {
  private struct State {
    var budgets: [Int]
    var cuts = 0
    var descriptors: Set<Int32> = []
    var isStopped = false
  }

  /// Where it listens, on 127.0.0.1.
  public let port: Int
  private let target: UInt16
  private let listener: Int32
  private let state: Locked<State>

  /// - Parameter budgets: After how many bytes each of the first connections is cut; all later ones stay.
  public init(to target: Int, cuttingAfter budgets: [Int]) throws {
    self.target = UInt16(target)
    state = Locked(State(budgets: budgets.reversed()))
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard listener >= 0, isBound else { throw TestProxyError(description: "the relay has no port: errno \(errno)") }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    pthread_detach(
      inThread { [self] in
        while case let client = accept(listener, nil, nil), client >= 0 {
          pthread_detach(inThread { self.serve(client) })
        }
        close(listener)
      })
  }

  /// How many connections it has cut.
  public var cuts: Int { state.withLock { $0.cuts } }

  /// Ends it and every connection through it.
  public func stop() {
    let descriptors = state.withLock { state in
      state.isStopped = true
      return state.descriptors
    }
    shutdown(listener, Int32(SHUT_RDWR))
    for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  private func serve(_ client: Int32) {
    defer { close(client) }
    let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(server) }
    var address = loopback(target)
    let isConnected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    let (budget, isStopped) = state.withLock { state in
      state.descriptors.formUnion([client, server])
      return (state.budgets.popLast(), state.isStopped)
    }
    defer { state.withLock { [client] in $0.descriptors.subtract([client, server]) } }
    guard isConnected, !isStopped else { return }
    let back = inThread { self.answer(server, client, budget: budget) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(client, &buffer, buffer.count), count > 0 {
      guard send(server, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
    }
    shutdown(server, Int32(SHUT_WR))
    pthread_join(back, nil)
  }

  private func answer(_ server: Int32, _ client: Int32, budget: Int?) {
    var left = budget ?? .max
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while left > 0, case let count = read(server, &buffer, min(buffer.count, left)), count > 0 {
      guard send(client, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
      left -= count
    }
    if left == 0 { state.withLock { $0.cuts += 1 } }
    shutdown(client, Int32(SHUT_RDWR))
    shutdown(server, Int32(SHUT_RDWR))
  }
}

private func loopback(_ port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
  address.sin_port = port.bigEndian
  return address
}
