internal import FoundationEssentials

/// What a user wants to know.
public enum CallEvent: Hashable, Sendable {
  case phase(CallPhase)
  /// The server is at this address now, and we go on there.
  case serverMoved(to: String)
  /// We are in the conversation; its name as people gave it.
  case conversationJoined(name: String?)
  case participantJoined(Participant)
  case participantLeft(Participant)
  case participantRenamed(ParticipantID, name: String)
  case participantMuted(ParticipantID, Bool)
  case participantSpeaking(ParticipantID, Bool)
  case participantRaisedHand(ParticipantID, Bool)
  case participantReacted(ParticipantID, String)
  /// Media of this participant can arrive from now on.
  case receiving(ParticipantID)
  /// What we send reaches the media server.
  case publishing
  /// We may not speak here (any more).
  case publishingForbidden
  /// We cannot speak, for the reason given; listening goes on.
  case publishingFailed(String)
  case mutedByModerator
  /// Our own microphone was turned off or on, by whomever.
  case microphoneMuted(Bool)
  /// Our own hand was raised or lowered.
  case handRaised(Bool)
  /// There is something new in the chat.
  case chatChanged
  /// 0 none, 1 video, 2 audio, 3 and 4 starting, 5 failed.
  case recordingStatus(Int)
}

/// Where a session is on its way, and what it waits for.
public enum CallPhase: Hashable, Sendable, CustomStringConvertible {
  public enum Wait: Hashable, Sendable {
    case nobodyInCall
    case mayNotStartCall
  }

  case idle
  case checkingServer
  /// It was reached, and is in maintenance.
  case waitingForServer(reason: String)
  case joiningConversation
  case connectingSignaling
  /// `opensAt` is in seconds since 1970, where a moderator has set a time.
  case waitingInLobby(opensAt: Int?)
  case waitingForCall(Wait)
  case enteringCall
  case inCall
  case reconnecting(reason: String)
  case leaving
  case finished

  public var description: String {
    switch self {
    case .idle: "not started"
    case .checkingServer: "asking the server what it can do"
    case .waitingForServer(let reason): "waiting for the server: \(reason)"
    case .joiningConversation: "joining the conversation"
    case .connectingSignaling: "connecting to the signaling server"
    case .waitingInLobby(nil): "waiting in the lobby until a moderator opens it"
    case .waitingInLobby(let time?): "waiting in the lobby, which opens at \(Self.date(time))"
    case .waitingForCall(.nobodyInCall): "waiting until somebody is in the call"
    case .waitingForCall(.mayNotStartCall): "waiting until somebody starts the call, which we may not"
    case .enteringCall: "entering the call"
    case .inCall: "in the call"
    case .reconnecting(let reason): "reconnecting: \(reason)"
    case .leaving: "leaving"
    case .finished: "finished"
    }
  }

  private static func date(_ seconds: Int) -> String {
    let style = Date.ISO8601FormatStyle().year().month().day().dateTimeSeparator(.space).time(
      includingFractionalSeconds: false)
    return Date(timeIntervalSince1970: Double(seconds)).formatted(style) + " UTC"
  }
}

/// How a session ended.
public enum CallOutcome: Hashable, Sendable {
  /// The user left.
  case left
  /// The call ended for everybody.
  case callEnded
  case failed(CallFailure)
}
