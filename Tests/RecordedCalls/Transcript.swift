internal import Foundation
public import TalkProtocol
internal import TestSupport

/// What an installation and its clients said to each other, as it was recorded.
public struct Transcript: Sendable {
  public struct Row: Sendable {
    /// Since the start of the recording.
    public let time: Duration
    /// The client.
    public let who: String
    /// `http`, `ws`, `pc`, `dc` or `note`.
    public let channel: String
    /// `send` and `recv` as the client sees it, `open`, `close`, `abort`, `fail`, `state`.
    public let direction: String
    public let value: JSONValue

    /// The text of a recorded message.
    public var text: String { value["msg"].string ?? JSONCoding.text(value["msg"]) }
  }

  public let rows: [Row]

  /// Reading takes a while, and several tests want the same one.
  private static let all: Result<[String: Transcript], any Error> = Result {
    try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try Transcript(file: Repository.fixture("traces/\($0).jsonl"))) })
  }

  /// One of those that were recorded from a real installation.
  public init(_ name: String) throws {
    guard let transcript = try Self.all.get()[name] else { throw CocoaError(.fileNoSuchFile) }
    self = transcript
  }

  public init(file: String) throws {
    rows = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map { line in
      let value = try JSONCoding.decode(JSONValue.self, from: String(line))
      guard case .number(let seconds) = value["dt"] else { throw CocoaError(.fileReadCorruptFile) }
      return Row(
        time: .seconds(seconds), who: value["who"].string ?? "", channel: value["ch"].string ?? "",
        direction: value["dir"].string ?? "", value: value)
    }
  }

  public static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: Repository.fixture("traces"))) ?? []
    return files.filter { $0.hasSuffix(".jsonl") }.map { String($0.dropLast(".jsonl".count)) }.sorted()
  }()
}
