import TalkProtocol
import TestSupport
import Testing
import Transport

@testable import Transcripts

@Suite struct TranscriptTests {
  private static func lines(_ traffic: Traffic...) throws -> [JSONValue] {
    let start = ContinuousClock.now
    var transcript = Transcript(start: start)
    return try traffic.map {
      let line = transcript.line($0, who: "me", at: start + .milliseconds(1500), date: 1_795_355_414.5)
      #expect(!line.contains("\n"))
      return try JSONCoding.decode(JSONValue.self, from: line)
    }
  }

  @Test func `a request and its reply are two lines, without their secrets`() throws {
    let url = "https://h/ocs/v2.php/apps/spreed/api/v4/room/abcd1234/participants/active"
    let lines = try Self.lines(
      .request(
        method: "POST", url: url, headers: ["Accept": "application/json"], cookies: [("oc", "cookie-value")],
        body: Array(#"{"password":"s3cret-word","force":true}"#.utf8)),
      .reply(
        url: url, status: 200, headers: ["Set-Cookie": "a=new-cookie; path=/", "X-Echo": "s3cret-word"],
        body: Array(#"{"ocs":{"data":{"sessionId":"0123456789","name":"Weekly"}}}"#.utf8)))
    let shown = "https://h/ocs/v2.php/apps/spreed/api/v4/room/redacted2/participants/active"
    #expect(
      lines[0] == [
        "t": "2026-11-22T13:50:14.500+00:00", "dt": .number(1.5), "who": "me", "ch": "http", "dir": "send",
        "method": "POST", "url": .string(shown), "headers": ["Accept": "application/json"],
        "cookies": ["oc": "redacted1"], "body": ["force": true, "password": "redacted3"],
      ])
    #expect(
      lines[1] == [
        "t": "2026-11-22T13:50:14.500+00:00", "dt": .number(1.5), "who": "me", "ch": "http", "dir": "recv",
        "status": 200, "url": .string(shown), "headers": ["X-Echo": "redacted3"], "setcookie": ["a=redacted4; path=/"],
        "body": ["ocs": ["data": ["sessionId": "redacted5", "name": "Weekly"]]],
      ])
  }

  @Test func `sockets, peer connections and their data channels have lines, too`() throws {
    let lines = try Self.lines(
      .socketOpened(url: "wss://h/spreed"),
      .messageSent(#"{"type":"hello","hello":{"auth":{"params":{"token":"x.y.z"}}}}"#),
      .messageReceived("no JSON"), .socketClosed(code: 1006, reason: "gone"),
      .peerState(peer: "pub", state: "connected"), .dataSent(peer: "pub", #"{"type":"audioOn"}"#),
      .requestFailed(url: "https://h/call/abcd1234", reason: "no"), .socketFailed(url: "wss://h/spreed", reason: "no"))
    #expect(
      lines.map { "\($0["ch"].string ?? "") \($0["dir"].string ?? "")" } == [
        "ws open", "ws send", "ws recv", "ws close", "pc state", "dc send", "http fail", "ws fail",
      ])
    #expect(lines[1]["msg"]["hello"]["auth"]["params"]["token"] == "redacted1")
    #expect(lines[2]["msg"] == "no JSON" && lines[3]["code"] == 1006)
    #expect(lines[5]["msg"] == #"{"type":"audioOn"}"#)
  }

  @Test func `bodies that are no text, or too long, are said to be left out`() throws {
    func body(_ bytes: [UInt8]) throws -> JSONValue {
      try Self.lines(.reply(url: "https://h", status: 200, headers: [:], body: bytes))[0]["body"]
    }
    #expect(try body([0xff, 0]) == "(2 bytes)")
    #expect(try body([UInt8](repeating: 32, count: 2 << 20)) == "(2097152 bytes)")
    #expect(try body([]) == "")
  }
}
