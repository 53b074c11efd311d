public import Glibc

/// A value that is reached only while a lock is held: the one lock of this project.
///
/// The lock is a POSIX mutex with priority inheritance, so that a realtime audio thread that waits for it lends its
/// priority to the holder. Hold it for a few loads and stores; never across a system call, an allocation that can be
/// avoided, or a call to code that is not yours. (`Synchronization.Mutex` would do, but thread sanitizer does not
/// understand it on Linux and reports races that are none.)
public final class Locked<Value: ~Copyable>: @unchecked Sendable {
  // Sound as Sendable: `value` is touched in `withLock` alone, while `mutex` is held, and Value is handed in as sending.
  @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline var value: Value

  /// Makes the lock around a value that nobody else refers to.
  public init(_ value: consuming sending Value) {
    self.value = value
    mutex = .allocate(capacity: 1)
    var attributes = pthread_mutexattr_t()
    pthread_mutexattr_init(&attributes)
    pthread_mutexattr_setprotocol(&attributes, Int32(PTHREAD_PRIO_INHERIT))
    let status = pthread_mutex_init(mutex, &attributes)
    precondition(status == 0, "pthread_mutex_init failed with \(status)")
    pthread_mutexattr_destroy(&attributes)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` with the value, alone. Not recursive: `body` must not lock the same object again.
  ///
  /// Inlinable, for a generic function of another module is called with everything by reference.
  @inlinable @inline(__always)
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }
}
