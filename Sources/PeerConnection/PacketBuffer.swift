/// Memory for one packet that is used again and again.
final class PacketBuffer {
  let bytes: UnsafeMutableBufferPointer<UInt8>

  init(capacity: Int) {
    bytes = .allocate(capacity: capacity)
    bytes.initialize(repeating: 0)
  }

  deinit { bytes.deallocate() }
}
