import Glibc

/// Receives the streams of a benchmark's publisher on the product's own way: peer connection, feed, mixer, recorder.
/// What it is called by and what it writes is in `Tests/Benchmarks/receive-path/README.md`.
@main
enum BenchReceiver {
  static func main() {
    guard let order = Order(arguments: CommandLine.arguments.dropFirst()) else {
      complain("usage: bench-receiver PORT N mix|each OUT SECONDS [--patient|--record] [--stepped=STREAM]")
      exit(64)
    }
    // Detached, for the main thread, whose actor `main` is on, waits; valgrind does not stand an asynchronous `main`.
    Task.detached {
      do { try await Reception(order).run() } catch {
        complain("\(error)")
        exit(1)
      }
    }
    while true { pause() }
  }
}

func complain(_ message: String) {
  let line = Array("bench-receiver: \(message)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}
