import FoundationEssentials
import HTTPClient

/// The other side's signaling: offers and answers by HTTP.
struct Publisher: Sendable {
  private struct Description: Codable {
    let sdp: String
    let type: String
  }

  private struct Info: Decodable {
    let t0: Double
  }

  private let session = HTTPSession()
  private let base: String

  init(port: UInt16) { base = "http://127.0.0.1:\(port)" }

  /// When the first sample of the speech left, in seconds since 1970.
  func mediaStart() async throws -> Double { try await get(Info.self, "/info").t0 }

  func offer(of index: Int) async throws -> String { try await get(Description.self, "/offer?i=\(index)").sdp }

  func take(answer: String, of index: Int) async throws {
    let body = try JSONEncoder().encode(Description(sdp: answer, type: "answer"))
    _ = try await session.send(HTTPRequest("POST", "\(base)/answer?i=\(index)", body: Array(body)))
  }

  private func get<Reply: Decodable>(_: Reply.Type, _ path: String) async throws -> Reply {
    try JSONDecoder().decode(Reply.self, from: Data(try await session.send(HTTPRequest("GET", base + path)).body))
  }
}
