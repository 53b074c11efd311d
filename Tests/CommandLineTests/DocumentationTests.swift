import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import talkbridge

/// The README says what the program does.
@Suite struct DocumentationTests {
  /// An option of a command, as far as both have to agree on it.
  private struct Option: Hashable, CustomStringConvertible {
    var command: String
    /// With the name of its value.
    var name: String
    /// Empty where nothing is said.
    var preset: String

    var description: String { "\(command) \(name) [\(preset)]" }
  }

  private struct Help: Decodable {
    struct Command: Decodable {
      var commandName: String
      var subcommands: [Command]?
      var arguments: [Argument]?
    }

    struct Argument: Decodable {
      struct Name: Decodable { var name: String }
      var kind: String
      var preferredName: Name?
      var valueName: String?
      var abstract: String?
    }

    var command: Command
  }

  private static func ofProgram() throws -> Set<Option> {
    let help = try JSONDecoder().decode(Help.self, from: Data(Talkbridge._dumpHelp().utf8))
    func options(_ command: Help.Command, _ path: String) -> [Option] {
      let own = (command.arguments ?? []).compactMap { argument -> Option? in
        guard argument.kind != "positional", let name = argument.preferredName?.name else { return nil }
        guard !["help", "version"].contains(name) else { return nil }
        let value = argument.kind == "flag" ? "" : " " + (argument.valueName ?? "").uppercased()
        let preset = argument.abstract?.firstMatch(of: /Default: (.+?)\.(?:\s|$)/).map { String($0.1) }
        return Option(command: path, name: "--\(name)\(value)", preset: preset ?? "")
      }
      return own
        + (command.subcommands ?? []).filter { $0.commandName != "help" }.flatMap {
          options($0, path.isEmpty ? $0.commandName : "\(path) \($0.commandName)")
        }
    }
    return Set(options(help.command, ""))
  }

  private static func ofReadme(commands: Set<String>) throws -> Set<Option> {
    var found: Set<Option> = []
    for cells in try Readme.table(headed: "option", in: "Options") {
      for command in cells[1].components(separatedBy: ", ") {
        let paths = commands.contains(command) ? [command] : commands.filter { $0.hasPrefix(command + " ") }
        #expect(!paths.isEmpty, "there is no command \(command)")
        for path in paths {
          for name in Readme.code(in: cells[0]) {
            found.insert(Option(command: path, name: name, preset: cells[2]))
          }
        }
      }
    }
    return found
  }

  @Test func `every option is in the README with its value and default, and no other`() throws {
    let program = try Self.ofProgram()
    let readme = try Self.ofReadme(commands: Set(program.map(\.command)))
    #expect(program.count > 60)
    #expect(program.subtracting(readme) == [])
    #expect(readme.subtracting(program) == [])
  }

  /// The words of the talkbridge commands in a line of a shell script.
  private static func commands(in line: Substring) -> [[String]] {
    line.matches(of: /(?:^|[|(&])\s*talkbridge\s/).map { words(line[$0.range.upperBound...]) }
  }

  /// Up to the end of the command.
  private static func words(_ text: Substring) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    scanning: for character in text {
      if character == quote {
        quote = nil
      } else if quote != nil {
        word?.append(character)
      } else if character == "\"" || character == "'" {
        quote = character
        word = word ?? ""
      } else if "|>);&".contains(character) || character == "#" && word == nil {
        break scanning
      } else if character.isWhitespace {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if let word { words.append(word) }
    let values = ["URL": "https://cloud.example.com/call/abcd1234", "$id": "4711", "./bot.py": "/bin/cat"]
    return words.map { values[$0] ?? $0 }
  }

  @Test func `every example in the README is understood`() throws {
    let lines = Readme.text.replacing(#/\s\\\n\s+/#, with: " ").split(separator: "\n").filter { $0.hasPrefix("    ") }
    let commands = lines.flatMap { Self.commands(in: $0.drop(while: \.isWhitespace)) }
    #expect(commands.count > 25)
    for words in commands {
      #expect(throws: Never.self, "\(words)") { _ = try Talkbridge.parseAsRoot(words) }
    }
  }

  @Test(arguments: [
    ["join", "x", "--name", "Anna", "--user", "anna"], ["chat", "read", "x", "--name", "Anna", "--user", "anna"],
    ["chat", "read", "x", "--session", "file", "--user", "anna"],
    ["join", "x", "--output", "none", "--output", "call.wav"], ["record", "x", "--output", "-", "--output", "-"],
    ["record", "x", "--output", "call.wav", "--output", "./call.wav"], ["watch", "x", "--duration", "5m"],
    ["watch", "x", "--until-empty"], ["join", "x", "--loop"], ["join", "x", "--loop", "--input", "-"],
    ["demo", "--serve", "--output", "call.wav"], ["demo", "--serve", "--duration", "5s"],
    ["demo", "--serve", "--json"],
    ["demo", "--output", "none"], ["join", "x", "--password-file", "file"], ["rooms", "x"],
    ["login", "x", "--ca-file", "/nowhere"], ["chat", "read", "x", "--ca-file", "/nowhere"],
    ["chat", "read", "x", "--last", "5", "--all"], ["join", "x", "--chat", "--input", "-"],
  ])
  func `what would be ignored or destroy something is refused`(words: [String]) {
    #expect(throws: (any Error).self) { _ = try Talkbridge.parseAsRoot(words) }
  }

  @Test func `an output never overwrites the input, by whatever name`() throws {
    let run = try RunDirectory()
    let path = run.file("speech.wav")
    try WaveFile.write([0], to: path)
    try FileManager.default.createSymbolicLink(atPath: run.file("link.wav"), withDestinationPath: path)
    #expect(throws: (any Error).self) {
      _ = try Talkbridge.parseAsRoot(["join", "x", "--input", path, "--output", run.file("link.wav")])
    }
    _ = try Talkbridge.parseAsRoot(["join", "x", "--input", path, "--output", run.file("other.wav")])
  }
}
