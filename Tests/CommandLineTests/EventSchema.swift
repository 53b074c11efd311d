import Foundation
import TalkProtocol
import TestSupport

/// The tables of the README about events.
struct EventSchema {
  struct Member: Equatable {
    var types: Set<String>
    var isOptional: Bool
  }

  /// By event, without `event` and `time`, which all have.
  private(set) var events: [String: [String: Member]] = [:]
  /// Of the elements of `outputs` and `participants`, and of `outbound`.
  private(set) var objects: [String: [String: Member]] = [:]
  /// The words in code in an event's last column.
  private(set) var values: [String: Set<String>] = [:]

  init() throws {
    for cells in try Readme.table(headed: "event", in: "Events as JSON") {
      for event in Readme.code(in: cells[0]) {
        events[event] = try Self.members(cells[1])
        values[event] = Set(Readme.code(in: cells[2]))
      }
    }
    for cells in try Readme.table(headed: "of", in: "Events as JSON") {
      for object in Readme.code(in: cells[0]) { objects[object] = try Self.members(cells[1]) }
    }
  }

  private static func members(_ text: String) throws -> [String: Member] {
    var members: [String: Member] = [:]
    for part in text.split(separator: ", ") {
      guard let match = part.wholeMatch(of: /`(\w+)`(\??) (\w+)( or null)?/) else {
        throw RigError("the README has a member that is not understood: \(part)")
      }
      members[String(match.1)] = Member(
        types: Set([String(match.3)]).union(match.4 == nil ? [] : ["null"]), isOptional: match.2 == "?")
    }
    return members
  }

  /// What is wrong with a line; nothing where the README describes it.
  func violations(_ line: String) -> [String] {
    guard let object = Self.object(line), let event = object["event"].string else { return ["no event: \(line)"] }
    guard let members = events[event] else { return ["the README does not know \(event)"] }
    guard object["time"].string?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil else {
      return ["\(event) has no time"]
    }
    return compare((object.object ?? [:]).filter { $0.key != "event" && $0.key != "time" }, members, event)
  }

  private func compare(_ object: [String: JSONValue], _ members: [String: Member], _ name: String) -> [String] {
    var found: [String] = []
    for (key, member) in members where !member.isOptional && object[key] == nil { found.append("\(name) lacks \(key)") }
    for (key, value) in object {
      guard let member = members[key] else {
        found.append("the README does not know \(key) of \(name)")
        continue
      }
      if value != .null, let kind = member.types.first(where: { objects[$0] != nil }), let known = objects[kind] {
        for element in value.array ?? [value] { found += compare(element.object ?? [:], known, kind) }
      } else if !member.types.contains(Self.type(value)) {
        found.append("\(key) of \(name) is \(Self.type(value))")
      }
    }
    return found
  }

  static func object(_ line: String) -> JSONValue? { try? JSONCoding.decode(JSONValue.self, from: line) }

  private static func type(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object(let members): members.values.allSatisfy { $0.string != nil } ? "strings" : "object"
    }
  }

  /// All `event.member` and `list.member` that lines have.
  static func members(in lines: some Sequence<String>) -> Set<String> {
    var found: Set<String> = []
    for object in lines.compactMap(object) {
      guard let event = object["event"].string else { continue }
      found.insert(event)
      for (key, value) in object.object ?? [:] where key != "event" && key != "time" {
        found.insert("\(event).\(key)")
        for element in value.array ?? (key == "outbound" ? [value] : []) {
          found.formUnion((element.object ?? [:]).keys.map { "\(key).\($0)" })
        }
      }
    }
    return found
  }

  /// The same of the README.
  var members: Set<String> {
    Set(events.keys).union(
      (Array(events) + Array(objects)).flatMap { name, members in members.keys.map { "\(name).\($0)" } })
  }
}

/// The README as tests read it.
enum Readme {
  static let text: String = (try? String(contentsOfFile: Repository.root + "/README.md", encoding: .utf8)) ?? ""

  /// The rows of the tables of a section whose first column is headed so, as cells.
  static func table(headed head: String, in section: String) throws -> [[String]] {
    guard let start = text.range(of: "## \(section)\n") else { throw RigError("the README has no section \(section)") }
    let end = text[start.upperBound...].range(of: "\n## ")?.lowerBound ?? text.endIndex
    var rows: [[String]] = []
    var isInside = false
    for line in text[start.upperBound..<end].split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        isInside = false
        continue
      }
      let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      if isInside, !line.hasPrefix("|---") { rows.append(cells) }
      if cells.first == head { isInside = true }
    }
    guard !rows.isEmpty else { throw RigError("the README has no table headed \(head) in \(section)") }
    return rows
  }

  /// What is set in code.
  static func code(in text: String) -> [String] { text.matches(of: /`([^`]+)`/).map { String($0.1) } }
}
