import Foundation
import GLibLoop
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport

@testable import talkbridge

/// The conversation that `withRoom` hosts.
let token = "testroom"

/// Runs `body` with an embedded room of one conversation, and closes it whatever happens.
/// - Parameter change: What is special about room and conversation.
func withRoom(
  _ change: (inout EmbeddedRoom.Options, inout HostedConversation) -> Void = { _, _ in },
  _ body: (_ room: EmbeddedRoom, _ url: String) async throws -> Void
) async throws {
  var options = EmbeddedRoom.Options()
  var conversation = HostedConversation(token: token, name: "Test room")
  change(&options, &conversation)
  let room = EmbeddedRoom(options, conversations: [conversation])
  try await trying {
    try await body(room, try await room.start() + "/call/\(token)")
  } finally: {
    await room.stop()
  }
}

/// Runs `body` while somebody is in the call who says nothing.
func withGuest(
  _ name: String = "Guest", at url: String, flags: Int = 3, _ body: (CallGuest) async throws -> Void
) async throws {
  let guest = CallGuest(base: String(url.dropLast("/call/\(token)".count)), token: token)
  try await trying {
    try await guest.enterCall(flags: flags, name: name)
    try await body(guest)
  } finally: {
    await guest.close()
  }
}

/// Runs `body` and then, whatever happened, `end`.
func trying(_ body: () async throws -> Void, finally end: () async -> Void) async throws {
  let result: Result<Void, any Error>
  do { result = .success(try await body()) } catch { result = .failure(error) }
  await end()
  try result.get()
}

/// Starts the program to take part in a call on loopback.
func talkbridge(
  _ words: [String], environment: [String: String] = [:], input: ChildProcess.Stream = .standard,
  output: ChildProcess.Stream = .standard, errorOutput: ChildProcess.Stream = .standard
) throws -> ChildProcess {
  try ChildProcess(
    "talkbridge", words + ["--ice-address", "127.0.0.1"], environment: environment, input: input, output: output,
    errorOutput: errorOutput)
}

extension ChildProcess {
  /// Waits until the program has said this on standard error.
  func says(_ words: String, times: Int = 1) async throws { try await shows(words, times: times) { errorOutput } }

  /// Waits until the program has printed this on standard output.
  func tells(_ words: String, times: Int = 1) async throws { try await shows(words, times: times) { output } }

  private func shows(_ words: String, times: Int, in text: () -> String) async throws {
    do {
      try await eventually("“\(words)”") {
        let hasEnded = exitStatus != nil
        if text().count(of: words) >= times { return true }
        guard !hasEnded else { throw DeadlineExceeded(description: "it ended without “\(words)”") }
        return false
      }
    } catch let error as DeadlineExceeded {
      throw DeadlineExceeded(description: "\(error.description): \(transcript)")
    }
  }
}

extension String {
  func count(of words: String) -> Int { components(separatedBy: words).count - 1 }
}

/// Keeps what room and clients say to each other.
final class Eavesdropper: Sendable {
  private let heard = Locked<[RoomTraffic]>([])

  var all: [RoomTraffic] { heard.withLock { $0 } }

  func listen(_ traffic: RoomTraffic) { heard.withLock { $0.append(traffic) } }

  /// The bodies of requests of this method whose path begins so, below Talk's API.
  func requests(_ method: String, _ path: String) -> [JSONValue] {
    all.filter { $0.direction == .received && $0.title.hasPrefix("\(method) /ocs/v2.php/apps/spreed/api/\(path)") }
      .map { (try? JSONCoding.decode(JSONValue.self, from: $0.text)) ?? .null }
  }
}
