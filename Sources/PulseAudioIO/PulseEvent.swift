/// What happens to a PulseAudio end while it runs; none of it ends the run.
public enum PulseEvent: Sendable, Equatable {
  /// The server or the device has gone; we look for it until it is back.
  case lost(reason: String)
  /// Sound flows again, to or from this device.
  case restored(device: String)
  /// The server has moved us to another device.
  case moved(device: String)
  /// The device stands still: somebody suspended it.
  case suspended
  case resumed
}

/// How a PulseAudio end has been doing.
public struct PulseStatistics: Sendable, Equatable {
  /// The device in use; nil while there is none.
  public var device: String?
  /// Output: from asking for a sample until it is heard. Input: from when it was heard until we have it. Below zero for
  /// a monitor, which gives what will be heard only then; nil until measured.
  public var latency: Duration?
  /// How often the device had to play without us, because we were late.
  public var underflowCount = 0
  /// How often sound was dropped, because we were late.
  public var overflowCount = 0
  /// How often the server or the device had to be found again.
  public var reconnectionCount = 0
}
