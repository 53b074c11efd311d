import RTP
import Testing

struct HeaderExtensionTests {
  private let ids = HeaderExtensionIDs(audioLevel: 1, mid: 4)

  private func header(extension hex: String, profile: String = "bede") throws -> (RTPHeader, [UInt8]) {
    let data = bytes(hex)
    let packet =
      bytes("906f 0001 0000 0000 0000 0001") + bytes(profile) + [0, UInt8(data.count / 4)] + data + [0x55]
    return (try RTPHeader(parsing: packet), packet)
  }

  @Test func `audio level and mid are read from the one-byte form`() throws {
    let header = try RTPHeader(parsing: Samples.opus)
    #expect(header.audioLevel(ids, in: Samples.opus) == AudioLevel(voice: true, attenuation: 30))
    #expect(header.mid(ids, in: Samples.opus) == "0")
    #expect(header.extensionElement(2, in: Samples.opus) == nil)
  }

  @Test func `audio level and mid are read from the two-byte form`() throws {
    let header = try RTPHeader(parsing: Samples.twoByteExtension)
    let ids = HeaderExtensionIDs(audioLevel: 1, mid: 200)
    #expect(header.audioLevel(ids, in: Samples.twoByteExtension) == AudioLevel(voice: false, attenuation: 127))
    #expect(header.mid(ids, in: Samples.twoByteExtension) == "audio")
  }

  @Test func `what was not negotiated is not there`() throws {
    let header = try RTPHeader(parsing: Samples.opus)
    #expect(header.audioLevel(HeaderExtensionIDs(), in: Samples.opus) == nil)
    #expect(header.mid(HeaderExtensionIDs(audioLevel: 1), in: Samples.opus) == nil)
    let foreign = try RTPHeader(parsing: Samples.foreignExtension)
    #expect(foreign.audioLevel(ids, in: Samples.foreignExtension) == nil)
  }

  @Test func `padding between elements is skipped`() throws {
    let (header, packet) = try header(extension: "0000 1005")
    #expect(header.audioLevel(ids, in: packet) == AudioLevel(voice: false, attenuation: 5))
  }

  @Test(arguments: ["f0001005", "01001005", "13001005"])
  func `a reserved or overlong element ends the list`(hex: String) throws {
    let (header, packet) = try header(extension: hex)
    #expect(header.audioLevel(ids, in: packet) == nil)
  }

  @Test func `an empty element of the two-byte form is no audio level`() throws {
    let (header, packet) = try header(extension: "01000000", profile: "100f")
    #expect(header.extensionElement(1, in: packet) == 18..<18)
    #expect(header.audioLevel(ids, in: packet) == nil)
  }

  @Test func `a mid that is no text is no mid`() throws {
    let (header, packet) = try header(extension: "40ff0000")
    #expect(header.mid(ids, in: packet) == nil)
  }

  @Test(arguments: [
    (Float(0), UInt8(0)), (-30.4, 30), (-126.6, 127), (-500, 127), (3, 0), (-.infinity, 127), (.nan, 127),
  ])
  func `a level in dBov becomes an attenuation`(dBov: Float, attenuation: UInt8) {
    #expect(AudioLevel(voice: false, dBov: dBov).attenuation == attenuation)
  }

  private func written(_ packet: OutgoingRTPPacket, payload: [UInt8], capacity: Int = 1500) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0xEE, count: capacity)
    var span = buffer.mutableSpan
    let size = try packet.write(payload: payload.span, into: &span)
    return Array(buffer.prefix(size))
  }

  @Test func `a written packet is byte for byte what a browser sends`() throws {
    let packet = OutgoingRTPPacket(
      marker: true, payloadType: 111, sequenceNumber: 0x1234, timestamp: 960, ssrc: 0xe15e_47f5, extensionIDs: ids,
      audioLevel: AudioLevel(voice: true, attenuation: 30), mid: "0")
    let expected = bytes("90ef 1234 0000 03c0 e15e 47f5 bede 0001 10 9e 40 30 f8fffe")
    #expect(try written(packet, payload: [0xF8, 0xFF, 0xFE]) == expected)
  }

  @Test func `without a negotiated id there is no extension`() throws {
    let packet = OutgoingRTPPacket(
      payloadType: 96, sequenceNumber: 1, timestamp: 0, ssrc: 1, audioLevel: AudioLevel(voice: true, attenuation: 30),
      mid: "0")
    #expect(try written(packet, payload: [0xAA]) == bytes("8060 0001 0000 0000 0000 0001 aa"))
  }

  @Test(arguments: [
    (UInt8(1), UInt8(4), "0", UInt16(0xBEDE)), (1, 14, "sixteen-bytes-ok", 0xBEDE), (1, 4, "seventeen-bytes-2", 0x1000),
    (15, 1, "a", 0x1000), (200, 255, "audio", 0x1000), (1, 4, "", 0xBEDE),
  ])
  func `what is written is read again`(level: UInt8, mid: UInt8, text: String, profile: UInt16) throws {
    let ids = HeaderExtensionIDs(audioLevel: level, mid: mid)
    let packet = try written(
      OutgoingRTPPacket(
        payloadType: 111, sequenceNumber: 7, timestamp: 8, ssrc: 9, extensionIDs: ids,
        audioLevel: AudioLevel(voice: false, attenuation: 64), mid: text), payload: [1, 2, 3, 4, 5])
    let header = try RTPHeader(parsing: packet)
    #expect(header.extensionProfile == profile)
    #expect(header.audioLevel(ids, in: packet) == AudioLevel(voice: false, attenuation: 64))
    #expect(header.mid(ids, in: packet) == (text.isEmpty ? nil : text))
    #expect(Array(packet[header.payloadRange]) == [1, 2, 3, 4, 5])
  }

  @Test func `a packet that does not fit is refused`() throws {
    let packet = OutgoingRTPPacket(
      payloadType: 111, sequenceNumber: 7, timestamp: 8, ssrc: 9, extensionIDs: ids,
      audioLevel: AudioLevel(voice: false, attenuation: 64))
    #expect(try written(packet, payload: [1, 2, 3], capacity: 23).count == 23)
    #expect(throws: RTPError.bufferTooSmall(needed: 23)) { try written(packet, payload: [1, 2, 3], capacity: 22) }
  }

  @Test func `an extension that no form can hold is refused`() {
    var packet = OutgoingRTPPacket(
      payloadType: 111, sequenceNumber: 7, timestamp: 8, ssrc: 9, extensionIDs: HeaderExtensionIDs(mid: 3),
      mid: String(repeating: "m", count: 256))
    #expect(throws: RTPError.invalidExtension(id: 3, size: 256)) { try written(packet, payload: []) }
    packet.mid = "m"
    packet.extensionIDs.mid = 0
    #expect(throws: RTPError.invalidExtension(id: 0, size: 1)) { try written(packet, payload: []) }
  }
}
