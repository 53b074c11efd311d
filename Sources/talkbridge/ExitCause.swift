import ArgumentParser

/// The program's exit codes: one for each thing a user or a script would react to differently.
///
/// They are a promise (README, `--help`): a number never changes its meaning.
enum ExitCause: Int32, CaseIterable {
  case success = 0
  case unexpected = 1
  case heardNothing = 3
  case notAnAddress = 10
  case hostUnreachable = 11
  case tlsFailure = 12
  case notATalkServer = 13
  case unknownRoom = 14
  case passwordNeeded = 15
  case banned = 16
  case lobby = 17
  case callForbidden = 18
  case sessionLimit = 19
  case noSignalingServer = 20
  case helloRefused = 21
  case noICEPath = 22
  case consentRequired = 23
  case encryptedCall = 24
  case loginRefused = 25
  case removed = 26
  case serverBusy = 27
  case signalingUnreachable = 28
  case secretRefused = 29
  case inputUnusable = 30
  case outputUnwritable = 31
  case diskFull = 32
  case noPulseAudio = 33
  case portUnusable = 34
  case chatForbidden = 40
  case messageRefused = 41
  case maybeSent = 42
  case sessionFileUnusable = 43
  case defective = 50
  case usage = 64
  case interrupted = 130

  var code: ExitCode { ExitCode(rawValue) }

  var meaning: String {
    switch self {
    case .success: "done: left on request, the call ended, or nobody reads the output any more"
    case .unexpected: "something that should not happen; please report it"
    case .heardNothing: "the demo ran but heard no sound"
    case .notAnAddress: "not the address of a conversation"
    case .hostUnreachable: "the server cannot be reached"
    case .tlsFailure: "the server's certificate is not trusted"
    case .notATalkServer: "no Nextcloud Talk at this address, or too old a version"
    case .unknownRoom: "no such conversation, or it is not open to us"
    case .passwordNeeded: "the conversation wants a password, or another one"
    case .banned: "banned from the conversation"
    case .lobby: "the lobby lets only moderators in"
    case .callForbidden: "not allowed to take part in a call here"
    case .sessionLimit: "the signaling server takes no more sessions"
    case .noSignalingServer: "the installation has no high-performance backend"
    case .helloRefused: "the signaling server refused the session"
    case .noICEPath: "no network path for the sound"
    case .consentRequired: "the call asks for consent to be recorded"
    case .encryptedCall: "the call is end-to-end encrypted"
    case .loginRefused: "the user's app password is missing, cannot be read or is not accepted"
    case .removed: "removed from the call or the conversation"
    case .serverBusy: "the server failed, is in maintenance or asks to come back later"
    case .signalingUnreachable: "the signaling server cannot be reached"
    case .secretRefused: "an internal client's secret cannot be read or is not accepted"
    case .inputUnusable: "the input file is missing or is no audio file; standard input cannot be read"
    case .outputUnwritable: "the output file cannot be written"
    case .diskFull: "the disk is full"
    case .noPulseAudio: "no PulseAudio server, or no such device"
    case .portUnusable: "the port for the demo's room is in use, or not ours to use"
    case .chatForbidden: "not allowed to write in the chat here, or to change that message"
    case .messageRefused: "the message is empty, too long, or answers or changes one that it cannot; nothing was sent"
    case .maybeSent: "may have been sent: the answer was lost, and the chat could not be read afterwards"
    case .sessionFileUnusable: "the session file is in use, open to others, or cannot be read or written"
    case .defective: "inspect found something that does not work and has no code of its own"
    case .usage: "the command line is not understood"
    case .interrupted: "interrupted a second time; left at once"
    }
  }

  /// The list for `--help`, one line a code.
  static var table: String {
    allCases.map { status in
      let number = String(status.rawValue)
      return "  " + String(repeating: " ", count: 3 - number.count) + number + "  " + status.meaning
    }.joined(separator: "\n")
  }
}
