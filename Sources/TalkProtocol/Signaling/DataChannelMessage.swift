/// What participants tell each other over the data channel of their media: `{"type":…,"payload"?}`.
public enum DataChannelMessage: Hashable, Sendable {
  case audioOn
  case audioOff
  case videoOn
  case videoOff
  case speaking
  case stoppedSpeaking
  /// Guests send a string, users an object with their id.
  case nickChanged(name: String, userid: String?)
  case unknown(type: String)

  private static let simple: [(String, DataChannelMessage)] = [
    ("audioOn", .audioOn), ("audioOff", .audioOff), ("videoOn", .videoOn), ("videoOff", .videoOff),
    ("speaking", .speaking), ("stoppedSpeaking", .stoppedSpeaking),
  ]

  /// Understands a text message; `nil` when it is no JSON object with a type.
  public init?(text: String) {
    guard let value = try? JSONCoding.decode(JSONValue.self, from: text), let type = value["type"].string else {
      return nil
    }
    let payload = value["payload"]
    if let known = Self.simple.first(where: { $0.0 == type }) {
      self = known.1
    } else if type == "nickChanged", let name = payload.string ?? payload["name"].string {
      self = .nickChanged(name: name, userid: payload["userid"].string)
    } else {
      self = .unknown(type: type)
    }
  }

  /// The text message to send.
  public var text: String {
    let value: JSONValue =
      switch self {
      case .nickChanged(let name, let userid):
        if let userid {
          ["type": "nickChanged", "payload": ["name": .string(name), "userid": .string(userid)]]
        } else {
          ["type": "nickChanged", "payload": .string(name)]
        }
      case .unknown(let type): ["type": .string(type)]
      default: ["type": .string(Self.simple.first { $0.1 == self }?.0 ?? "")]
      }
    return JSONCoding.text(value)
  }
}
