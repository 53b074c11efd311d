import AudioFiles
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
  /// How many blocks are asked for at a time: one, as loudspeakers do, or as a recording does.
  let turn: Int
  /// The stream that is asked to be 20 and 120 ms late by turns.
  let steppedStream: Int?

  init?(arguments: some Sequence<String>) {
    let words = arguments.filter { !$0.hasPrefix("--") }
    var manners = arguments.filter { $0.hasPrefix("--") }
    let stepped = manners.firstIndex { $0.hasPrefix("--stepped=") }.map { manners.remove(at: $0) }
    steppedStream = stepped.flatMap { Int($0.dropFirst("--stepped=".count)) }
    guard words.count == 5, let port = UInt16(words[0]), let count = Int(words[1]), count > 0,
      ["mix", "each"].contains(words[2]), let seconds = Double(words[4]), seconds > 0
    else { return nil }
    self.port = port
    streamCount = count
    isMixed = words[2] == "mix"
    prefix = words[3]
    duration = .seconds(seconds)
    switch manners {
    case []: (playout, turn) = (.lowDelay, 1)
    case ["--patient"]: (playout, turn) = (.patient, 1)
    case ["--record"]: (playout, turn) = (.recording, WAVRecorder.defaultTurn)
    default: return nil
    }
  }
}
