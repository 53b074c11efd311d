import AudioFiles
import Gateway
import PulseAudioIO
import TalkProtocol

/// What went wrong, for the user: one line, and the exit code.
struct Failure: Error {
  var message: String
  var status: ExitCause
  /// A short name that never changes, for `--json`.
  var identifier: String
  /// Whether the same attempt may work later.
  var isTransient = false

  init(_ message: String, _ status: ExitCause, identifier: String) {
    self.message = message
    self.status = status
    self.identifier = identifier
  }

  init(_ error: GatewayError) {
    switch error {
    case .call(let failure): self.init(failure)
    case .end(let error): self.init(end: error)
    case .library(let error): self.init("\(error)", .unexpected, identifier: "library")
    }
  }

  init(_ failure: CallFailure) {
    self.init(failure.description, ExitCause(failure), identifier: failure.identifier)
    isTransient = failure.isTransient
  }

  init(end error: any Error) {
    switch error {
    case let error as AudioFileError:
      switch error {
      case .missing, .unreadable, .notAudio, .readFailed:
        self.init(error.description, .inputUnusable, identifier: "input-unusable")
      case .diskFull: self.init(error.description, .diskFull, identifier: "disk-full")
      case .notWritable, .inUse, .writeFailed:
        self.init(error.description, .outputUnwritable, identifier: "output-unwritable")
      }
    case let error as PulseError: self.init(error.description, .noPulseAudio, identifier: "no-pulseaudio")
    default: self.init("\(error)", .unexpected, identifier: "unexpected")
    }
  }
}

extension ExitCause {
  init(_ failure: CallFailure) {
    self =
      switch failure {
      case .hostUnreachable, .noAnswer: .hostUnreachable
      case .tlsFailure: .tlsFailure
      case .notATalkServer, .movedElsewhere, .untrustedHost, .talkUnavailable, .talkTooOld: .notATalkServer
      case .unknownConversation, .loginNeeded, .federated, .conversationForbidden: .unknownRoom
      case .passwordNeeded, .passwordWrong: .passwordNeeded
      case .loginRefused: .loginRefused
      case .banned: .banned
      case .lobby: .lobby
      case .callsDisabled, .readOnly, .callForbidden, .callRefused: .callForbidden
      case .sessionLimit: .sessionLimit
      case .internalSecretRefused, .recordingSecretRefused: .secretRefused
      case .noSignalingServer, .noMediaServer: .noSignalingServer
      case .signalingRefused, .backendUnknownToSignaling, .roomRefused: .helloRefused
      case .signalingUnreachable, .callNotConfirmed: .signalingUnreachable
      case .noMediaPath: .noICEPath
      case .consentNeeded: .consentRequired
      case .endToEndEncrypted: .encryptedCall
      case .maintenance, .rateLimited, .serverError: .serverBusy
      case .removedFromCall, .removedFromConversation, .conversationGone, .takenOver: .removed
      }
  }
}
