internal import TalkProtocol

// The room speaks in raw JSON, not in the client's message types: it relays what it does not know, and it must not share
// the client's idea of a message.

extension JSONValue {
  static func int(_ value: Int) -> JSONValue { .number(Double(value)) }

  /// Nil where the bytes are no JSON.
  init?(parsing bytes: some Sequence<UInt8>) {
    guard let value = try? JSONCoding.decode(JSONValue.self, from: Array(bytes)) else { return nil }
    self = value
  }

  /// The value as compact UTF-8 text.
  var text: String { JSONCoding.text(self) }

  /// This object with the members of another put over it.
  func merging(_ other: [String: JSONValue]) -> JSONValue {
    .object((object ?? [:]).merging(other) { _, new in new })
  }
}
