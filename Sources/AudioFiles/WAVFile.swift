internal import Audio
internal import CSndFile
internal import Glibc

/// A growing 48 kHz mono 16-bit WAV file.
///
/// A chunk is reserved in the header from the start, so that the file turns into RF64 in place when it outgrows the
/// 4 GiB of WAV (EBU Tech 3306). Not for two threads at once.
package final class WAVFile {
  private let storage: FileStorage
  private let path: String
  private var file: OpaquePointer?
  private var isClosed = false
  private var converted: [Int16]
  /// Samples written so far.
  package private(set) var sampleCount = 0
  /// Bytes before the first sample.
  private var headerSize = 0

  /// Writes the header of an empty file.
  /// - Parameters:
  ///   - descriptor: Open for writing, empty if a regular file; closed by `close`.
  ///   - path: For error texts.
  package init(descriptor: Int32, path: String) throws(AudioFileError) {
    self.path = path
    storage = FileStorage(descriptor: descriptor)
    converted = Array(repeating: 0, count: PCM.blockSize)
    var format = SF_INFO()
    format.samplerate = Int32(PCM.sampleRate)
    format.channels = 1
    format.format = Int32(SF_FORMAT_RF64 | SF_FORMAT_PCM_16)
    var operations = FileStorage.operations
    file = sf_open_virtual(
      &operations, Int32(SFM_WRITE), &format, Unmanaged.passUnretained(storage).toOpaque())
    guard let file else {
      let failure = failure()
      discard()
      throw failure
    }
    sf_command(file, Int32(SFC_RF64_AUTO_DOWNGRADE), nil, Int32(SF_TRUE))
    sf_command(file, Int32(SFC_UPDATE_HEADER_NOW), nil, 0)
    headerSize = storage.length
    if storage.failure != 0 {
      let failure = failure()
      discard()
      throw failure
    }
  }

  deinit { precondition(isClosed, "a WAV file must be closed") }

  /// Appends samples; those beyond ±1 are limited to it.
  package func append(_ samples: Span<Float>) throws(AudioFileError) {
    var first = 0
    while first < samples.count {
      let count = min(converted.count, samples.count - first)
      var output = converted.mutableSpan
      PCM16.encode(samples.extracting(first..<(first + count)), into: &output)
      let written = sf_writef_short(file, converted, sf_count_t(count))
      sampleCount += Int(written)
      guard written == count else { throw failure() }
      first += count
    }
  }

  /// Makes the header on disk agree with what was appended, so that the file is whole even if we die now.
  package func updateHeader() throws(AudioFileError) {
    sf_command(file, Int32(SFC_UPDATE_HEADER_NOW), nil, 0)
    if storage.failure != 0 { throw failure() }
  }

  /// Completes the header, asks the system to put the file on disk, and closes it.
  package func close() throws(AudioFileError) {
    // A failure that was reported before must not count twice.
    storage.failure = 0
    discard()
    if storage.failure != 0 { throw failure() }
  }

  private func discard() {
    guard !isClosed else { return }
    isClosed = true
    sf_close(file)
    file = nil
    storage.close()
  }

  /// Leaves `count` samples of silence as a hole that takes no room, where the file system can.
  package func appendHole(of count: Int) {
    sf_seek(file, sf_count_t(count), SEEK_CUR)
    sampleCount += count
  }

  private func failure() -> AudioFileError {
    // What had been put off is lost too.
    sampleCount = min(sampleCount, max(0, storage.length - headerSize) / MemoryLayout<Int16>.size)
    let written = PCM.duration(of: sampleCount)
    return switch storage.failure {
    case ENOSPC, EDQUOT: .diskFull(path: path, written: written)
    case 0: .writeFailed(path: path, reason: String(cString: sf_strerror(file)), written: written)
    case let code: .writeFailed(path: path, reason: systemReason(code), written: written)
    }
  }
}

/// The bytes of the file, as libsndfile reaches them: through us, so that we learn the system's own error.
///
/// Samples that follow each other are gathered, for a call of the system costs more than all else that a block does here.
/// They are written before the header, which so never promises what is not there.
private final class FileStorage {
  /// In bytes: a third of a second.
  private static let mostGathered = 32_768

  private let descriptor: Int32
  // Kept here and not asked of the system: devices such as /dev/full have neither a length nor a position.
  private var position = 0
  private(set) var length = 0
  /// What is to be written at `gatheredPosition`.
  private var gathered: [UInt8] = []
  private var gatheredPosition = 0
  /// `errno` of the last operation that failed, else 0.
  var failure: Int32 = 0

  init(descriptor: Int32) {
    self.descriptor = descriptor
    gathered.reserveCapacity(Self.mostGathered)
  }

  static let operations = SF_VIRTUAL_IO(
    get_filelen: { sf_count_t(FileStorage.of($0).length) },
    seek: { offset, origin, me in FileStorage.of(me).seek(Int(offset), origin) },
    // libsndfile does not read what it writes.
    read: { _, _, _ in 0 },
    write: { bytes, count, me in
      sf_count_t(FileStorage.of(me).write(UnsafeRawBufferPointer(start: bytes, count: Int(count))))
    },
    tell: { sf_count_t(FileStorage.of($0).position) })

  private static func of(_ me: UnsafeMutableRawPointer?) -> FileStorage {
    Unmanaged<FileStorage>.fromOpaque(me!).takeUnretainedValue()
  }

  private func seek(_ offset: Int, _ origin: Int32) -> sf_count_t {
    switch origin {
    case SEEK_CUR: position += offset
    case SEEK_END: position = length + offset
    default: position = offset
    }
    return sf_count_t(position)
  }

  private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    let done = position == 0 ? putHeader(bytes) : gather(bytes)
    position += done
    return done
  }

  private func putHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard flush() else { return 0 }
    // In one step, so that whoever reads the file meanwhile finds one header or the other.
    return withUnsafeTemporaryAllocation(byteCount: bytes.count, alignment: 1) { header in
      header.copyMemory(from: bytes)
      Self.simplifyFormat(header)
      return put(UnsafeRawBufferPointer(header), at: 0)
    }
  }

  private func gather(_ bytes: UnsafeRawBufferPointer) -> Int {
    if position != gatheredPosition + gathered.count || gathered.count + bytes.count > Self.mostGathered {
      guard flush() else { return 0 }
      gatheredPosition = position
    }
    guard bytes.count <= Self.mostGathered else { return put(bytes, at: position) }
    gathered.append(contentsOf: bytes)
    length = max(length, position + bytes.count)
    return bytes.count
  }

  /// Writes what was gathered; what cannot be written is given up.
  private func flush() -> Bool {
    let count = gathered.count
    let done = gathered.withUnsafeBytes { put($0, at: gatheredPosition) }
    gathered.removeAll(keepingCapacity: true)
    if done < count { length = gatheredPosition + done }
    return done == count
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Int {
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, start + done)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        failure = count < 0 ? errno : EIO
        break
      }
      done += count
    }
    length = max(length, start + done)
    return done
  }

  /// libsndfile describes the samples of what may become RF64 by the extensible format (`WAVE_FORMAT_EXTENSIBLE`), which
  /// simple readers refuse. For mono of 16 bits the plain one (`WAVE_FORMAT_PCM`) says the same.
  private static func simplifyFormat(_ header: UnsafeMutableRawBufferPointer) {
    // The first chunk is the reserved one; the format follows.
    guard header.count >= 20 else { return }
    let format = 20 + Int(header.loadUnaligned(fromByteOffset: 16, as: UInt32.self).littleEndian)
    guard header.count >= format + 10, header[format...].starts(with: "fmt ".utf8) else { return }
    header.storeBytes(of: UInt16(1).littleEndian, toByteOffset: format + 8, as: UInt16.self)
  }

  func close() {
    _ = flush()
    // Devices cannot be synchronised and say so; that is no failure.
    if fdatasync(descriptor) != 0, errno != EINVAL, errno != EROFS { failure = errno }
    if Glibc.close(descriptor) != 0, errno != EINTR { failure = errno }
  }
}
