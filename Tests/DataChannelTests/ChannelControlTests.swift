import Testing

@testable import DataChannel

@Suite struct ChannelControlTests {
  @Test func `an OPEN is written as RFC 8832 draws it`() {
    let open = ChannelControl.open(label: "ab", subprotocol: "c")
    #expect(open.bytes == [3, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x61, 0x62, 0x63])
    #expect(ChannelControl(open.bytes) == open)
    #expect(ChannelControl.acknowledge.bytes == [2])
    #expect(ChannelControl([2]) == .acknowledge)
  }

  @Test func `an unordered or unreliable channel of the peer is accepted`() {
    let open: [UInt8] = [3, 0x81, 0, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0x78]
    #expect(ChannelControl(open) == .open(label: "x", subprotocol: ""))
  }

  @Test(
    arguments: [
      [], [0], [3], [1, 2, 3], [3, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x61, 0x62],
      [3, 0, 1, 0, 0, 0, 0, 0, 255, 255, 255, 255], [3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]]) func `a malformed message is none`(bytes: [UInt8])
  {
    #expect(ChannelControl(bytes) == nil)
  }
}
