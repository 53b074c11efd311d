import Audio
import AudioFiles
import Glibc

/// Records into a new WAV file from when it runs, named after the time at which that is.
struct DatedRecorder: AudioOutput {
  var directory: String
  /// The first part of the file's name.
  var prefix: String

  func open() throws {
    guard access(directory, W_OK | X_OK) == 0 else {
      throw AudioFileError.notWritable(path: directory, reason: String(cString: strerror(errno)))
    }
  }

  func run(_ provider: any SampleProvider) async throws {
    let recorder = WAVRecorder(path: freePath())
    try await recorder.open()
    try await recorder.run(provider)
  }

  /// Calls may follow each other within a second, and clocks are set back.
  private func freePath() -> String {
    let name = "\(directory)/\(prefix)-\(Self.localTime())"
    let paths = [name + ".wav"] + (2...1000).map { "\(name)-\($0).wav" }
    return paths.first { access($0, F_OK) != 0 } ?? name + ".wav"
  }

  private static func localTime() -> String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    var text = [CChar](repeating: 0, count: 32)
    let count = strftime(&text, text.count, "%Y%m%d-%H%M%S", &parts)
    return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
