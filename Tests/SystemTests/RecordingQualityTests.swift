import TestSupport
import Testing

@Suite struct `The measure of a recording` {
  @Test func `finds nothing wrong with what libopus made, and finds a hole and a jump`() async throws {
    let run = try RunDirectory()
    let speech = run.file("speech.wav")
    try await RecordingQuality.makeSpeech(seconds: 23, at: speech)
    let whole = try RecordingQuality.encodedAndDecoded(try WaveFile.read(speech))

    let late = [Float](repeating: 0, count: 1_234) + whole
    try WaveFile.write(late, to: run.file("late.wav"))
    let good = try await RecordingQuality.measure(recording: run.file("late.wav"), of: speech, in: run)
    #expect(good.segments == 2)
    #expect(good.pesqRecording == good.pesqLibopus)
    #expect(good.pesqLibopus > 3)
    #expect(good.gapBlocks == 0)
    #expect(good.driftMilliseconds == 0)
    #expect(good.correlation > 0.9999)

    // A second of silence in the first segment, and ten milliseconds lost before the second.
    var damaged = late
    for index in 300_000..<348_000 { damaged[index] = 0 }
    damaged.removeSubrange(520_000..<520_480)
    try WaveFile.write(damaged, to: run.file("damaged.wav"))
    let bad = try await RecordingQuality.measure(recording: run.file("damaged.wav"), of: speech, in: run)
    #expect(bad.gapBlocks > 10)
    #expect(bad.driftMilliseconds == 10)
    #expect(bad.pesqLibopus - bad.pesqRecording > 0.05)
  }
}
