internal import CPulse

extension PulseClient {
  /// All sinks and sources, and which of them are used by default.
  nonisolated(nonsending) func devices() async throws(PulseError) -> PulseDevices {
    let answer = Answer()
    let me = Unmanaged.passUnretained(answer).toOpaque()
    defer { withExtendedLifetime(answer) {} }
    guard let context else { throw .failed(reason: reason) }
    try await finish(
      pa_context_get_server_info(
        context,
        { _, info, me in
          guard let info = info?.pointee else { return }
          Answer.of(me).defaultSink = text(info.default_sink_name)
          Answer.of(me).defaultSource = text(info.default_source_name)
        }, me))
    try await finish(
      pa_context_get_sink_info_list(
        context,
        { _, info, _, me in
          guard let info = info?.pointee else { return }
          let answer = Answer.of(me)
          let name = text(info.name)
          answer.sinks.append(
            PulseDevice(
              name: name, description: text(info.description), isDefault: name == answer.defaultSink,
              isMonitor: false, state: PulseDevice.State(code: info.state.rawValue)))
        }, me))
    try await finish(
      pa_context_get_source_info_list(
        context,
        { _, info, _, me in
          guard let info = info?.pointee else { return }
          let answer = Answer.of(me)
          let name = text(info.name)
          answer.sources.append(
            PulseDevice(
              name: name, description: text(info.description), isDefault: name == answer.defaultSource,
              isMonitor: info.monitor_of_sink != UInt32.max, state: PulseDevice.State(code: info.state.rawValue)))
        }, me))
    return PulseDevices(sinks: answer.sinks, sources: answer.sources)
  }
}

/// What libpulse's callbacks bring, on the loop's thread.
private final class Answer {
  var defaultSink = ""
  var defaultSource = ""
  var sinks: [PulseDevice] = []
  var sources: [PulseDevice] = []

  static func of(_ me: UnsafeMutableRawPointer?) -> Answer { Unmanaged<Answer>.fromOpaque(me!).takeUnretainedValue() }
}

private func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }

extension PulseDevice.State {
  /// Sinks and sources number their states alike.
  fileprivate init(code: Int32) {
    self =
      switch code {
      case PA_SINK_RUNNING.rawValue: .running
      case PA_SINK_IDLE.rawValue: .idle
      case PA_SINK_SUSPENDED.rawValue: .suspended
      default: .unknown
      }
  }
}
