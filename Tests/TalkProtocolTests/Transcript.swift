import Foundation
import TalkProtocol

/// Files that the tests read.
enum Fixture {
  static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: directory.appending(path: path)))
  }
}

/// What a real installation and its clients said to each other, as it was recorded.
struct Transcript: Sendable {
  struct Row: Sendable {
    /// Seconds since the start of the recording.
    var time: Double
    var who: String
    var channel: String
    var direction: String
    var value: JSONValue

    /// The text of a recorded message.
    var text: String { value["msg"].string ?? JSONCoding.text(value["msg"]) }
  }

  var name: String
  var rows: [Row]

  /// Reading takes a while, and several tests want the same one.
  static let all: Result<[String: Transcript], any Error> = Result {
    try Dictionary(uniqueKeysWithValues: names.map { ($0, try Transcript(reading: $0)) })
  }

  init(_ name: String) throws {
    guard let transcript = try Self.all.get()[name] else { throw CocoaError(.fileNoSuchFile) }
    self = transcript
  }

  private init(reading name: String) throws {
    self.name = name
    let text = String(decoding: try Fixture.bytes("traces/\(name).jsonl"), as: UTF8.self)
    rows = try text.split(separator: "\n").map { line in
      let value = try JSONCoding.decode(JSONValue.self, from: String(line))
      guard case .number(let time) = value["dt"] else { throw CocoaError(.fileReadCorruptFile) }
      return Row(
        time: time, who: value["who"].string ?? "", channel: value["ch"].string ?? "",
        direction: value["dir"].string ?? "", value: value)
    }
  }

  static let names: [String] = {
    let files = try? FileManager.default.contentsOfDirectory(
      at: Fixture.directory.appending(path: "traces"), includingPropertiesForKeys: nil)
    return (files ?? []).filter { $0.pathExtension == "jsonl" }
      .map { $0.deletingPathExtension().lastPathComponent }.sorted()
  }()
}
