import Audio
import GLibLoop
import PulseAudioIO
import TestSupport
import Testing

struct PulseEndsTests {
  @Test func `what is played on a sink is heard at its monitor, unbroken`() async throws {
    let daemon = try await PulseDaemon()
    let output = PulseOutput(sink: "speaker", server: daemon.server)
    let input = PulseInput(source: "speaker.monitor", server: daemon.server)
    let listener = Listener()
    try await output.open()
    try await input.open()
    let playing = Task { try await output.run(Tone()) }
    let listening = Task { try await input.run(listener.receive) }
    try await eventually("half a second of the tone") { listener.endsInTone(24_000) }
    #expect(listener.blockSizes == [960])
    let statistics = await (output.statistics, input.statistics)
    #expect(statistics.0.device == "speaker")
    #expect(statistics.1.device == "speaker.monitor")
    // The server's own default is two seconds: what we asked for must have been granted.
    try await eventually("a latency near to what was asked for") {
      await output.statistics.latency.map { $0 < .milliseconds(100) } ?? false
    }
    playing.cancel()
    listening.cancel()
    try await playing.value
    try await listening.value
    #expect(try await daemon.control("list", "short", "sink-inputs").isEmpty)
  }

  @Test func `a click comes back within the latency that was asked for`() async throws {
    let daemon = try await PulseDaemon()
    let output = PulseOutput(sink: "microphone", server: daemon.server)
    let input = PulseInput(source: "microphone.monitor", server: daemon.server)
    let clicks = Clicks()
    let listener = Listener()
    try await input.open()
    try await output.open()
    let listening = Task { try await input.run(listener.receive) }
    let playing = Task { try await output.run(clicks) }
    try await eventually("seven clicks") { listener.clicks.count >= 7 }
    playing.cancel()
    listening.cancel()
    try await playing.value
    try await listening.value
    let delays = listener.clicks.compactMap { heard in
      clicks.times.last { $0 < heard }.map { heard - $0 }
    }.sorted()
    // 20 ms to the sink, up to 20 ms until a block is full, and a loaded machine's slack; the default would be a second.
    #expect(delays[delays.count / 2] < .milliseconds(120), "\(delays)")
  }

  @Test func `without a name the default devices are used`() async throws {
    let daemon = try await PulseDaemon()
    try await daemon.control("set-default-sink", "microphone")
    try await daemon.control("set-default-source", "microphone.monitor")
    let output = PulseOutput(server: daemon.server)
    let input = PulseInput(server: daemon.server)
    let listener = Listener()
    try await output.open()
    try await input.open()
    let playing = Task { try await output.run(Tone()) }
    let listening = Task { try await input.run(listener.receive) }
    try await eventually("the tone") { listener.endsInTone(4_800) }
    #expect(await output.statistics.device == "microphone")
    playing.cancel()
    listening.cancel()
    try await playing.value
    try await listening.value
  }

  @Test func `a device that is not there is told with those that are`() async throws {
    let daemon = try await PulseDaemon()
    await #expect(throws: PulseError.noSink(name: "attic", available: ["speaker", "microphone"])) {
      try await PulseOutput(sink: "attic", server: daemon.server).open()
    }
    await #expect(
      throws: PulseError.noSource(name: "attic", available: ["speaker.monitor", "microphone.monitor"])
    ) { try await PulseInput(source: "attic", server: daemon.server).open() }
    #expect(
      PulseError.noSink(name: "attic", available: ["a", "b"]).description
        == "PulseAudio has no sink called attic; there are: a, b")
  }

  @Test func `a server that is not there is told at once`() async throws {
    let opens: [@Sendable () async throws -> Void] = [
      { try await PulseOutput(server: "unix:/nowhere/pulse.socket").open() },
      { try await PulseInput(server: "unix:/nowhere/pulse.socket").open() },
      { _ = try await PulseDevices.list(server: "unix:/nowhere/pulse.socket") },
    ]
    for open in opens {
      // The machine may be busy now, but not always.
      try await eventually("an error within a second") {
        let start = ContinuousClock.now
        do {
          try await open()
          Issue.record("it was opened")
        } catch PulseError.noServer {
        }
        return ContinuousClock.now - start < .seconds(1)
      }
    }
  }

  @Test func `a call outlives its server`() async throws {
    let daemon = try await PulseDaemon()
    let reports = Reports<PulseEvent>()
    let output = PulseOutput(sink: "speaker", server: daemon.server, report: reports.report)
    let input = PulseInput(source: "speaker.monitor", server: daemon.server)
    let listener = Listener()
    let tone = Tone()
    try await output.open()
    try await input.open()
    let playing = Task { try await output.run(tone) }
    let listening = Task { try await input.run(listener.receive) }
    try await eventually("the tone") { listener.endsInTone(4_800) }

    try await daemon.stop()
    try await eventually("the loss to be reported") {
      reports.all.contains { if case .lost = $0 { true } else { false } }
    }
    let (given, taken) = (tone.count, listener.count)
    try await eventually("both ends to go on meanwhile") {
      tone.count > given + 24_000 && listener.count > taken + 24_000
    }
    #expect(listener.samples.suffix(9_600).allSatisfy { $0 == 0 })

    try await daemon.start()
    try await eventually("the tone again") { listener.endsInTone(4_800) }
    #expect(reports.all.last == .restored(device: "speaker"))
    #expect(await output.statistics.reconnectionCount == 1)
    playing.cancel()
    listening.cancel()
    try await playing.value
    try await listening.value
  }

  @Test func `a sink that is taken away is replaced by the default one`() async throws {
    let daemon = try await PulseDaemon()
    let reports = Reports<PulseEvent>()
    let output = PulseOutput(sink: "microphone", server: daemon.server, report: reports.report)
    let listener = Listener()
    let input = PulseInput(source: "speaker.monitor", server: daemon.server)
    try await output.open()
    try await input.open()
    let playing = Task { try await output.run(Tone()) }
    let listening = Task { try await input.run(listener.receive) }
    try await eventually("sound to flow") { await output.statistics.device == "microphone" }
    let modules = try await daemon.control("list", "short", "modules")
    let line = try #require(modules.split(separator: "\n").first { $0.contains("sink_name=microphone") })
    try await daemon.control("unload-module", String(line.prefix { $0 != "\t" }))
    try await eventually("the tone on the other sink") { listener.endsInTone(4_800) }
    #expect(await output.statistics.device == "speaker")
    playing.cancel()
    listening.cancel()
    try await playing.value
    try await listening.value
  }

  @Test func `a move to another device is reported`() async throws {
    let daemon = try await PulseDaemon()
    let reports = Reports<PulseEvent>()
    let output = PulseOutput(sink: "speaker", server: daemon.server, report: reports.report)
    try await output.open()
    let playing = Task { try await output.run(Tone()) }
    try await eventually("sound to flow") { await output.statistics.device == "speaker" }
    let stream = try await daemon.control("list", "short", "sink-inputs").prefix { $0 != "\t" }
    try await daemon.control("move-sink-input", String(stream), "microphone")
    try await eventually("the report") { reports.all == [.moved(device: "microphone")] }
    playing.cancel()
    try await playing.value
  }

  @Test func `while a sink is suspended the provider is asked on, in time`() async throws {
    let daemon = try await PulseDaemon()
    let reports = Reports<PulseEvent>()
    let output = PulseOutput(sink: "speaker", server: daemon.server, report: reports.report)
    let input = PulseInput(source: "speaker.monitor", server: daemon.server)
    let tone = Tone()
    let listener = Listener()
    try await output.open()
    try await input.open()
    let playing = Task { try await output.run(tone) }
    let listening = Task { try await input.run(listener.receive) }
    try await eventually("the tone") { listener.endsInTone(4_800) }
    try await daemon.control("suspend-sink", "speaker", "1")
    try await eventually("the report") { reports.all.contains(.suspended) }
    let (given, taken) = (tone.count, listener.count)
    let start = ContinuousClock.now
    try await eventually("a second to pass") {
      tone.count >= given + 48_000 && listener.count >= taken + 48_000
    }
    // Never faster than the clock; 200 ms for what was under way.
    #expect(ContinuousClock.now - start > .milliseconds(800))
    try await daemon.control("suspend-sink", "speaker", "0")
    try await eventually("the report") { reports.all.contains(.resumed) }
    try await eventually("the tone") { listener.endsInTone(4_800) }
    playing.cancel()
    listening.cancel()
    try await playing.value
    try await listening.value
  }

  @Test func `a run that is cancelled while the server is away returns`() async throws {
    let daemon = try await PulseDaemon()
    let reports = Reports<PulseEvent>()
    let output = PulseOutput(server: daemon.server, report: reports.report)
    try await output.open()
    let playing = Task { try await output.run(Tone()) }
    try await eventually("sound to flow") { await output.statistics.device != nil }
    try await daemon.stop()
    try await eventually("the loss") { !reports.all.isEmpty }
    playing.cancel()
    try await playing.value
  }
}

struct PulseDevicesTests {
  @Test func `sinks and sources are listed with what people call them`() async throws {
    let daemon = try await PulseDaemon(
      modules: ["module-null-sink sink_name=headset sink_properties=device.description=Headset"])
    try await daemon.control("set-default-source", "headset.monitor")
    let devices = try await PulseDevices.list(server: daemon.server)
    #expect(devices.sinks.map(\.name) == ["speaker", "microphone", "headset"])
    #expect(devices.sinks.map(\.isDefault) == [true, false, false])
    #expect(devices.sinks.last?.description == "Headset")
    #expect(devices.sources.map(\.name) == ["speaker.monitor", "microphone.monitor", "headset.monitor"])
    #expect(devices.sources.map(\.isDefault) == [false, false, true])
    #expect(devices.sources.allSatisfy { $0.isMonitor })
    #expect(devices.sinks.allSatisfy { $0.state != .unknown && !$0.isMonitor })
  }
}
