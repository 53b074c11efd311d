internal import CNice
internal import GLibLoop

/// The addresses of a host, through the system's resolver; an IP address is its own answer.
///
/// libnice can look names up itself, but then a STUN name that does not resolve keeps its gathering from ending, and
/// nobody learns which name it was.
struct NameLookup: Sendable {
  /// Prefers the family this machine can use; nil when the name has no such address or `limit` has passed.
  static func address(
    of host: String, wantsIPv4: Bool, within limit: Duration, on loop: GLibExecutor,
    isolation: isolated (any Actor)? = #isolation
  ) async -> String? {
    if isAddress(host) { return host }
    let cancellable = GObjectReference(owning: g_cancellable_new())
    let timer = LoopTimer(on: loop) { g_cancellable_cancel(cancellable.cast()) }
    timer.schedule(at: .now + limit)
    defer { timer.invalidate() }

    let resolver = GObjectReference(owning: g_resolver_get_default())
    let result = await withTaskCancellationHandler {
      // Named, because a closure is on the actor only if it captures it.
      await finished(isolation: isolation) {
        g_resolver_lookup_by_name_async(resolver.cast(), host, cancellable.cast(), $0, $1)
      }
    } onCancel: {
      g_cancellable_cancel(cancellable.cast())
    }
    guard let list = g_resolver_lookup_by_name_finish(resolver.cast(), OpaquePointer(result.pointer), nil) else {
      return nil
    }
    defer { g_resolver_free_addresses(list) }
    let wanted = wantsIPv4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6
    var entry: UnsafeMutablePointer<GList>? = list
    while let current = entry {
      let address = current.pointee.data.assumingMemoryBound(to: GInetAddress.self)
      if g_inet_address_get_family(address) == wanted, let text = g_inet_address_to_string(address) {
        defer { g_free(text) }
        return String(cString: text)
      }
      entry = current.pointee.next
    }
    return nil
  }

  static func isAddress(_ text: String) -> Bool { g_hostname_is_ip_address(text) != 0 }

  /// Whether this machine, or the part of it that may be used, has an IPv4 address besides loopback's.
  static func usesIPv4(_ localAddresses: [String]) -> Bool {
    if !localAddresses.isEmpty { return localAddresses.contains { !$0.contains(":") } }
    let list = nice_interfaces_get_local_ips(0)
    defer { g_list_free_full(list, g_free) }
    var entry = list
    while let current = entry {
      let text = String(cString: current.pointee.data.assumingMemoryBound(to: CChar.self))
      if !text.contains(":") { return true }
      entry = current.pointee.next
    }
    return false
  }
}
