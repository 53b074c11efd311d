import ArgumentParser
import Logging

/// How much a command tells of what it does.
struct LogArguments: ParsableArguments {
  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "How much to log on standard error: trace, debug, info, notice, warning, error or critical. Default: warning.",
      valueName: "level"), transform: Self.level)
  var level: Logger.Level = .warning

  private static func level(_ name: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: name) else { throw ValidationError("There is no log level “\(name)”.") }
    return level
  }
}
