/// The loudness of a packet's audio as its sender measured it (RFC 6464).
public struct AudioLevel: Equatable, Sendable {
  /// The sender believes that the packet holds speech.
  public var voice: Bool
  /// Level below overload, 0 (loudest) to 127 (silence), in −dBov.
  public var attenuation: UInt8

  /// `attenuation` in −dBov; above 127 it is 127.
  public init(voice: Bool, attenuation: UInt8) {
    self.voice = voice
    self.attenuation = min(attenuation, 127)
  }

  /// From a level in dBov (0 is a full-scale square wave, silence is −127); out-of-range values, NaN too, are clamped.
  public init(voice: Bool, dBov: Float) {
    // Rounded by hand: rounded() is libm's, which a module without C does not link.
    self.init(voice: voice, attenuation: dBov.isNaN ? 127 : UInt8(min(max(-dBov, 0), 127) + 0.5))
  }

  init(encoded: UInt8) {
    self.init(voice: encoded & 0x80 != 0, attenuation: encoded & 0x7F)
  }

  var encoded: UInt8 { (voice ? 0x80 : 0) | attenuation }
}

/// The ids that a session description gave to the header extensions we know; nil where one was not negotiated.
public struct HeaderExtensionIDs: Equatable, Sendable {
  /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
  public var audioLevel: UInt8?
  /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143 §15).
  public var mid: UInt8?

  public init(audioLevel: UInt8? = nil, mid: UInt8? = nil) {
    self.audioLevel = audioLevel
    self.mid = mid
  }
}

/// How elements lie in the header extension (RFC 8285 §4.2, §4.3).
enum ExtensionForm: Equatable {
  /// Ids 1 to 14, data of 1 to 16 bytes.
  case oneByte
  /// Ids 1 to 255, data of 0 to 255 bytes.
  case twoByte

  static let oneByteProfile: UInt16 = 0xBEDE
  static let twoByteProfile: UInt16 = 0x1000

  init?(profile: UInt16) {
    if profile == Self.oneByteProfile {
      self = .oneByte
    } else if profile & 0xFFF0 == Self.twoByteProfile {
      self = .twoByte
    } else {
      return nil
    }
  }
}

extension RTPHeader {
  /// Finds the data of the header extension element `id` in the packet this header was parsed from (RFC 8285).
  ///
  /// Returns its bytes' range in the packet, nil if there is none. Reading ends without error at the first element that
  /// does not fit. Allocates nothing.
  public func extensionElement(_ id: UInt8, in packet: Span<UInt8>) -> Range<Int>? {
    guard id > 0, let profile = extensionProfile, let form = ExtensionForm(profile: profile) else { return nil }
    let end = min(extensionRange.upperBound, packet.count)
    var offset = extensionRange.lowerBound
    while offset < end {
      if packet[offset] == 0 {
        offset += 1  // padding
        continue
      }
      let element: UInt8
      let data: Range<Int>
      switch form {
      case .oneByte:
        element = packet[offset] >> 4
        // 15 is reserved and ends the list; 0 with a length is no padding and cannot be an element.
        guard element != 15, element != 0 else { return nil }
        data = offset + 1..<offset + 2 + Int(packet[offset] & 0x0F)
      case .twoByte:
        guard offset + 1 < end else { return nil }
        element = packet[offset]
        data = offset + 2..<offset + 2 + Int(packet[offset + 1])
      }
      guard data.upperBound <= end else { return nil }
      if element == id { return data }
      offset = data.upperBound
    }
    return nil
  }

  /// The audio level under the negotiated id (RFC 6464), nil if the packet has none.
  public func audioLevel(_ ids: HeaderExtensionIDs, in packet: Span<UInt8>) -> AudioLevel? {
    guard let id = ids.audioLevel, let data = extensionElement(id, in: packet), !data.isEmpty else { return nil }
    return AudioLevel(encoded: packet[data.lowerBound])
  }

  /// The media identification under the negotiated id (RFC 9143 §15), nil if the packet has none or it is no UTF-8.
  ///
  /// Up to 15 bytes, more than any known sender uses, come without allocation.
  public func mid(_ ids: HeaderExtensionIDs, in packet: Span<UInt8>) -> String? {
    guard let id = ids.mid, let data = extensionElement(id, in: packet), !data.isEmpty,
      let text = try? UTF8Span(validating: packet.extracting(data))
    else { return nil }
    return String(copying: text)
  }
}
