import ArgumentParser
import PulseAudioIO

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List PulseAudio's sinks and sources; the defaults are marked with *.",
    discussion: "Use a NAME as --output pulse:NAME or --input pulse:NAME. A monitor gives what its sink plays.")

  func run() throws {
    runAndExit {
      do throws(PulseError) {
        let devices = try await PulseDevices.list()
        print(Self.table("Sinks (--output)", devices.sinks))
        print("")
        print(Self.table("Sources (--input)", devices.sources))
        return .success
      } catch {
        complain(error.description)
        return .noPulseAudio
      }
    }
  }

  static func table(_ title: String, _ devices: [PulseDevice]) -> String {
    guard !devices.isEmpty else { return "\(title)\n  (none)" }
    let width = devices.map(\.name.count).max() ?? 0
    let lines = devices.map { device in
      let mark = device.isDefault ? "*" : " "
      let padding = String(repeating: " ", count: width - device.name.count)
      return TerminalText.printable("\(mark) pulse:\(device.name)\(padding)  \(device.description)")
    }
    return ([title] + lines).joined(separator: "\n")
  }
}
