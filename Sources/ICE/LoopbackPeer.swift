internal import Glibc

/// Tells whose socket is at the other end of a connection on loopback.
enum LoopbackPeer {
  /// Whether one of this process's own descriptors is the other end of the connected TCP socket `descriptor`.
  static func isInThisProcess(_ descriptor: Int32) -> Bool {
    guard let own = SocketName(descriptor, getsockname), let peer = SocketName(descriptor, getpeername),
      let folder = opendir("/proc/self/fd")
    else { return false }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let candidate = Int32(name), candidate != descriptor else { continue }
      if SocketName(candidate, getsockname) == peer, SocketName(candidate, getpeername) == own { return true }
    }
    return false
  }
}

private struct SocketName: Equatable {
  let bytes: [UInt8]

  init?(
    _ descriptor: Int32,
    _ read: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
  ) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { read(descriptor, $0, &length) }
    }
    guard status == 0, Int32(storage.ss_family) == AF_INET || Int32(storage.ss_family) == AF_INET6 else { return nil }
    bytes = withUnsafeBytes(of: &storage) { Array($0.prefix(Int(length))) }
  }
}
