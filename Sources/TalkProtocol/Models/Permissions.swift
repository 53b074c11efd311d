/// What a participant may do in a conversation (`permissions`, `participantPermissions`).
public struct Permissions: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Marks a set that differs from the conversation's default.
  public static let custom = Permissions(rawValue: 1)
  public static let startCall = Permissions(rawValue: 2)
  public static let joinCall = Permissions(rawValue: 4)
  public static let ignoreLobby = Permissions(rawValue: 8)
  public static let publishAudio = Permissions(rawValue: 16)
  public static let publishVideo = Permissions(rawValue: 32)
  public static let publishScreen = Permissions(rawValue: 64)
  public static let chat = Permissions(rawValue: 128)
}

/// How somebody takes part in a call (`flags`, `inCall`, `callFlag`).
public struct CallFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  public static let inCall = CallFlags(rawValue: 1)
  public static let audio = CallFlags(rawValue: 2)
  public static let video = CallFlags(rawValue: 4)
  public static let phone = CallFlags(rawValue: 8)
}

extension Permissions: LooselyDecodable {
  init?(loosely decoder: any Decoder) {
    guard let bits = Int(loosely: decoder) else { return nil }
    self.init(rawValue: bits)
  }
}

extension CallFlags: LooselyDecodable {
  init?(loosely decoder: any Decoder) {
    guard let bits = Int(loosely: decoder) else { return nil }
    self.init(rawValue: bits)
  }
}
