public import GLibLoop
internal import Glibc

/// Keeps a loop's thread busy, so that nothing that lives on it hears or answers.
public actor Deafness {
  private nonisolated let loop: GLibExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  public init(_ loop: GLibExecutor) { self.loop = loop }

  /// Blocks the loop until `isDeaf` says no more.
  public func last(while isDeaf: @Sendable () -> Bool) { while isDeaf() { usleep(1000) } }
}
