import Audio
import Foundation
import Glibc
import Playout
import PulseAudioIO
import TalkProtocol
import TalkRoom
import TalkScenarios
import TestSupport
import Testing

@testable import Gateway
@testable import talkbridge

/// What programs are told with `--json`, and that the README says so.
@Suite struct EventTests {
  private static let loopback = ["--ice-address", "127.0.0.1"]

  private static func check(_ lines: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let schema = try EventSchema()
    for line in lines {
      let violations = schema.violations(line)
      #expect(violations.isEmpty, "\(line)", sourceLocation: sourceLocation)
    }
  }

  private static func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

  // MARK: Every event there is

  private static let participant: Participant = {
    var participant = Participant(id: ParticipantID(session: "someone"))
    participant.name = "Someone"
    return participant
  }()

  private static let phases: [CallPhase] = [
    .checkingServer, .waitingForServer(reason: "maintenance"), .joiningConversation, .connectingSignaling,
    .waitingInLobby(opensAt: nil),
    .waitingInLobby(opensAt: 1_900_000_000), .waitingForCall(.nobodyInCall), .waitingForCall(.mayNotStartCall),
    .enteringCall, .inCall, .reconnecting(reason: "the connection was lost"), .leaving, .finished,
  ]

  private static let reasons: [DepartureReason] = [
    .requested, .durationReached, .everybodyLeft, .readerGone, .endFailed,
  ]

  /// Those of each case of `CallEvent`. A new one is to be added here: the switch below does not compile without it.
  private static let callEvents: [CallEvent] = {
    let id = participant.id
    let all: [CallEvent] =
      phases.map { .phase($0) } + [
        .serverMoved(to: "https://elsewhere.example.com"), .conversationJoined(name: nil),
        .participantJoined(participant), .participantLeft(participant),
        .participantRenamed(id, name: "Other"), .participantMuted(id, true), .participantSpeaking(id, true),
        .participantRaisedHand(id, true), .participantReacted(id, "👍"), .receiving(id), .publishing,
        .publishingForbidden, .publishingFailed("no path"), .mutedByModerator, .microphoneMuted(true),
        .handRaised(true), .chatChanged, .recordingStatus(1),
      ]
    for event in all {
      switch event {
      case .phase, .serverMoved, .conversationJoined, .participantJoined, .participantLeft, .participantRenamed,
        .participantMuted,
        .participantSpeaking, .participantRaisedHand, .participantReacted, .receiving, .publishing,
        .publishingForbidden, .publishingFailed, .mutedByModerator, .microphoneMuted, .handRaised, .chatChanged,
        .recordingStatus:
        continue
      }
    }
    return all
  }()

  private static func everything() -> [String] {
    let outputs = [OutputStatus(rendered: .seconds(5), dropped: .milliseconds(1500))]
    let status = ParticipantStatus(
      participant: participant, isConnected: true, packetsReceived: 250, sound: .seconds(4),
      level: LevelMeter.Level(peak: -3, rms: -20), playout: PlayoutStatistics())
    let unheard = ParticipantStatus(
      participant: participant, isConnected: false, packetsReceived: 0, sound: .zero, level: .silence, playout: nil)
    var now = GatewayStatus(
      phase: .inCall, participants: [status, unheard], outputs: outputs, inputLevel: .silence, isMuted: false,
      hasRaisedHand: true)
    now.outbound = OutboundStatus(packetsSent: 50, bytesSent: 4000, targetBitrate: 32_000, expectedLoss: 0.01)
    let summary = CallSummary(
      outcome: .left, reason: .requested, participants: [status, unheard], outputs: outputs)
    let gateway: [GatewayEvent] =
      callEvents.map { .call($0) } + [.started, .heard(participant.id)] + reasons.map { .leaving($0) }
    let devices: [PulseEvent] = [
      .lost(reason: "gone"), .restored(device: "a"), .moved(device: "b"), .suspended, .resumed,
    ]
    let lines =
      gateway.compactMap { EventLine($0) } + devices.map { .device("output", $0) } + [
        .statistics(now), .finished(summary, status: .success), .soundDropped(0, outputs[0]), .warning("careful"),
        .sent("Hello", id: nil), .notSent("Hello", .chatForbidden), .chatInterrupted(.notSent), .chatRestored(),
        .failed(Failure("it failed", .unexpected, identifier: "unexpected")),
        .log("a message", level: "debug", ["peer": "1"]),
      ]
    return lines.map(\.text)
  }

  @Test func `every event of a call is in the README, and nothing there that is not`() throws {
    let lines = Self.everything()
    try Self.check(lines)
    let schema = try EventSchema()
    // Of other commands, whose tests print them.
    let others = ["conversation", "following", "interrupted", "restored"]
    let documented = schema.members.filter { member in !others.contains { member == $0 || member.hasPrefix("\($0).") } }
    #expect(documented.subtracting(EventSchema.members(in: lines)) == [])
    #expect(others.allSatisfy { schema.events[$0] != nil })
  }

  @Test func `the words for phases, reasons and outcomes are in the README, and no others`() throws {
    let schema = try EventSchema()
    let objects = Self.everything().compactMap(EventSchema.object)
    func values(_ event: String, _ member: String) -> Set<String> {
      Set(objects.filter { $0["event"].string == event }.compactMap { $0[member].string })
    }
    #expect(schema.values["phase"] == values("phase", "phase").union(["opensAt"]))
    #expect(schema.values["leaving"] == values("leaving", "reason"))
    #expect(schema.values["finished"] == ["left", "call-ended"])
  }

  @Test func `what commands a terminal is escaped in JSON, and means the same`() throws {
    let name = "a\u{9B}31m\u{7F}\u{202E}b\u{2028}\u{E0001}\u{1B}[2J👩‍👧"
    let line = EventLine("warning", ["message": .string(name)]).text
    #expect(EventSchema.object(line)?["message"].string == name)
    #expect(
      line.unicodeScalars.allSatisfy { scalar in
        // What joins emoji joins letters of some scripts, too.
        scalar == "\u{200D}" || ![.control, .format, .lineSeparator].contains(scalar.properties.generalCategory)
      }, "\(line)")
  }

  // MARK: A whole call

  @Test func `the lines of a whole call are as the README says`() async throws {
    let run = try RunDirectory()
    try await withRoom { room, url in
      let log = run.file("events")
      let child = try talkbridge(
        [
          "join", url, "--name", "Anna", "--input", "none", "--output", run.file("call.wav"), "--json", "--log-level",
          "debug",
        ],
        output: .file(log))
      func lines() -> [String] { Self.lines((try? String(contentsOfFile: log, encoding: .utf8)) ?? "") }
      func events(_ event: String) -> [JSONValue] {
        lines().compactMap(EventSchema.object).filter { $0["event"].string == event }
      }
      func sees(_ event: String, times: Int = 1) async throws {
        do { try await eventually("\(event) #\(times)") { events(event).count >= times } } catch {
          throw DeadlineExceeded(description: "\(error): \(lines().suffix(40).joined(separator: "\n"))")
        }
      }
      try await sees("publishing")
      try await withGuest("Grete", at: url) { guest in
        try await guest.publishAndConnect()
        try await sees("heard")
        let heard = try #require(events("heard").first?["participant"].string)
        #expect(await guest.session == heard)
        try await guest.say(#"{"type":"speaking"}"#)
        try await sees("participant-speaking")
        try await guest.say(#"{"type":"audioOff"}"#)
        try await sees("participant-muted")
        let own = await guest.session
        let us = try #require(
          await guest.inbox.flatMap { message in
            (message["event"]["update"]["users"].array ?? []).map { $0["sessionId"].string }
              + (message["event"]["join"].array ?? []).map { $0["sessionid"].string }
          }.compactMap(\.self).first { $0 != own })
        for (type, payload) in [
          ("raiseHand", ["state": true, "timestamp": 1] as JSONValue), ("reaction", ["reaction": "👍"]),
          ("nickChanged", ["name": "Margarete"]),
        ] {
          await guest.send(to: us, ["type": .string(type), "roomType": "video", "payload": payload])
        }
        try await sees("participant-raised-hand")
        try await sees("participant-reacted")
        try await eventually("the new name") {
          events("participant-renamed").contains { $0["name"].string == "Margarete" }
        }
        await room.write(["Hello"], as: "Grete", in: token)
        try await sees("chat-changed")
        child.send(SIGUSR1)
        try await sees("microphone-muted")
        try await sees("statistics", times: 3)
        try await guest.leaveCall()
        try await sees("participant-left")
      }
      child.send(SIGINT)
      #expect(try await child.exit() == .code(0), "\(child.transcript)")
      try Self.check(lines())
      let seen = Set(lines().compactMap(EventSchema.object).compactMap { $0["event"].string })
      #expect(
        seen.isSuperset(of: [
          "phase", "conversation-joined", "started", "participant-joined", "receiving", "leaving", "finished",
          "log",
        ]), "\(seen)")
      #expect(EventSchema.object(lines().last ?? "")?["event"].string == "finished")
      #expect(child.errorOutput == "")
    }
  }

  @Test func `where standard output carries sound all of standard error is JSON, the log and a failure too`()
    async throws
  {
    try await withRoom { room, url in
      try await withGuest(at: url) { _ in
        let child = try talkbridge(["record", url, "--output", "-", "--json", "--log-level", "trace"])
        try await eventually("some sound") { child.outputBytes.count > 48_000 }
        await room.delete(token)
        #expect(try await child.exit() == .code(ExitCause.removed.rawValue), "\(child.errorOutput)")
        let lines = Self.lines(child.errorOutput)
        try Self.check(lines)
        #expect(lines.contains { $0.contains(#""event":"log""#) })
        #expect(EventSchema.object(lines.last ?? "")?["event"].string == "failed")
        #expect(Speech.samples(ofRaw: child.outputBytes).allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func `what cannot begin fails as an event, whatever the command`() async throws {
    for words in [
      ["join", "nowhere", "--json"], ["record", "nowhere", "--output", "-", "--json"], ["watch", "nowhere", "--json"],
      ["watch", "nowhere", "--json", "--room-password-file", "/nowhere"],
      ["rooms", "nowhere", "--user", "a", "--json"],
      ["chat", "read", "nowhere", "--json"], ["chat", "follow", "nowhere", "--json"],
    ] {
      let child = try ChildProcess("talkbridge", words)
      try await child.exit()
      let lines = Self.lines(words.contains("-") ? child.errorOutput : child.output)
      try Self.check(lines)
      #expect(lines.count == 1)
      #expect(lines.first?.contains(#""event":"failed""#) ?? false, "\(child.transcript)")
    }
  }
}
