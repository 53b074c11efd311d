import ArgumentParser

/// Where sound comes from or goes to, as the user names it.
enum AudioEnd: Equatable, ExpressibleByArgument {
  /// A PulseAudio device; nil is the default one.
  case pulse(name: String?)
  /// Raw s16le, 48 kHz, mono on standard input or output.
  case pipe
  /// Silence in, nothing out.
  case none
  case file(path: String)
  /// A new WAV file for each call, named by its time; not for the command line.
  case datedFiles(directory: String)

  init?(argument: String) {
    switch argument {
    case "": return nil
    case "pulse": self = .pulse(name: nil)
    case "-": self = .pipe
    case "none": self = .none
    default:
      if argument.hasPrefix("pulse:") {
        let name = argument.dropFirst("pulse:".count)
        guard !name.isEmpty else { return nil }
        self = .pulse(name: String(name))
      } else if argument.hasPrefix("file:") {
        let path = argument.dropFirst("file:".count)
        guard !path.isEmpty else { return nil }
        self = .file(path: String(path))
      } else {
        self = .file(path: argument)
      }
    }
  }

  var isFile: Bool { if case .file = self { true } else { false } }
}
