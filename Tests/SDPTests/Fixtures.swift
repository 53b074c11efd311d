import Foundation
import SDP

/// Descriptions recorded from Chromium, Janus and aiortc; each file's name says who said it to whom.
enum Fixture {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../Fixtures/sdp").standardized

  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".sdp") }.map { String($0.dropLast(4)) }.sorted()
  }()

  static func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: name + ".sdp"), encoding: .utf8)
  }

  static func description(_ name: String) throws -> SessionDescription {
    try SessionDescription(parsing: text(name))
  }
}

/// Our side in the tests.
enum Ours {
  static let endpoint = LocalEndpoint(
    sessionID: 4_611_686_018_427_387_904,
    credentials: ICECredentials(usernameFragment: "Ours", password: "0123456789abcdefghijkl"),
    fingerprint: Fingerprint(algorithm: "sha-256", digest: Array(0..<32)))
  static let source = AudioSource(ssrc: 12345, canonicalName: "name0", streamID: "stream0", trackID: "track0")
  static let fingerprintLine =
    "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"
}

/// Lines joined as a description has them.
func lines(_ text: String) -> String {
  text.split(separator: "\n").map { $0 + "\r\n" }.joined()
}
