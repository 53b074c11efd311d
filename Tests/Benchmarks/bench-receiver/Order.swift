import Playout

/// What the command line asks for.
struct Order {
  let port: UInt16
  let streamCount: Int
  /// One file of all streams, `OUT_mix.wav`, instead of one of each, `OUT_0.wav` and so on.
  let isMixed: Bool
  let prefix: String
  let duration: Duration
  let playout: PlayoutConfiguration

  init?(arguments: some Sequence<String>) {
    var words = Array(arguments)
    let isPatient = words.last == "--patient"
    if isPatient { words.removeLast() }
    guard words.count == 5, let port = UInt16(words[0]), let count = Int(words[1]), count > 0,
      ["mix", "each"].contains(words[2]), let seconds = Double(words[4]), seconds > 0
    else { return nil }
    self.port = port
    streamCount = count
    isMixed = words[2] == "mix"
    prefix = words[3]
    duration = .seconds(seconds)
    playout = isPatient ? .patient : .lowDelay
  }
}
