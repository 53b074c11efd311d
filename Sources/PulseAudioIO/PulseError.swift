/// Why PulseAudio cannot be used.
public enum PulseError: Error, Equatable, CustomStringConvertible {
  /// There is no PulseAudio server to talk to, or it does not let us in.
  case noServer(reason: String)
  /// The server has no sink of this name, or none at all if the name is nil; these are there.
  case noSink(name: String?, available: [String])
  /// The server has no source of this name, or none at all if the name is nil; these are there.
  case noSource(name: String?, available: [String])
  /// The server did not do what it was asked, or went away meanwhile.
  case failed(reason: String)

  public var description: String {
    switch self {
    case .noServer(let reason):
      "no PulseAudio server answers (\(reason)); start PulseAudio or PipeWire, or choose a file, - or none instead"
    case .noSink(let name, let available):
      Self.missing("sink", name, available)
    case .noSource(let name, let available):
      Self.missing("source", name, available)
    case .failed(let reason):
      "PulseAudio failed: \(reason)"
    }
  }

  private static func missing(_ kind: String, _ name: String?, _ available: [String]) -> String {
    let what = name.map { "no \(kind) called \($0)" } ?? "no \(kind)"
    let rest = available.isEmpty ? "there is none" : "there are: " + available.joined(separator: ", ")
    return "PulseAudio has \(what); \(rest)"
  }
}
