import RTP
import Testing

struct DatagramKindTests {
  @Test(
    arguments: [
      (0, DatagramKind.stun), (1, .stun), (3, .stun), (4, .unknown), (16, .unknown), (19, .unknown), (20, .dtls),
      (22, .dtls), (63, .dtls), (64, .unknown), (79, .unknown), (127, .unknown), (128, .rtp), (144, .rtp), (191, .rtp),
      (192, .unknown), (255, .unknown),
    ] as [(UInt8, DatagramKind)])
  func `the first byte tells the protocol`(first: UInt8, kind: DatagramKind) {
    var datagram = [UInt8](repeating: 0, count: 40)
    datagram[0] = first
    #expect(DatagramKind(of: datagram) == kind)
  }

  @Test(
    arguments: [
      (63, DatagramKind.rtp), (64, .rtcp), (72, .rtcp), (95, .rtcp), (96, .rtp), (111, .rtp), (127, .rtp), (0, .rtp),
    ] as [(UInt8, DatagramKind)])
  func `payload types 64 to 95 are RTCP, with the marker bit and without`(payloadType: UInt8, kind: DatagramKind) {
    for marker: UInt8 in [0, 0x80] {
      let datagram = [0x80, marker | payloadType] + [UInt8](repeating: 0, count: 10)
      #expect(DatagramKind(of: datagram) == kind)
    }
  }

  @Test func `every sample is sorted right`() {
    for packet in Samples.rtp { #expect(DatagramKind(of: packet) == .rtp) }
    for packet in Samples.rtcp { #expect(DatagramKind(of: packet) == .rtcp) }
  }

  @Test(
    arguments: [
      (0, 19), (20, 12), (128, 11), (128, 1),
    ] as [(UInt8, Int)])
  func `what is too short for its protocol is unknown`(first: UInt8, count: Int) {
    var datagram = [UInt8](repeating: 0, count: count)
    datagram[0] = first
    #expect(DatagramKind(of: datagram) == .unknown)
    #expect(DatagramKind(of: [UInt8]()) == .unknown)
  }
}
