/// A field that may be missing, null or of an unexpected type: what cannot be understood is `nil`, and never spoils the
/// message around it.
///
/// PHP writes an empty map as `[]`, a list with holes as an object, and is loose about numbers in strings; such values are
/// understood. A `nil` is left out when encoding.
@propertyWrapper
public struct Tolerant<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
  public var wrappedValue: Value?

  public init(wrappedValue: Value?) {
    self.wrappedValue = wrappedValue
  }

  public init(from decoder: any Decoder) throws {
    if let value = try? decoder.singleValueContainer().decode(Value.self) {
      wrappedValue = value
    } else if let loose = Value.self as? any LooselyDecodable.Type {
      wrappedValue = loose.init(loosely: decoder) as? Value
    } else {
      wrappedValue = nil
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(wrappedValue)
  }
}

extension KeyedDecodingContainer {
  /// Chosen by synthesized conformances in place of the throwing one.
  func decode<Value>(_ type: Tolerant<Value>.Type, forKey key: Key) throws -> Tolerant<Value> {
    let decoded = try? decodeIfPresent(type, forKey: key)
    return (decoded ?? nil) ?? Tolerant(wrappedValue: nil)
  }

  /// The value of `key` if it is there and can be understood.
  func tolerant<Value: Codable & Hashable & Sendable>(_ type: Value.Type, forKey key: Key) -> Value? {
    ((try? decode(Tolerant<Value>.self, forKey: key)) ?? Tolerant(wrappedValue: nil)).wrappedValue
  }
}

extension KeyedEncodingContainer {
  mutating func encode<Value>(_ field: Tolerant<Value>, forKey key: Key) throws {
    if let value = field.wrappedValue { try encode(value, forKey: key) }
  }
}

/// A type that can make sense of values of a neighbouring type.
protocol LooselyDecodable {
  init?(loosely decoder: any Decoder)
}

extension Int: LooselyDecodable {
  init?(loosely decoder: any Decoder) {
    guard let value = try? JSONValue(from: decoder) else { return nil }
    switch value {
    case .bool(let flag): self = flag ? 1 : 0
    case .number(let number):
      guard let integer = Int(exactly: number.rounded(.towardZero)) else { return nil }
      self = integer
    case .string(let text):
      guard let integer = Int(text) else { return nil }
      self = integer
    default: return nil
    }
  }
}

extension Bool: LooselyDecodable {
  init?(loosely decoder: any Decoder) {
    guard let integer = Int(loosely: decoder) else { return nil }
    self = integer != 0
  }
}

extension String: LooselyDecodable {
  init?(loosely decoder: any Decoder) {
    guard let integer = (try? JSONValue(from: decoder))?.int else { return nil }
    self = String(integer)
  }
}

extension Array: LooselyDecodable where Element: Decodable {
  init?(loosely decoder: any Decoder) {
    self = []
    if var container = try? decoder.unkeyedContainer() {
      while !container.isAtEnd {
        if let element = try? container.decode(Element.self) {
          append(element)
        } else if (try? container.decode(JSONValue.self)) == nil {
          return
        }
      }
    } else if let container = try? decoder.container(keyedBy: AnyKey.self) {
      let keys = container.allKeys.filter { Int($0.stringValue) != nil }
      for key in keys.sorted(by: { Int($0.stringValue) ?? 0 < Int($1.stringValue) ?? 0 }) {
        if let element = try? container.decode(Element.self, forKey: key) { append(element) }
      }
    } else {
      return nil
    }
  }
}

extension Dictionary: LooselyDecodable where Key == String, Value: Decodable {
  init?(loosely decoder: any Decoder) {
    if (try? decoder.unkeyedContainer()) != nil {
      self = [:]
    } else if let container = try? decoder.container(keyedBy: AnyKey.self) {
      self = [:]
      for key in container.allKeys {
        if let value = try? container.decode(Value.self, forKey: key) { self[key.stringValue] = value }
      }
    } else {
      return nil
    }
  }
}

/// A key known only at run time.
struct AnyKey: CodingKey, ExpressibleByStringLiteral {
  var stringValue: String
  var intValue: Int? { nil }

  init(stringValue: String) { self.stringValue = stringValue }
  init(intValue: Int) { stringValue = String(intValue) }
  init(stringLiteral value: String) { stringValue = value }
}
