import ArgumentParser

@main
struct Talkbridge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "talkbridge",
    abstract: "A headless audio bridge for Nextcloud Talk: hear a call, speak into it, record it. No browser.",
    discussion: """
      URL is what you copy from the browser: https://host[/sub/path][/index.php]/call/TOKEN

      An END, where sound comes from or goes to, is one of
        pulse        the default PulseAudio device
        pulse:NAME   that device; `talkbridge devices` lists them
        -            raw s16le, 48 kHz, mono on standard input or output
        none         silence in, nothing out
        FILE         a WAV file (file:NAME for names that look like one of the above)

      Exit codes:
      \(ExitCause.table)
      """,
    version: Version.current,
    subcommands: [
      JoinCommand.self, RecordCommand.self, WatchCommand.self, ChatCommand.self, LoginCommand.self, LogoutCommand.self,
      RoomsCommand.self, InspectCommand.self, DevicesCommand.self, DemoCommand.self,
    ])
}

enum Version {
  /// Also what servers see as our user agent.
  static let current = "0.1.0"
}
