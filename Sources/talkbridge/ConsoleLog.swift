import Logging

/// Log messages as lines of the console, where the live display gives way to them, or among the events.
struct ConsoleLog: LogHandler {
  var logLevel: Logger.Level
  /// Where events go; nil where there are none.
  var events: TextStream?
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  init(logLevel: Logger.Level, events: TextStream? = nil) {
    self.logLevel = logLevel
    self.events = events
  }

  func log(event: LogEvent) {
    let metadata = metadata.merging(event.metadata ?? [:]) { _, new in new }
    if let events {
      return events.write(.log("\(event.message)", level: event.level.rawValue, metadata.mapValues { "\($0)" }))
    }
    let details = metadata.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
    let text = (["\(event.level):", "\(event.message)"] + details).joined(separator: " ")
    Console.standardError.say("\(Reporter.clock()) \(text)")
  }
}
