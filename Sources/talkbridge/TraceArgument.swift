import ArgumentParser
import FoundationEssentials
import Transport

/// The option of every command that talks to servers.
struct TraceArgument: ParsableArguments {
  @Option(
    name: .customLong("trace"),
    help: ArgumentHelp(
      """
      Write all that is said over HTTP, signaling and data channels to this file, a JSON object a line, without \
      passwords, tokens, cookies and other secrets (names and messages stay). What is in the file is replaced.
      """, valueName: "file"))
  var file: String?
}

extension TransportSettings {
  /// How this process reaches servers: through the proxies of its environment, heard by its trace.
  /// - Parameter who: Which client of this process, for the trace.
  static func ofProcess(
    caFile: String? = nil, usesProxies: Bool = true, userAgent: String = "talkbridge/\(Version.current)",
    who: String = "talkbridge"
  ) throws(Failure) -> TransportSettings {
    do {
      return TransportSettings(
        caFile: caFile,
        proxies: usesProxies ? try ProxySettings(environment: ProcessInfo.processInfo.environment) : .none,
        userAgent: userAgent, observer: TraceFile.current?.observer(who))
    } catch {
      throw Failure("\(error)", .usage, identifier: "proxy-unusable")
    }
  }
}
