import Audio
import FoundationEssentials
import Gateway
import Playout
import PulseAudioIO
import TalkProtocol

/// An event as a line of JSON. The schema is documented in the README and only ever grows.
struct EventLine {
  private let members: [String: JSONValue]

  init(_ event: String, _ members: [String: JSONValue] = [:], at time: Date = .now) {
    self.members = members.merging([
      "event": .string(event),
      "time": .string(time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))),
    ]) { own, _ in own }
  }

  var text: String { JSONLine.text(.object(members)) }

  /// Nil for what is of no use outside.
  init?(_ event: GatewayEvent) {
    switch event {
    case .started:
      self.init(
        "started",
        [
          "codec": .string(GatewayCodec.library),
          "concealment": .string(GatewayCodec.concealsByNetwork ? "neural" : "classic"),
        ])
    case .heard(let id): self.init("heard", ["participant": .string(id.session)])
    case .leaving(let reason): self.init("leaving", ["reason": .string(Self.name(of: reason))])
    case .call(let event): self.init(event)
    }
  }

  private init?(_ event: CallEvent) {
    func about(_ id: ParticipantID, _ more: [String: JSONValue] = [:]) -> [String: JSONValue] {
      more.merging(["participant": .string(id.session)]) { own, _ in own }
    }
    switch event {
    case .phase(let phase):
      var members: [String: JSONValue] = [
        "phase": .string(phase.identifier), "message": .string(phase.description),
      ]
      if case .waitingInLobby(let time) = phase {
        members["opensAt"] =
          time.map { .string(Date(timeIntervalSince1970: Double($0)).formatted(.iso8601)) } ?? .null
      }
      self.init("phase", members)
    case .serverMoved(let address): self.init("server-moved", ["address": .string(address)])
    case .conversationJoined(let name):
      self.init("conversation-joined", ["name": name.map { .string($0) } ?? .null])
    case .participantJoined(let participant):
      self.init("participant-joined", about(participant.id, ["name": participant.name.map { .string($0) } ?? .null]))
    case .participantLeft(let participant): self.init("participant-left", about(participant.id))
    case .participantRenamed(let id, let name): self.init("participant-renamed", about(id, ["name": .string(name)]))
    case .participantMuted(let id, let isMuted): self.init("participant-muted", about(id, ["muted": .bool(isMuted)]))
    case .participantSpeaking(let id, let isSpeaking):
      self.init("participant-speaking", about(id, ["speaking": .bool(isSpeaking)]))
    case .participantRaisedHand(let id, let raised):
      self.init("participant-raised-hand", about(id, ["raised": .bool(raised)]))
    case .participantReacted(let id, let reaction):
      self.init("participant-reacted", about(id, ["reaction": .string(reaction)]))
    case .receiving(let id): self.init("receiving", about(id))
    case .publishing: self.init("publishing")
    case .publishingForbidden: self.init("publishing-forbidden")
    case .publishingFailed(let reason): self.init("publishing-failed", ["message": .string(reason)])
    case .mutedByModerator: self.init("muted-by-moderator")
    case .microphoneMuted(let isMuted): self.init("microphone-muted", ["muted": .bool(isMuted)])
    case .handRaised(let raised): self.init("hand-raised", ["raised": .bool(raised)])
    case .chatChanged: self.init("chat-changed")
    case .recordingStatus(let status): self.init("recording-status", ["status": .number(Double(status))])
    }
  }

  /// Once a second: how everything is.
  static func statistics(_ status: GatewayStatus) -> EventLine {
    EventLine(
      "statistics",
      [
        "phase": .string(status.phase.identifier), "muted": .bool(status.isMuted),
        "handRaised": .bool(status.hasRaisedHand),
        "outputs": .array(status.outputs.map { output($0) }), "inputLevel": level(status.inputLevel),
        "participants": .array(status.participants.map { participant($0) }),
        "outbound": status.outbound.map { outbound($0) } ?? .null,
      ])
  }

  static func finished(_ summary: CallSummary, status: ExitCause) -> EventLine {
    let outcome =
      switch summary.outcome {
      case .left: "left"
      case .callEnded: "call-ended"
      case .failed: "failed"
      }
    return EventLine(
      "finished",
      [
        "outcome": .string(outcome), "reason": summary.reason.map { .string(name(of: $0)) } ?? .null,
        "exitCode": .number(Double(status.rawValue)), "outputs": .array(summary.outputs.map { output($0) }),
        "participants": .array(summary.participants.map { participant($0) }),
      ])
  }

  /// An output does not get rid of its sound.
  /// - Parameter index: Of the output.
  static func soundDropped(_ index: Int, _ status: OutputStatus) -> EventLine {
    EventLine(
      "sound-dropped", ["output": .number(Double(index)), "droppedSeconds": .number(status.dropped.inSeconds)])
  }

  /// What we wrote into the chat.
  static func sent(_ text: String, id: Int?) -> EventLine {
    EventLine("sent", ["text": .string(text), "id": id.map { .number(Double($0)) } ?? .null])
  }

  static func notSent(_ text: String, _ failure: ChatFailure) -> EventLine {
    let members: [String: JSONValue] = [
      "text": .string(text), "error": .string(failure.identifier), "message": .string("\(failure)"),
    ]
    return EventLine("not-sent", members)
  }

  static func chatInterrupted(_ failure: ChatFailure) -> EventLine {
    EventLine("chat-interrupted", ["message": .string("\(failure)")])
  }

  static func chatRestored() -> EventLine { EventLine("chat-restored") }

  static func warning(_ message: String) -> EventLine { EventLine("warning", ["message": .string(message)]) }

  static func log(_ message: String, level: String, _ details: [String: String]) -> EventLine {
    EventLine(
      "log",
      ["level": .string(level), "message": .string(message), "details": .object(details.mapValues { .string($0) })])
  }

  /// A device of an end has come, gone or changed.
  static func device(_ end: String, _ event: PulseEvent) -> EventLine {
    let name =
      switch event {
      case .lost: "device-lost"
      case .restored: "device-restored"
      case .moved: "device-moved"
      case .suspended: "device-suspended"
      case .resumed: "device-resumed"
      }
    return EventLine(name, ["end": .string(end)])
  }

  static func failed(_ failure: Failure) -> EventLine {
    EventLine(
      "failed",
      [
        "error": .string(failure.identifier), "message": .string(failure.message),
        "exitCode": .number(Double(failure.status.rawValue)),
      ])
  }

  private static func output(_ status: OutputStatus) -> JSONValue {
    ["renderedSeconds": .number(status.rendered.inSeconds), "droppedSeconds": .number(status.dropped.inSeconds)]
  }

  private static func outbound(_ status: OutboundStatus) -> JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    return [
      "packetsSent": .number(Double(status.packetsSent)), "bytesSent": .number(Double(status.bytesSent)),
      "targetBitrate": .number(Double(status.targetBitrate)), "expectedLoss": .number(status.expectedLoss),
      "fractionLost": number(status.fractionLost), "packetsLost": number(status.packetsLost.map { Double($0) }),
      "roundTripTime": number(status.roundTripTime), "jitter": number(status.jitter),
    ]
  }

  /// Counters have the names of W3C webrtc-stats; times are in seconds, levels in dBFS.
  private static func participant(_ status: ParticipantStatus) -> JSONValue {
    var members: [String: JSONValue] = [
      "participant": .string(status.participant.id.session),
      "name": status.participant.name.map { .string($0) } ?? .null, "connected": .bool(status.isConnected),
      "packetsReceived": .number(Double(status.packetsReceived)), "level": level(status.level),
    ]
    members["jitter"] = status.jitter.map { .number($0) } ?? .null
    if let playout = status.playout {
      let counters: [(String, Int)] = [
        ("packetsLost", playout.packetsLost), ("packetsDiscarded", playout.packetsDiscarded),
        ("packetsDuplicated", playout.packetsDuplicated), ("fecPacketsReceived", playout.fecPacketsReceived),
        ("fecPacketsDiscarded", playout.fecPacketsDiscarded), ("fecPacketsUsed", playout.fecPacketsUsed),
        ("totalSamplesReceived", playout.totalSamplesReceived),
        ("concealedSamples", playout.concealedSamples), ("silentConcealedSamples", playout.silentConcealedSamples),
        ("concealmentEvents", playout.concealmentEvents),
        ("insertedSamplesForDeceleration", playout.insertedSamplesForDeceleration),
        ("removedSamplesForAcceleration", playout.removedSamplesForAcceleration),
        ("jitterBufferEmittedCount", playout.jitterBufferEmittedCount),
      ]
      for (name, value) in counters { members[name] = .number(Double(value)) }
      members["jitterBufferMinimumDelay"] = .number(playout.jitterBufferMinimumDelay.inSeconds)
      members["targetDelay"] = .number(playout.targetDelay.inSeconds)
      members["jitterBufferDelay"] = .number(playout.jitterBufferDelay.inSeconds)
      members["jitterBufferTargetDelay"] = .number(playout.jitterBufferTargetDelay.inSeconds)
    }
    return .object(members)
  }

  private static func level(_ level: LevelMeter.Level?) -> JSONValue {
    guard let level, level.rms.isFinite else { return .null }
    return .number(Double((level.rms * 10).rounded() / 10))
  }

  private static func name(of reason: DepartureReason) -> String {
    switch reason {
    case .requested: "requested"
    case .durationReached: "duration-reached"
    case .everybodyLeft: "everybody-left"
    case .readerGone: "reader-gone"
    case .endFailed: "end-failed"
    }
  }
}

extension TextStream {
  /// Writes an event; one a line.
  func write(_ line: EventLine) { write(line.text + "\n") }
}

extension CallPhase {
  /// A short name that never changes, for programs.
  fileprivate var identifier: String {
    switch self {
    case .idle: "idle"
    case .checkingServer: "checking-server"
    case .waitingForServer: "waiting-for-server"
    case .joiningConversation: "joining-conversation"
    case .connectingSignaling: "connecting-signaling"
    case .waitingInLobby: "waiting-in-lobby"
    case .waitingForCall(.nobodyInCall): "waiting-for-call"
    case .waitingForCall(.mayNotStartCall): "waiting-for-start"
    case .enteringCall: "entering-call"
    case .inCall: "in-call"
    case .reconnecting: "reconnecting"
    case .leaving: "leaving"
    case .finished: "finished"
    }
  }
}

extension Duration {
  fileprivate var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
