import Logging

/// Log messages as lines of the console, where the live display gives way to them.
struct ConsoleLog: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = metadata.merging(event.metadata ?? [:]) { _, new in new }
      .sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
    let text = (["\(event.level):", "\(event.message)"] + details).joined(separator: " ")
    Console.standardError.say("\(Reporter.clock()) \(text)")
  }
}
