import Audio
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct `A call on PulseAudio's devices` {
  @Test func `is heard on the default sink and speaks from the default source`() async throws {
    try await RealInstallation.with { installation in
      let pulse = try await PulseDaemon.headset()
      let toClara = installation.run.file("to Clara.wav")
      let clara = try installation.speaker(.soprano, name: "Clara", output: toClara)
      let bruno = try installation.talkbridge("join", ["--name", "Bruno"], environment: pulse.environment)
      try await installation.awaitCall(of: "Bruno", "Clara")

      let microphone = try ChildProcess(
        "paplay", ["--device=microphone", try installation.speech(of: .bass)], environment: pulse.environment)
      let loudspeaker = try ChildProcess(
        "parec", ["--device=speaker.monitor", "--raw", "--rate=48000", "--channels=1", "--format=s16le"],
        environment: pulse.environment)
      try await RealInstallation.awaitVoices([.bass], in: toClara)
      try await eventually(every: .milliseconds(500), "sound on the loudspeaker") {
        let bytes = loudspeaker.outputBytes
        return RealInstallation.voices(
          in: stride(from: 0, to: bytes.count - 1, by: 2).map {
            Float(Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)) / 32_768
          }) == [.soprano]
      }
      microphone.kill()
      loudspeaker.kill()
      try await bruno.leave()
      try await clara.leave()
    }
  }

  @Test func `can be looked up`() async throws {
    let pulse = try await PulseDaemon.headset()
    let devices = try ChildProcess("talkbridge", ["devices"], environment: pulse.environment)
    #expect(try await devices.exit() == .code(0))
    let lines = devices.output.split(separator: "\n")
    for name in ["speaker", "microphone", "microphone.monitor", "capture"] {
      #expect(lines.contains { $0.dropFirst(2).hasPrefix("pulse:\(name) ") }, "\(devices.output)")
    }
    let defaults = lines.filter { $0.hasPrefix("* ") }.map { $0.split(separator: " ")[1] }
    #expect(defaults == ["pulse:speaker", "pulse:capture"], "\(devices.output)")
  }
}
