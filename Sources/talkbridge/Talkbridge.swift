import ArgumentParser

@main
struct Talkbridge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "talkbridge",
    abstract: "A headless audio bridge for Nextcloud Talk calls.",
    version: "0.1.0")
}
