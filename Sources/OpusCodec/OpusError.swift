internal import COpus

/// libopus refused a call.
public struct OpusError: Error, CustomStringConvertible, Equatable {
  /// What was attempted.
  public let operation: String
  /// libopus's error code (`OPUS_BAD_ARG` −1, `OPUS_BUFFER_TOO_SMALL` −2, `OPUS_INVALID_PACKET` −4, …).
  public let code: Int32

  public var description: String {
    "Opus could not \(operation): \(String(cString: opus_strerror(code))) (code \(code))."
  }
}

/// The libopus found at run time.
public enum OpusLibrary {
  /// What the library calls itself, for example `libopus 1.3.1`.
  public static var version: String { String(cString: opus_get_version_string()) }

  /// Whether bursts of lost packets are concealed by a neural network: libopus 1.5 and later, when built with it.
  public static var hasDeepConcealment: Bool {
    // Nothing tells how it was built, but the network's state is a part of every decoder: 140 kB instead of 20.
    isAtLeast(major: 1, minor: 5, version) && opus_decoder_get_size(1) > 64_000
  }

  /// Whether `version` names a library of at least that version; false for what does not look like one.
  static func isAtLeast(major: Int, minor: Int, _ version: String) -> Bool {
    guard let word = version.split(separator: " ").last else { return false }
    let numbers = word.split(separator: "-")[0].split(separator: ".").map { Int($0) }
    guard numbers.count >= 2, let first = numbers[0], let second = numbers[1] else { return false }
    return (first, second) >= (major, minor)
  }
}
