internal import TalkProtocol

/// Makes sense of what was seen: what works, what does not, its usual cause and cure. Pure.
public enum Diagnosis {
  /// The findings, in the order in which things depend on each other.
  public static func findings(of seen: Observations) -> [Finding] {
    var findings = [server(seen)]
    guard case .success(let capabilities) = seen.server?.capabilities else { return findings }
    findings.append(clock(seen))
    if let talk = capabilities.talk { findings.append(self.talk(talk)) }
    if seen.looksAtConversation { findings.append(conversation(seen)) }
    findings.append(signaling(seen))
    findings += iceServers(seen)
    if seen.looksAtConversation { findings += media(seen) }
    return findings
  }

  // MARK: Words

  /// `12 ms`, `0.4 ms`.
  static func milliseconds(_ duration: Duration) -> String {
    let value = seconds(duration) * 1000
    return value < 10 ? "\(rounded(value, 1)) ms" : "\(Int(value.rounded())) ms"
  }

  static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  /// With so many decimals at most.
  static func rounded(_ value: Double, _ decimals: Int) -> String {
    var factor = 1.0
    for _ in 0..<decimals { factor *= 10 }
    let rounded = (value * factor).rounded() / factor
    return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
  }

  /// `0.4 s`, `10 min`.
  static func span(_ seconds: Double) -> String {
    let length = abs(seconds)
    if length < 10 { return "\(rounded(length, 1)) s" }
    if length < 120 { return "\(rounded(length, 0)) s" }
    if length < 7200 { return "\(rounded(length / 60, 0)) min" }
    return "\(rounded(length / 3600, 0)) h"
  }

  static func figure(_ duration: Duration?) -> JSONValue {
    duration.map { .number((seconds($0) * 1_000_000).rounded() / 1000) } ?? .null
  }
}
