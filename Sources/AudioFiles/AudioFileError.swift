internal import Glibc

/// Why a file or a standard stream cannot be read or written.
public enum AudioFileError: Error, Equatable, CustomStringConvertible {
  /// There is no such input file.
  case missing(path: String)
  /// The input cannot be opened: no permission, a directory, a pipe.
  case unreadable(path: String, reason: String)
  /// The input is there, but holds no sound this program can read.
  case notAudio(path: String, reason: String)
  /// Reading failed on the way.
  case readFailed(path: String, reason: String)
  /// The output cannot be opened: no permission, a directory, no such folder.
  case notWritable(path: String, reason: String)
  /// Another recording is being written to the same file.
  case inUse(path: String)
  /// No room is left. What was written before is complete and playable.
  case diskFull(path: String, written: Duration)
  /// Writing failed for another reason than room. What was written before is kept.
  case writeFailed(path: String, reason: String, written: Duration)

  public var description: String {
    switch self {
    case .missing(let path):
      "there is no file \(path); check its name"
    case .unreadable(let path, let reason):
      "cannot read \(path): \(reason)"
    case .notAudio(let path, let reason):
      "\(path) holds no sound that can be played (\(reason)); give a WAV file"
    case .readFailed(let path, let reason):
      "reading \(path) failed: \(reason); what is sent from now on would be silence"
    case .notWritable(let path, let reason):
      "cannot write \(path): \(reason)"
    case .inUse(let path):
      "\(path) is being recorded to already; choose another file"
    case .diskFull(let path, let written):
      "no room left for \(path): the first \(Self.seconds(written)) s are kept and playable; free some space"
    case .writeFailed(let path, let reason, let written):
      "writing \(path) failed: \(reason); the first \(Self.seconds(written)) s are kept"
    }
  }

  private static func seconds(_ duration: Duration) -> Int64 { duration.components.seconds }
}

/// What the system says about an `errno` value.
func systemReason(_ code: Int32) -> String { String(cString: strerror(code)) }
