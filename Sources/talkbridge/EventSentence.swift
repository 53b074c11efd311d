import Gateway
import Playout
import TalkProtocol

/// Events in words.
struct EventSentence {
  /// As far as they are known.
  private(set) var names: [ParticipantID: String] = [:]
  /// Of whom it is not said yet that they are there, for want of a name.
  private var unnamed: Set<ParticipantID> = []
  /// As far as it is known.
  private var isMuted: [ParticipantID: Bool] = [:]

  /// What happened, in a line; nil for what is not worth one.
  mutating func sentence(for event: GatewayEvent) -> String? {
    switch event {
    case .call(let event): sentence(for: event)
    case .started: nil
    case .heard(let id): "hearing \(name(id))"
    case .leaving(.requested): "leaving"
    case .leaving(.durationReached): "leaving: the time is over"
    case .leaving(.everybodyLeft): "leaving: everybody else has left"
    case .leaving(.readerGone): "leaving: nobody reads the output any more"
    case .leaving(.endFailed): "leaving: an input or output failed"
    }
  }

  private mutating func sentence(for event: CallEvent) -> String? {
    switch event {
    case .phase(.checkingServer), .phase(.joiningConversation), .phase(.idle), .phase(.finished), .phase(.leaving):
      return nil
    case .phase(let phase): return phase.description
    case .serverMoved(let address): return "the server is at \(address)"
    case .conversationJoined(let name): return "conversation: \(name ?? "without a name")"
    case .participantJoined(let participant):
      names[participant.id] = participant.name
      guard participant.name != nil else {
        unnamed.insert(participant.id)
        return nil
      }
      return "\(name(participant.id)) is in the call"
    case .participantLeft(let participant):
      unnamed.remove(participant.id)
      isMuted[participant.id] = nil
      return "\(name(participant.id)) left the call"
    case .participantRenamed(let id, let name):
      defer { names[id] = name }
      return unnamed.remove(id) == nil ? "\(self.name(id)) is now \(name)" : "\(name) is in the call"
    case .participantMuted(let id, let isMuted):
      // As what somebody comes is nothing to tell.
      guard let before = self.isMuted.updateValue(isMuted, forKey: id), before != isMuted else { return nil }
      return "\(name(id)) \(isMuted ? "muted" : "unmuted")"
    case .participantSpeaking, .receiving, .chatChanged: return nil
    case .participantRaisedHand(let id, let raised): return "\(name(id)) \(raised ? "raised" : "lowered") a hand"
    case .participantReacted(let id, let reaction): return "\(name(id)) reacts with \(reaction)"
    case .publishing: return "others can hear us"
    case .publishingForbidden: return "we are not allowed to speak here; listening until we are"
    case .publishingFailed(let reason): return "others cannot hear us: \(reason)"
    case .mutedByModerator: return "a moderator muted us"
    case .microphoneMuted(let isMuted): return isMuted ? "our microphone is off" : "our microphone is on"
    case .handRaised(let raised): return raised ? "our hand is raised" : "our hand is down"
    case .recordingStatus(let status):
      switch status {
      case 0: return "the server records this call no more"
      case 1, 2: return "the server records this call"
      default: return nil
      }
    }
  }

  /// How it went: a line, and one for each participant.
  /// - Parameter stay: How long we were in the call, where no output knows it better; nil if we were in none.
  static func lines(for summary: CallSummary, stay: Duration?) -> [String] {
    guard let stay else { return ["left without having been in a call"] }
    let time = summary.outputs.map(\.rendered).max() ?? stay
    let end = summary.outcome == .callEnded ? "the call ended" : "left"
    var text = "\(end) after \(LiveDisplay.clock(time)) in the call"
    let dropped = summary.outputs.map(\.dropped).reduce(.zero, +)
    if dropped > .zero { text += "; \(milliseconds(dropped)) ms of it are lost, for an output was read too slowly" }
    return [text + (summary.participants.isEmpty ? "; nobody else was there" : "; heard:")]
      + summary.participants.map { "  " + heard($0) }
  }

  /// What was heard of a participant.
  static func heard(_ status: ParticipantStatus) -> String {
    let loss = loss(of: status).map { ", loss \($0)" } ?? ""
    // Without an output nobody has listened to what is in them.
    let sound = status.playout == nil ? "" : "\(seconds(status.sound)) s of sound in "
    return "\(name(status.participant.name, status.participant.id)): \(sound)\(status.packetsReceived) packets\(loss)"
  }

  /// In percent of the packets that should have come; nil before the first.
  static func loss(of status: ParticipantStatus) -> String? {
    guard let playout = status.playout, playout.packetsReceived > 0 else { return nil }
    let all = playout.packetsReceived + playout.packetsLost
    let tenths = Int((1000 * Double(playout.packetsLost) / Double(all)).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
  }

  /// Sound that was made up because packets were lost or late, in percent of all; nil where it is none.
  static func madeUp(in playout: PlayoutStatistics) -> String? {
    let heard = playout.concealedSamples - playout.silentConcealedSamples
    guard heard > 0, playout.totalSamplesReceived > 0 else { return nil }
    let tenths = Int((1000 * Double(heard) / Double(playout.totalSamplesReceived)).rounded())
    return tenths > 0 ? "\(tenths / 10).\(tenths % 10) %" : nil
  }

  static func seconds(_ duration: Duration) -> String {
    let tenths = duration.components.seconds * 10 + duration.components.attoseconds / 100_000_000_000_000_000
    return "\(tenths / 10).\(tenths % 10)"
  }

  static func milliseconds(_ duration: Duration) -> Int64 { Int64(duration / .milliseconds(1)) }

  /// Who has no name, or none yet, is told apart by a piece of the address.
  static func name(_ name: String?, _ id: ParticipantID) -> String {
    name.flatMap { $0.isEmpty ? nil : $0 } ?? "guest \(id.session.prefix(4))"
  }

  private func name(_ id: ParticipantID) -> String { Self.name(names[id], id) }
}
