internal import CNice
internal import Glibc

/// What one client says to one STUN or TURN server and hears from it (RFC 8489, RFC 8656), message by message, through
/// the STUN library that comes with libnice. Neither sockets nor time; confined to whoever has it.
final class STUNClient {
  enum Reply: Equatable {
    /// The address that the server sees us at.
    case mapped(String)
    /// An allocation: the address the server lends us, and the one it sees us at.
    case relayed(String, mapped: String?)
    /// The server wants to know who we are: ask again, the answer will be in it.
    case challenged
    case refused(code: Int)
    /// Another server should be asked, or the answer makes no sense.
    case unusable
  }

  /// Larger than any message of these.
  private static let capacity = 2048
  private static let lifetime: Int32 = 60

  /// A message and the bytes it points into.
  private struct Memory {
    let message: UnsafeMutablePointer<StunMessage>
    let bytes: UnsafeMutablePointer<UInt8>

    init() {
      message = .allocate(capacity: 1)
      message.initialize(to: StunMessage())
      bytes = .allocate(capacity: STUNClient.capacity)
      bytes.initialize(repeating: 0, count: STUNClient.capacity)
    }

    func deallocate() {
      message.deallocate()
      bytes.deallocate()
    }
  }

  private let agent: UnsafeMutablePointer<StunAgent>
  private let request = Memory()
  private var response = Memory()
  private var challenge = Memory()
  private(set) var isChallenged = false
  private var username: [UInt8]
  private var password: [UInt8]

  init(username: String, password: String) {
    agent = .allocate(capacity: 1)
    agent.initialize(to: StunAgent())
    self.username = Array(username.utf8)
    self.password = Array(password.utf8)
    CNice_init_client(agent)
  }

  deinit {
    agent.deallocate()
    for memory in [request, response, challenge] { memory.deallocate() }
  }

  // MARK: Requests

  /// Where do you see me?
  func binding() -> [UInt8] { written(stun_usage_bind_create(agent, request.message, request.bytes, Self.capacity)) }

  /// Lend me an address, for a minute. With credentials once they were asked for.
  func allocation() -> [UInt8] {
    written(
      stun_usage_turn_create(
        agent, request.message, request.bytes, Self.capacity, isChallenged ? challenge.message : nil,
        STUN_USAGE_TURN_REQUEST_PORT_NORMAL, -1, Self.lifetime, &username, username.count, &password, password.count,
        STUN_USAGE_TURN_COMPATIBILITY_RFC5766))
  }

  /// I need it no more.
  func release() -> [UInt8] {
    written(
      stun_usage_turn_create_refresh(
        agent, request.message, request.bytes, Self.capacity, isChallenged ? challenge.message : nil, 0, &username,
        username.count, &password, password.count, STUN_USAGE_TURN_COMPATIBILITY_RFC5766))
  }

  private func written(_ count: Int) -> [UInt8] { Array(UnsafeBufferPointer(start: request.bytes, count: count)) }

  // MARK: Replies

  /// How long the message is that begins so, in bytes; nil until that can be told, 0 when it is none.
  static func length(of beginning: [UInt8]) -> Int? {
    guard beginning.count >= 20 else { return nil }
    let length = 20 + Int(beginning[2]) << 8 + Int(beginning[3])
    return beginning[0] < 4 && length <= capacity ? length : 0
  }

  /// Understands a message; nil when it is no answer to what was asked.
  func receive(_ bytes: [UInt8]) -> Reply? {
    guard bytes.count <= Self.capacity, !bytes.isEmpty else { return nil }
    response.bytes.update(from: bytes, count: bytes.count)
    switch stun_agent_validate(agent, response.message, response.bytes, bytes.count, nil, nil) {
    case STUN_VALIDATION_SUCCESS: break
    case STUN_VALIDATION_NOT_STUN, STUN_VALIDATION_INCOMPLETE_STUN, STUN_VALIDATION_UNMATCHED_RESPONSE: return nil
    default:
      // Errors are often not signed: who is not known to the server shares no key with it.
      return stun_message_get_class(response.message) == STUN_ERROR ? refusal() : .unusable
    }
    let method = stun_message_get_method(response.message)
    guard stun_message_get_class(response.message) == STUN_RESPONSE else { return refusal() }
    return method == STUN_BINDING ? mapping() : method == STUN_ALLOCATE ? allocated() : .unusable
  }

  private func refusal() -> Reply {
    var code: Int32 = 0
    guard stun_message_get_class(response.message) == STUN_ERROR,
      stun_message_find_error(response.message, &code) == STUN_MESSAGE_RETURN_SUCCESS
    else { return .unusable }
    // 438: the server's word for the challenge has grown old.
    guard code == 401 && !isChallenged || code == 438 else { return .refused(code: Int(code)) }
    swap(&response, &challenge)
    isChallenged = true
    return .challenged
  }

  private func mapping() -> Reply {
    var (address, other) = (sockaddr_storage(), sockaddr_storage())
    var (length, otherLength) = (Self.addressLength, Self.addressLength)
    let result = withUnsafeMutablePointer(to: &address) { address in
      withUnsafeMutablePointer(to: &other) { other in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          other.withMemoryRebound(to: sockaddr.self, capacity: 1) { other in
            stun_usage_bind_process(response.message, address, &length, other, &otherLength)
          }
        }
      }
    }
    return result == STUN_USAGE_BIND_RETURN_SUCCESS ? .mapped(Self.text(address)) : .unusable
  }

  private func allocated() -> Reply {
    var (relay, address, other) = (sockaddr_storage(), sockaddr_storage(), sockaddr_storage())
    var (relayLength, length, otherLength) = (Self.addressLength, Self.addressLength, Self.addressLength)
    var (bandwidth, lifetime): (UInt32, UInt32) = (0, 0)
    switch stun_usage_turn_process(
      response.message, &relay, &relayLength, &address, &length, &other, &otherLength, &bandwidth, &lifetime,
      STUN_USAGE_TURN_COMPATIBILITY_RFC5766)
    {
    case STUN_USAGE_TURN_RETURN_MAPPED_SUCCESS: return .relayed(Self.text(relay), mapped: Self.text(address))
    case STUN_USAGE_TURN_RETURN_RELAY_SUCCESS: return .relayed(Self.text(relay), mapped: nil)
    default: return .unusable
    }
  }

  private static let addressLength = socklen_t(MemoryLayout<sockaddr_storage>.size)

  /// The IP address alone: ports say nothing to people.
  private static func text(_ address: sockaddr_storage) -> String {
    var nice = NiceAddress()
    nice_address_init(&nice)
    withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { nice_address_set_from_sockaddr(&nice, $0) }
    }
    return nice.parts.address
  }
}
