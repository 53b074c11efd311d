import Foundation
import TalkProtocol
import TestSupport

/// What a real installation and its clients said to each other, as it was recorded.
struct Transcript {
  struct Row {
    /// Since the start of the recording.
    let time: Duration
    /// The client.
    let who: String
    /// `http`, `ws`, `pc`, `dc` or `note`.
    let channel: String
    /// `send` and `recv` as the client sees it, `open`, `close`, `abort`.
    let direction: String
    let value: JSONValue
  }

  let rows: [Row]

  init(_ name: String) throws {
    let file = Repository.fixture("traces/\(name).jsonl")
    let text = try String(contentsOfFile: file, encoding: .utf8)
    rows = try text.split(separator: "\n").map { line in
      let value = try JSONCoding.decode(JSONValue.self, from: String(line))
      guard case .number(let seconds) = value["dt"] else { throw CocoaError(.fileReadCorruptFile) }
      return Row(
        time: .seconds(seconds), who: value["who"].string ?? "", channel: value["ch"].string ?? "",
        direction: value["dir"].string ?? "", value: value)
    }
  }

  /// All that were recorded, but for the experiments, which have tests of their own.
  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: Repository.fixture("traces"))) ?? []
    return files.filter { $0.hasSuffix(".jsonl") && !$0.hasPrefix("experiments") }
      .map { String($0.dropLast(".jsonl".count)) }.sorted()
  }()
}
