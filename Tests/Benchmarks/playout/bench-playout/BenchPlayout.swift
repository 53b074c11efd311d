import Foundation
import PlayoutSimulator

/// Measures the receive path on simulated networks; `Tests/Benchmarks/playout/README.md` tells what and how.
@main
enum BenchPlayout {
  private static let usage = """
    usage: bench-playout hour [PPM] [SECONDS]
           bench-playout fuzz [PACKETS] [SEED]
           bench-playout cost [SECONDS]
           bench-playout plots DIRECTORY
           bench-playout voices DIRECTORY
           bench-playout stretch INPUT.wav DIRECTORY
           bench-playout music DIRECTORY
    """

  static func main() {
    var words = CommandLine.arguments.dropFirst()
    let mode = words.popFirst()
    let numbers = words.compactMap { Double($0) }
    do {
      switch mode {
      case "hour": try Hour(drift: numbers.first ?? 150, seconds: numbers.dropFirst().first ?? 3_600).run()
      case "fuzz": Fuzz(packets: Int(numbers.first ?? 1e8), seed: UInt64(numbers.dropFirst().first ?? 1)).run()
      case "cost": try Cost(seconds: numbers.first ?? 300).run()
      case "voices": try Voices(directory: folder(words.first ?? ".")).run()
      case "music": try Music(directory: folder(words.first ?? ".")).run()
      case "stretch" where words.count == 2: try Stretch(input: words.first!, directory: folder(words.last!)).run()
      case "plots": try Plots(directory: folder(words.first ?? "plots")).run()
      default:
        complain(usage)
        exit(64)
      }
    } catch {
      complain("bench-playout: \(error)")
      exit(1)
    }
  }
}

/// The same path; what is written goes there.
private func folder(_ path: String) throws -> String {
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}

/// The processor time of this thread, in seconds.
func threadTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func rounded(_ value: Double, _ digits: Int = 2) -> String {
  let factor = pow(10, Double(digits))
  return "\((value * factor).rounded() / factor)"
}

/// Prints a line at once, also where standard output is a file: some parts take long.
func tell(_ words: String...) { FileHandle.standardOutput.write(Data((words.joined(separator: " ") + "\n").utf8)) }

func complain(_ message: String) { FileHandle.standardError.write(Data((message + "\n").utf8)) }
