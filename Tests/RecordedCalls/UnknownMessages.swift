public import TalkProtocol

// What a message of a recording should not be.

extension ServerMessage {
  public var isUnknown: Bool {
    switch content {
    case .unknown: true
    case .event(.unknown): true
    case .message(let message): if case .unknown = message.data.content { true } else { false }
    case .control(let message): if case .unknown = message.data { true } else { false }
    default: false
    }
  }
}

extension ClientMessage {
  public var isUnknown: Bool {
    switch content {
    case .unknown: true
    case .message(let message): if case .unknown = message.data.content { true } else { false }
    default: false
    }
  }
}
