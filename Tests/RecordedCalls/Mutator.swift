internal import TalkProtocol
internal import TestSupport

/// Spoils messages as a broken or hostile peer would, the same in every run: bytes, syntax, types, sizes, order.
public final class Mutator {
  private var random: SeededRandom
  private var held: [String] = []
  /// How many messages were changed so far.
  public private(set) var count = 0

  public init(seed: UInt64) { random = SeededRandom(seed: seed) }

  /// One message becomes none, one or several; earlier ones may come late.
  /// - Parameter share: How many of a hundred are changed.
  public func spoiled(_ text: String, share: Int = 40) -> [String] {
    guard Int.random(in: 0..<100, using: &random) < share else { return [text] }
    switch Int.random(in: 0..<12, using: &random) {
    case 0: return []
    case 1: return [text, text]
    case 2:
      held.append(text)
      return []
    case 3:
      defer { held = [] }
      return [text] + held.reversed()
    default: return [mutated(text)]
    }
  }

  public func mutated(_ bytes: [UInt8]) -> [UInt8] {
    Array(mutated(String(decoding: bytes, as: UTF8.self)).utf8)
  }

  /// A changed message.
  public func mutated(_ text: String) -> String {
    count += 1
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1: return String(decoding: random.mutated(Array(text.utf8)), as: UTF8.self)
    case 2: return String(text.prefix(Int.random(in: 0...text.count, using: &random)))
    case 3: return replacingNumber(in: text)
    case 4:
      let depth = [10, 60, 600, 20_000].randomElement(using: &random)!
      return String(repeating: Bool.random(using: &random) ? "[" : #"{"a":"#, count: depth)
    default:
      guard var value = try? JSONCoding.decode(JSONValue.self, from: text) else { return text + text }
      for _ in 0..<Int.random(in: 1...3, using: &random) { value = changed(value) }
      return JSONCoding.text(value)
    }
  }

  private func replacingNumber(in text: String) -> String {
    let numbers = ["1e999", "-1e999", "123456789012345678901234567890", "-0", "1.5", "0x1", "9223372036854775808"]
    let places = text.indices.filter { text[$0].isNumber }
    guard let place = places.randomElement(using: &random) else { return text }
    let rest = text[place...].drop { $0.isNumber || $0 == "." }
    return text[..<place] + numbers.randomElement(using: &random)! + rest
  }

  /// The value with one part of it, somewhere, replaced, removed, added or multiplied.
  private func changed(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(var members) where !members.isEmpty && Int.random(in: 0..<8, using: &random) > 0:
      let key = members.keys.sorted().randomElement(using: &random)!
      switch Int.random(in: 0..<8, using: &random) {
      case 0: members[key] = nil
      case 1: members["unknown " + key] = members.removeValue(forKey: key)
      case 2: members[""] = strange()
      case 3:
        members[["type", "id", "sid", "sessionid", "users", "data"].randomElement(using: &random)!] = members[key]
      default: members[key] = changed(members[key]!)
      }
      return .object(members)
    case .array(var elements) where !elements.isEmpty && Int.random(in: 0..<8, using: &random) > 0:
      let index = elements.indices.randomElement(using: &random)!
      switch Int.random(in: 0..<4, using: &random) {
      case 0: elements += Array(repeating: elements[index], count: 50)
      case 1: elements.shuffle(using: &random)
      default: elements[index] = changed(elements[index])
      }
      return .array(elements)
    default: return strange()
    }
  }

  private func strange() -> JSONValue {
    let values: [JSONValue] = [
      nil, true, false, 0, -1, 1, 255, .number(1e308), .number(-1e308), .number(4.9e-300),
      .number(9_007_199_254_740_992),
      .number(9.3e18), .number(0.5), "", "0", "\u{0}\r\n\u{1B}[2J", "\u{202E}\u{FFFD}é́",
      .string(String(repeating: "x", count: 20_000)), .string(String(repeating: "🎧", count: 3000)), [], [:], [nil],
      [[[[]]]], ["a": ["b": ["c": nil]]], "v=0\r\nm=audio 9 X\r\n", "candidate:", "../../", "abcd1234",
    ]
    if Int.random(in: 0..<20, using: &random) == 0 {
      return (0..<60).reduce(JSONValue.null) { value, _ in .array([value]) }
    }
    return values.randomElement(using: &random)!
  }
}

/// How many values something holds, all that it is made of counted: what grows without bound shows.
public func weight(of value: Any) -> Int {
  let mirror = Mirror(reflecting: value)
  return mirror.children.reduce(1) { $0 + weight(of: $1.value) }
}
