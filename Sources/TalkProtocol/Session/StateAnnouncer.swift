/// Tells others our state, with the repetition of browsers: a message may come before the other side is ready for it.
struct StateAnnouncer: Sendable {
  enum Target: Hashable {
    /// The data channel of our publisher, which the media server passes on to all.
    case channel
    case participant(ParticipantID)
  }

  private struct Schedule {
    var start: ContinuousClock.Instant
    var step: Int
  }

  private let delays: [Duration]
  private var schedules: [Target: Schedule] = [:]

  init(delays: [Duration]) { self.delays = delays }

  var deadline: ContinuousClock.Instant? {
    schedules.values.compactMap { next($0) }.min()
  }

  private func next(_ schedule: Schedule) -> ContinuousClock.Instant? {
    schedule.step < delays.count ? schedule.start + delays[schedule.step] : nil
  }

  /// From now on, and again later.
  mutating func begin(_ target: Target, at now: ContinuousClock.Instant) {
    schedules[target] = Schedule(start: now, step: 0)
  }

  mutating func keep(_ isWanted: (ParticipantID) -> Bool) {
    schedules = schedules.filter { target, _ in
      if case .participant(let id) = target { isWanted(id) } else { true }
    }
  }

  func isKnown(_ target: Target) -> Bool { schedules[target] != nil }

  mutating func reset() { schedules = [:] }

  mutating func stop(_ target: Target) { schedules[target] = nil }

  /// Whom to tell now; however late, once.
  mutating func due(at now: ContinuousClock.Instant) -> [Target] {
    var targets: [Target] = []
    for (target, schedule) in schedules {
      guard let at = next(schedule), at <= now else { continue }
      var schedule = schedule
      while let at = next(schedule), at <= now { schedule.step += 1 }
      schedules[target] = schedule
      targets.append(target)
    }
    return targets.sorted { $0.order < $1.order }
  }
}

extension StateAnnouncer.Target {
  fileprivate var order: String {
    switch self {
    case .channel: ""
    case .participant(let id): id.session
    }
  }
}
