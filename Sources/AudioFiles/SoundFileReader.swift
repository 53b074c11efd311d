internal import Audio
internal import CSndFile
internal import Glibc
internal import Resampling

/// Reads a sound file as 48 kHz mono. Not for two threads at once.
final class SoundFileReader {
  private let path: String
  private let repeats: Bool
  private let file: OpaquePointer
  private let channels: Int
  private var resampler: Resampler
  private var interleaved: [Float]
  /// One chunk of the file, mixed to one channel, and how much of it the resampler has taken.
  private var mono: [Float]
  private var monoRange = 0..<0
  private var block = [Float](repeating: 0, count: PCM.blockSize)
  private var isExhausted = false
  /// Whether this round through the file has brought anything; a file without sound is not read in circles.
  private var hasSound = false

  private static let chunk = 1024

  init(path: String, repeats: Bool) throws(AudioFileError) {
    self.path = path
    self.repeats = repeats
    let descriptor = try Self.openRegularFile(path)
    var format = SF_INFO()
    guard let file = sf_open_fd(descriptor, Int32(SFM_READ), &format, Int32(SF_TRUE)) else {
      // libsndfile has closed the descriptor.
      throw .notAudio(path: path, reason: Self.reason(nil))
    }
    self.file = file
    channels = Int(format.channels)
    do throws(ResamplerError) {
      resampler = try Resampler(from: Int(format.samplerate), to: PCM.sampleRate)
    } catch {
      sf_close(file)
      throw .notAudio(path: path, reason: error.description)
    }
    interleaved = Array(repeating: 0, count: Self.chunk * channels)
    mono = Array(repeating: 0, count: Self.chunk)
  }

  deinit { sf_close(file) }

  private static func openRegularFile(_ path: String) throws(AudioFileError) -> Int32 {
    // Without O_NONBLOCK a pipe that nobody writes to would hold us up here.
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOENT ? .missing(path: path) : .unreadable(path: path, reason: systemReason(code))
    }
    var status = stat()
    let type = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
    guard type == S_IFREG else {
      close(descriptor)
      let reason = type == S_IFDIR ? systemReason(EISDIR) : "not a regular file; use - for raw sound from a pipe"
      throw .unreadable(path: path, reason: reason)
    }
    return descriptor
  }

  private static func reason(_ file: OpaquePointer?) -> String {
    // The library ends its sentences; ours go on.
    let text = String(cString: sf_strerror(file))
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }

  /// Reads until the ring is full or the file has come to its end, which completes the ring.
  func fill(_ ring: SampleRing) throws(AudioFileError) {
    while ring.room >= block.count {
      if monoRange.isEmpty, !isExhausted { try readChunk() }
      var output = block.mutableSpan
      let produced: Int
      if monoRange.isEmpty {
        produced = resampler.flush(into: &output)
        if produced == 0 { return ring.complete() }
      } else {
        let step = resampler.process(mono.span.extracting(monoRange), into: &output)
        monoRange = (monoRange.lowerBound + step.consumed)..<monoRange.upperBound
        produced = step.produced
      }
      _ = ring.append(block.span.extracting(first: produced))
    }
  }

  private func readChunk() throws(AudioFileError) {
    var count = Int(sf_readf_float(file, &interleaved, sf_count_t(Self.chunk)))
    if count == 0, repeats, hasSound, sf_error(file) == SF_ERR_NO_ERROR, sf_seek(file, 0, SEEK_SET) == 0 {
      hasSound = false
      count = Int(sf_readf_float(file, &interleaved, sf_count_t(Self.chunk)))
    }
    guard sf_error(file) == SF_ERR_NO_ERROR else { throw .readFailed(path: path, reason: Self.reason(file)) }
    guard count > 0 else {
      isExhausted = true
      return
    }
    hasSound = true
    mix(count)
    monoRange = 0..<count
  }

  /// The mean of the channels, which keeps the level of what is the same in all; what is not a number is silence.
  private func mix(_ count: Int) {
    let scale = 1 / Float(channels)
    var position = 0
    for frame in 0..<count {
      var sum: Float = 0
      for _ in 0..<channels {
        sum += interleaved[position]
        position += 1
      }
      mono[frame] = sum.isFinite ? sum * scale : 0
    }
  }
}
