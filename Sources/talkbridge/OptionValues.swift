import ArgumentParser

/// A length of time as people write it: `90`, `30s`, `5m`, `1h`, `1h30m`; a bare number is seconds.
struct TimeLength: Equatable, ExpressibleByArgument {
  var duration: Duration

  init?(argument: String) {
    var seconds = 0.0
    var number = ""
    var smallestUnit = Double.infinity
    func add(_ unit: Double) -> Bool {
      guard let value = Double(number), value >= 0, value.isFinite, unit < smallestUnit else { return false }
      seconds += value * unit
      smallestUnit = unit
      number = ""
      return true
    }
    for character in argument {
      switch character {
      case "0"..."9", ".": number.append(character)
      case "h": guard add(3600) else { return nil }
      case "m": guard add(60) else { return nil }
      case "s": guard add(1) else { return nil }
      default: return nil
      }
    }
    if !number.isEmpty { guard add(1) else { return nil } }
    // A hundred years is no meeting, but an overflow.
    guard smallestUnit.isFinite, seconds > 0, seconds < 3_200_000_000 else { return nil }
    duration = .seconds(seconds)
  }
}

/// A range of UDP ports: `LO-HI`, both included.
struct PortRange: Equatable, ExpressibleByArgument {
  var low: UInt16
  var high: UInt16

  init?(argument: String) {
    let ends = argument.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let low = UInt16(ends[0]), let high = UInt16(ends[1]), low > 0, low <= high else {
      return nil
    }
    self.low = low
    self.high = high
  }
}
