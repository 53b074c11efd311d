/// A source of endless sound that is pulled: a participant's playout, a mix, a synthetic voice.
public protocol SampleProvider: AnyObject, Sendable {
  /// Fills all of `samples` with mono 48 kHz sound, overwriting what is there; silence where there is nothing to hear.
  ///
  /// Called on the consumer's thread, by one consumer, and in the media path: it must not block, allocate or log.
  /// `now` is the time at which the consumer asks, by the clock that also stamped the packets.
  func render(into samples: inout MutableSpan<Float>, at now: ContinuousClock.Instant)
}

/// An end that plays or keeps sound: loudspeakers, a file, standard output.
public protocol AudioOutput: Sendable {
  /// Proves that the end is usable (the file writable, the sink there), so that errors come before a call is joined.
  func open() async throws

  /// Pulls sound from `provider` on the end's own clock until the task is cancelled (it completes its file and
  /// returns), until its reader is gone (it returns), or until it fails (it throws). Call `open` first.
  func run(_ provider: any SampleProvider) async throws

  /// Samples it had to throw away since it runs, because whoever takes them did not keep up. From any thread.
  var droppedSampleCount: Int { get }
}

extension AudioOutput {
  /// None: for ends that keep up with everything.
  public var droppedSampleCount: Int { 0 }
}

/// An end that gives sound: a microphone, a file, standard input.
public protocol AudioInput: Sendable {
  /// Proves that the end is usable (the file readable, the source there), so that errors come before a call is joined.
  func open() async throws

  /// Pushes blocks of `PCM.blockSize` mono 48 kHz samples at real-time pace, from the end's own thread, until the task
  /// is cancelled (it returns) or the end fails (it throws). Call `open` first.
  ///
  /// An input that has come to its end goes on with silence. `receive` is in the media path: it must not block.
  func run(_ receive: @escaping @Sendable (Span<Float>) -> Void) async throws
}
