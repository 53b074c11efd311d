import Gateway
import Playout
import TalkProtocol

/// Events in words.
struct EventSentence {
  /// As far as they are known.
  var names: [ParticipantID: String]

  /// Nil for what is not worth a line.
  func sentence(for event: GatewayEvent) -> String? {
    switch event {
    case .call(let event): sentence(for: event)
    case .started: nil
    case .heard(let id): "\(name(id)) is heard"
    case .leaving(.requested): "leaving"
    case .leaving(.durationReached): "leaving: the time is over"
    case .leaving(.everybodyLeft): "leaving: everybody else has left"
    case .leaving(.readerGone): "leaving: nobody reads the output any more"
    case .leaving(.endFailed): "leaving: an input or output failed"
    }
  }

  private func sentence(for event: CallEvent) -> String? {
    switch event {
    case .phase(.checkingServer), .phase(.joiningConversation), .phase(.idle), .phase(.finished), .phase(.leaving): nil
    case .phase(let phase): phase.description
    case .conversationJoined(let name): "conversation: \(LiveDisplay.printable(name ?? "without a name"))"
    case .participantJoined(let participant): "\(name(participant.id)) is in the call"
    case .participantLeft(let participant): "\(name(participant.id)) left the call"
    case .participantRenamed(_, let name): "a participant is called \(LiveDisplay.printable(name))"
    case .participantMuted(let id, let isMuted): "\(name(id)) \(isMuted ? "muted" : "unmuted")"
    case .participantSpeaking, .receiving, .chatChanged: nil
    case .participantRaisedHand(let id, let raised): "\(name(id)) \(raised ? "raised" : "lowered") a hand"
    case .participantReacted(let id, let reaction): "\(name(id)): \(LiveDisplay.printable(reaction))"
    case .publishing: "others can hear us"
    case .publishingForbidden: "we are not allowed to speak here; listening until we are"
    case .publishingFailed(let reason): "others cannot hear us: \(LiveDisplay.printable(reason))"
    case .mutedByModerator: "a moderator muted us"
    case .microphoneMuted(let isMuted): isMuted ? "our microphone is off" : "our microphone is on"
    case .handRaised(let raised): raised ? "our hand is raised" : "our hand is down"
    case .recordingStatus(let status): status == 0 ? "the server's own recording ended" : nil
    }
  }

  func summary(of summary: CallSummary) -> String {
    let recorded = summary.rendered.max() ?? .zero
    let end =
      switch summary.outcome {
      case .left: "left"
      case .callEnded: "the call ended"
      case .failed: "failed"
      }
    return
      "\(end) after \(EventSentence.seconds(recorded)) s of sound from \(summary.participants.count) participant(s)"
  }

  static func seconds(_ duration: Duration) -> String {
    let tenths = duration.components.seconds * 10 + duration.components.attoseconds / 100_000_000_000_000_000
    return "\(tenths / 10).\(tenths % 10)"
  }

  private func name(_ id: ParticipantID) -> String { LiveDisplay.printable(names[id] ?? "guest \(id)") }
}
