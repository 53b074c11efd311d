/// The address of a STUN or TURN server as signaling gives it: `stun:host`, `turn:host:3478?transport=tcp`,
/// `turns:[2001:db8::1]:443` (RFC 7064, RFC 7065).
public struct ICEServerURL: Hashable, Sendable {
  public enum Scheme: String, Hashable, Sendable {
    case stun, stuns, turn, turns
  }

  /// How we reach the server; the relayed media itself is always UDP.
  public enum Transport: String, Hashable, Sendable {
    case udp, tcp
  }

  public let scheme: Scheme
  /// A DNS name or an IP address, IPv6 without its brackets.
  public let host: String
  public let port: UInt16
  /// What the URL asks for, or the default of its scheme: UDP for `stun` and `turn`, TCP (under TLS) for the others.
  public let transport: Transport

  /// Reads a URL. Unknown query parameters are passed over, as browsers do.
  public init(_ text: String) throws(ICEServerURLError) {
    func refused(_ reason: String) -> ICEServerURLError { ICEServerURLError(url: text, reason: reason) }

    guard let colon = text.firstIndex(of: ":"), let scheme = Scheme(rawValue: text[..<colon].lowercased()) else {
      throw refused("it must begin with stun:, stuns:, turn: or turns:")
    }
    let rest = text[text.index(after: colon)...]
    let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let authority = parts[0]
    let isSecure = scheme == .stuns || scheme == .turns

    let host: Substring
    let afterHost: Substring
    if authority.first == "[" {
      guard let bracket = authority.firstIndex(of: "]") else {
        throw refused("the bracket of its IPv6 address is open")
      }
      host = authority[authority.index(after: authority.startIndex)..<bracket]
      afterHost = authority[authority.index(after: bracket)...]
      guard host.contains(":"), host.allSatisfy({ $0.isASCII && ($0.isHexDigit || $0 == ":" || $0 == ".") }) else {
        throw refused("what stands in brackets is no IPv6 address")
      }
    } else {
      let end = authority.firstIndex(of: ":") ?? authority.endIndex
      host = authority[..<end]
      afterHost = authority[end...]
      guard host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "." || $0 == "_") })
      else { throw refused("its host has characters no host name may have") }
    }
    guard !host.isEmpty, host.utf8.count <= 253 else { throw refused("it names no host") }

    if afterHost.isEmpty {
      port = isSecure ? 5349 : 3478
    } else {
      guard afterHost.first == ":", afterHost.dropFirst().allSatisfy(\.isNumber),
        let number = UInt16(afterHost.dropFirst()), number > 0
      else { throw refused("its port is not a number from 1 to 65535") }
      port = number
    }

    var transport: Transport = isSecure ? .tcp : .udp
    for parameter in parts.dropFirst().first?.split(separator: "&") ?? [] {
      let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair[0].lowercased() == "transport" else { continue }
      guard pair.count == 2, let known = Transport(rawValue: pair[1].lowercased()) else {
        throw refused("its transport is neither udp nor tcp")
      }
      transport = known
    }
    self.scheme = scheme
    self.host = String(host)
    self.transport = transport
  }
}

extension ICEServerURL: CustomStringConvertible {
  public var description: String {
    let name = host.contains(":") ? "[\(host)]" : host
    let query = scheme == .turn || scheme == .turns ? "?transport=\(transport.rawValue)" : ""
    return "\(scheme.rawValue):\(name):\(port)\(query)"
  }
}

/// A text that is not the address of a STUN or TURN server.
public struct ICEServerURLError: Error, Equatable, Sendable, CustomStringConvertible {
  public let url: String
  public let reason: String
  public var description: String { "\"\(url.prefix(200))\" is not the address of a STUN or TURN server: \(reason)." }
}
