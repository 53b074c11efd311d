import Foundation
import TalkProtocol
import TalkRoom
import TestSupport
import Testing

@testable import talkbridge

@Suite struct SecretsTests {
  /// All strings under these names, wherever they stand in a JSON value.
  private static func secrets(in value: JSONValue, under names: Set<String>) -> [String] {
    if let members = value.object {
      return members.flatMap { name, member in
        (names.contains(name) ? [member.string].compactMap { $0 } : []) + secrets(in: member, under: names)
      }
    }
    return value.array?.flatMap { secrets(in: $0, under: names) } ?? []
  }

  @Test func `nothing secret is told at the highest log level`() async throws {
    let ear = Eavesdropper()
    let password = "room-password-4711"
    func listen(_ options: inout EmbeddedRoom.Options, _ conversation: inout HostedConversation) {
      options.observer = { ear.listen($0) }
      conversation.password = password
    }
    try await withRoom(listen) { room, url in
      let run = try RunDirectory()
      let file = run.file("password.txt")
      try Data("\(password)\n".utf8).write(to: URL(filePath: file))
      let child = try talkbridge(
        [
          "join", url, "--input", "none", "--output", "none", "--log-level", "trace", "--room-password-file", file,
          "--duration", "3s",
        ])
      try await eventually("the call") { await !room.namesInCall(token).isEmpty }
      let commandLine = try String(contentsOfFile: "/proc/\(child.processIdentifier)/cmdline", encoding: .utf8)
      #expect(try await child.exit(within: .seconds(60)) == .code(0), "\(child.transcript)")
      // The session cookie of a reply stands in a line of its own before the body.
      let texts = ear.all.flatMap { $0.text.split(separator: "\n", maxSplits: 1).map(String.init) }
      let cookies = texts.filter { $0.hasPrefix("oc_") }.compactMap { $0.split(separator: "=").last.map(String.init) }
      #expect(!cookies.isEmpty)
      let heard = texts.map { (try? JSONCoding.decode(JSONValue.self, from: $0)) ?? .null }
        .flatMap {
          Self.secrets(in: $0, under: ["ticket", "token", "resumeid", "sessionId", "credential", "password"])
        }
      let passwords = ear.all.flatMap { $0.text.components(separatedBy: "a=ice-pwd:").dropFirst() }
        .map { String($0.prefix { $0.isLetter || $0.isNumber || $0 == "+" || $0 == "/" }) }
      let secrets = Set(heard + cookies + passwords + [password]).filter { $0.count >= 12 && $0 != token }
      #expect(secrets.count >= 5)
      for secret in secrets {
        #expect(!child.errorOutput.contains(secret) && !child.output.contains(secret))
        #expect(!commandLine.contains(secret))
      }
    }
  }
}
