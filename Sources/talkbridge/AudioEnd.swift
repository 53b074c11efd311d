import ArgumentParser
import FoundationEssentials
import Glibc

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

  /// Whether both are one file, by whatever name.
  func isSameFile(as other: AudioEnd) -> Bool {
    guard case .file(let path) = self, case .file(let otherPath) = other else { return false }
    var (status, otherStatus) = (stat(), stat())
    guard stat(path, &status) == 0, stat(otherPath, &otherStatus) == 0 else {
      return URL(filePath: path).standardizedFileURL == URL(filePath: otherPath).standardizedFileURL
    }
    // A device, like /dev/null, is not written over.
    return status.st_mode & S_IFMT == S_IFREG && status.st_dev == otherStatus.st_dev
      && status.st_ino == otherStatus.st_ino
  }
}
