import Foundation
import Playout
import PlayoutSimulator

/// A picture for each scenario: how long sound waited, how long it was meant to, and what was made up.
struct Plots {
  var directory: String

  private static let width = 1_000.0
  private static let height = 260.0
  private static let left = 50.0
  private static let top = 30.0

  func run() throws {
    for scenario in Scenario.networks + Scenario.senders {
      let simulation = scenario.simulation(PositionDecoder.payloads(scenario.seconds * 50))
      let result = simulation.run(PositionDecoder())
      let name = scenario.name.lowercased().map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()
      let path = "\(directory)/\(name).svg"
      try picture(of: result, scenario).write(toFile: path, atomically: true, encoding: .utf8)
      tell(path)
    }
  }

  private func picture(of result: Simulation.Result, _ scenario: Scenario) -> String {
    let length = Double(scenario.seconds)
    let steps = Array(stride(from: 0.5, to: length - 0.2, by: 0.2))
    // Where something is faded in, or the sender's clock has jumped, a sample does not tell its delay.
    let delays = steps.map { start -> Double? in
      let delays = result.delays(start..<(start + 0.2)).filter { (0..<1_000).contains($0) }.sorted()
      return delays.isEmpty ? nil : delays[delays.count / 2]
    }
    let targets = steps.map {
      result.history[min(Int($0 * 100), result.history.count - 1)].targetDelay / .milliseconds(1) + 20
    }
    let highest = max(100, (delays.compactMap { $0 } + targets).max() ?? 0) * 1.1
    func x(_ time: Double) -> Double { Self.left + time / length * Self.width }
    func y(_ delay: Double) -> Double { Self.top + Self.height * (1 - min(delay / highest, 1)) }
    func line(_ values: [Double?], _ color: String) -> String {
      let points = zip(steps, values).compactMap { time, value in
        value.map { "\(rounded(x(time), 1)),\(rounded(y($0), 1))" }
      }
      return
        "<polyline points=\"\(points.joined(separator: " "))\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"1.5\"/>"
    }
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(Self.width + 80)\" height=\"\(Self.height + 80)\""
        + " font-family=\"sans-serif\" font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      "<text x=\"\(Self.left)\" y=\"18\" font-size=\"14\">\(scenario.name): delay in ms"
        + " (<tspan fill=\"#1f77b4\">played</tspan>, <tspan fill=\"#999\">aimed at</tspan>),"
        + " <tspan fill=\"#d62728\">made up</tspan>, <tspan fill=\"#2ca02c\">restored</tspan></text>",
    ]
    for index in 1..<result.history.count {
      let (before, after) = (result.history[index - 1], result.history[index])
      for (was, now, color, row) in [
        (before.concealedSamples, after.concealedSamples, "#d62728", 0.0),
        (before.fecPacketsUsed, after.fecPacketsUsed, "#2ca02c", 8.0),
      ] where now > was {
        parts.append(
          "<rect x=\"\(rounded(x(Double(index) / 100), 1))\" y=\"\(Self.top + Self.height + 2 + row)\" width=\"1.5\" height=\"7\""
            + " fill=\"\(color)\"/>")
      }
    }
    for delay in stride(from: 0.0, through: highest, by: highest > 300 ? 100 : 20) {
      parts.append(
        "<text x=\"\(Self.left - 6)\" y=\"\(rounded(y(delay) + 4, 1))\" text-anchor=\"end\">\(Int(delay))</text>"
          + "<path d=\"M\(Self.left) \(rounded(y(delay), 1))h\(Self.width)\" stroke=\"#ddd\"/>")
    }
    for time in stride(from: 0.0, through: length, by: length > 60 ? 10 : 5) {
      parts.append(
        "<text x=\"\(rounded(x(time), 1))\" y=\"\(Self.top + Self.height + 34)\" text-anchor=\"middle\">\(Int(time)) s</text>"
      )
    }
    parts += [line(targets, "#999"), line(delays, "#1f77b4"), "</svg>"]
    return parts.joined(separator: "\n")
  }
}
