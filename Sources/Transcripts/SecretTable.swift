internal import FoundationEssentials

/// The secrets that have been seen, each with a name that stands for it, and the search for them in any text.
///
/// The same secret has the same name throughout, so that a reader of a transcript, man or program, can follow a session by
/// names that grant nothing. A secret is found as it is, percent-encoded, escaped as in JSON, and within base64 of
/// something longer. What is shorter than `shortestSought` has a name too but is not sought: in other text it is a word.
struct SecretTable: Sendable {
  private struct Pattern {
    let bytes: [UInt8]
    let name: String
  }

  /// A secret that was found, as offsets in the text.
  private struct Finding {
    var range: Range<Int>
    var name: String
    /// Of the secret; the range may be that of several.
    let length: Int
  }

  /// In UTF-8 bytes.
  static let shortestSought = 8
  /// A process that runs for months sees many; then the oldest are forgotten.
  private static let mostSecrets = 2000

  private var names: [String: String] = [:]
  private var order: [String] = []
  private var nextNumber = 1
  /// By their last eight bytes: tokens begin alike.
  private var patterns: [UInt64: [Pattern]] = [:]

  /// The name that stands for a secret, which is known from now on.
  mutating func name(for secret: String) -> String {
    if let name = names[secret] { return name }
    if order.count >= Self.mostSecrets { forgetOldest() }
    let name = "redacted\(nextNumber)"
    nextNumber += 1
    names[secret] = name
    order.append(secret)
    for bytes in Self.forms(of: secret) {
      patterns[Self.key(bytes), default: []].append(Pattern(bytes: bytes, name: name))
    }
    return name
  }

  private mutating func forgetOldest() {
    for secret in order.prefix(Self.mostSecrets / 4) {
      guard let name = names.removeValue(forKey: secret) else { continue }
      for bytes in Self.forms(of: secret) {
        let key = Self.key(bytes)
        patterns[key]?.removeAll { $0.name == name }
        if patterns[key]?.isEmpty == true { patterns[key] = nil }
      }
    }
    order.removeFirst(Self.mostSecrets / 4)
  }

  // MARK: Searching

  /// `text` with the names in place of all secrets that are known.
  func masking(_ text: String) -> String {
    guard !patterns.isEmpty, text.utf8.count >= Self.shortestSought else { return text }
    var bytes = Array(text.utf8)
    var hasChanged = false
    for encoding in TextEncoding.allCases {
      guard let view = encoding.view(of: bytes) else { continue }
      let findings = findings(in: view.decoded)
      guard !findings.isEmpty else { continue }
      var result: [UInt8] = []
      var copied = 0
      for finding in findings {
        result += bytes[copied..<view.starts[finding.range.lowerBound]] + finding.name.utf8
        copied = view.starts[finding.range.upperBound]
      }
      bytes = result + bytes[copied...]
      hasChanged = true
    }
    return hasChanged ? String(decoding: bytes, as: UTF8.self) : text
  }

  /// Where secrets stand, in order; those that overlap are one, under the name of the longest.
  private func findings(in bytes: [UInt8]) -> [Finding] {
    var findings: [Finding] = []
    var key: UInt64 = 0
    for (index, byte) in bytes.enumerated() {
      key = key << 8 | UInt64(byte)
      let end = index + 1
      guard end >= Self.shortestSought, let candidates = patterns[key] else { continue }
      for pattern in candidates where pattern.bytes.count <= end {
        var finding = Finding(
          range: (end - pattern.bytes.count)..<end, name: pattern.name, length: pattern.bytes.count)
        guard bytes[finding.range].elementsEqual(pattern.bytes) else { continue }
        while let last = findings.last, last.range.upperBound > finding.range.lowerBound {
          let range = min(last.range.lowerBound, finding.range.lowerBound)..<end
          if last.length > finding.length { finding = Finding(range: range, name: last.name, length: last.length) }
          finding.range = range
          findings.removeLast()
        }
        findings.append(finding)
      }
    }
    return findings
  }

  private static func key(_ bytes: [UInt8]) -> UInt64 {
    bytes.suffix(shortestSought).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A secret as it is, and what stands for it in base64 (RFC 4648) of a text in which it begins anywhere.
  private static func forms(of secret: String) -> Set<[UInt8]> {
    let bytes = Array(secret.utf8)
    guard bytes.count >= shortestSought else { return [] }
    var forms: Set<[UInt8]> = [bytes]
    for offset in 0..<3 {
      let core = base64Core(bytes, offset: offset)
      forms.insert(core)
      let plus = UInt8(ascii: "+")
      let slash = UInt8(ascii: "/")
      forms.insert(core.map { $0 == plus ? UInt8(ascii: "-") : $0 == slash ? UInt8(ascii: "_") : $0 })
    }
    return forms
  }

  /// What of the base64 of a text depends on these bytes alone, when they follow `offset` others in it.
  private static func base64Core(_ bytes: [UInt8], offset: Int) -> [UInt8] {
    let text = Data([UInt8](repeating: 0, count: offset) + bytes).base64EncodedData()
    let first = (offset * 8 + 5) / 6
    let end = (offset + bytes.count) * 8 / 6
    return Array(text.dropFirst(first).prefix(end - first))
  }
}
